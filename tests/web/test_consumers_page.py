"""Back ends in the API and on the dashboard: the list, adding, renewing, removing, and who may."""

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from selenium.webdriver.common.by import By

from tests.web.browser import patience
from tests.web.test_dashboard import Visitor, open_page
from update_server.access import people
from update_server.db.models import Audit, Consumer
from update_server.web.texts import TEXTS


@pytest.fixture(autouse=True)
def nobody(fleet):
    """No consumers before and after."""
    yield
    with fleet.services.database.write() as session:
        session.query(Consumer).delete()
        session.query(Audit).filter(Audit.what.startswith("consumer")).delete()


def clients(fleet):
    with fleet.services.database.read() as session:
        return [row.client for row in session.query(Consumer).filter_by(removed_at=None)]


def audited(fleet):
    with fleet.services.database.read() as session:
        rows = session.query(Audit).filter(Audit.what.startswith("consumer")).order_by(Audit.id)
        return [(row.what, row.who) for row in rows]


def fits(certificate, key, client):
    found = x509.load_pem_x509_certificate(certificate.encode())
    private = serialization.load_pem_private_key(key.encode(), None)
    assert found.public_key() == private.public_key()
    assert found.subject.rfc4514_string() == f"CN={client}"


@pytest.fixture
def api(fleet):
    made = []

    def client(*words):
        token = fleet.run("token", "create", "--name", "t", *words).stdout.strip()
        made.append(
            httpx.Client(
                verify=fleet.context(), base_url=fleet.people_url + "/api/v1",
                headers={"Authorization": f"Bearer {token}"}, timeout=60,
            )
        )  # fmt: skip
        return made[-1]

    yield client
    for one in made:
        one.close()


def test_a_writing_token_adds_renews_and_removes_and_the_key_is_said_once(fleet, api):
    writer = api("--write", "--valid", "1h")
    added = writer.post("/consumers", json={"name": "office", "program": "river"})
    assert (added.status_code, added.headers["cache-control"]) == (201, "no-store")
    made = added.json()
    fits(made["certificate"], made["key"], made["client"])
    assert made["ca"] == fleet.ca.read_text()
    assert made["known"] is True
    (listed,) = writer.get("/consumers").json()
    assert listed == {name: made[name] for name in listed}
    assert not set(listed) & {"key", "certificate"}
    assert writer.post("/consumers", json={"name": "office", "program": "river"}).status_code == 409
    again = writer.post("/consumers/office/renew").json()
    fits(again["certificate"], again["key"], made["client"])
    assert again["key"] != made["key"]
    assert writer.delete("/consumers/office").status_code == 204
    assert writer.delete("/consumers/office").status_code == 404
    assert writer.post("/consumers/office/renew").status_code == 404
    assert writer.get("/consumers").json() == []
    assert audited(fleet) == [(f"consumer {what}", "token t") for what in ("add", "renew", "remove")]


@pytest.mark.parametrize("wanted", [{"name": "a\nuser x", "program": "river"}, {"name": "a", "program": "#"}])
def test_what_is_no_name_is_refused(fleet, api, wanted):
    assert api("--write", "--valid", "1h").post("/consumers", json=wanted).status_code == 400
    assert clients(fleet) == []


def test_a_reading_token_sees_them_and_changes_nothing(fleet, api):
    assert api("--write", "--valid", "1h").post("/consumers", json={"name": "x", "program": "river"}).status_code == 201
    before, reader = clients(fleet), api()
    assert [row["name"] for row in reader.get("/consumers").json()] == ["x"]
    assert reader.post("/consumers", json={"name": "y", "program": "river"}).status_code == 403
    assert reader.post("/consumers/x/renew").status_code == 403
    assert reader.delete("/consumers/x").status_code == 403
    assert clients(fleet) == before


def main_text(browser):
    return browser.find_element(By.TAG_NAME, "main").text


def add(browser, name):
    form = browser.find_element(By.CSS_SELECTOR, "form.fields")
    form.find_element(By.NAME, "name").send_keys(name)
    form.find_element(By.NAME, "program").send_keys("river")
    form.find_element(By.CSS_SELECTOR, "button.main").click()
    patience(browser).until(lambda it: it.find_elements(By.ID, "key"))


def pem(browser, name):
    return browser.find_element(By.ID, name).get_property("textContent")


def press(browser, kind):
    browser.find_element(By.CSS_SELECTOR, f"button.{kind}").click()


def test_one_is_added_renewed_and_removed_on_the_dashboard(logged_in, fleet):
    assert "No back end yet." in open_page(logged_in, fleet, "/consumers")
    add(logged_in, "water-office")
    (client,) = clients(fleet)
    first = pem(logged_in, "key")
    fits(pem(logged_in, "cert"), first, client)
    assert pem(logged_in, "ca") == fleet.ca.read_text()
    for text in ("shown this once", client, "camward/1/+/app/river/up/+"):
        assert text in main_text(logged_in)
    assert client in open_page(logged_in, fleet, "/consumers")
    assert "PRIVATE KEY" not in logged_in.page_source
    assert "does not know it yet" not in logged_in.page_source
    logged_in.find_element(By.LINK_TEXT, "water-office").click()
    patience(logged_in).until(lambda it: it.current_url.endswith("/consumers/water-office"))
    press(logged_in, "main")
    patience(logged_in).until(lambda it: it.find_elements(By.ID, "key"))
    fits(pem(logged_in, "cert"), pem(logged_in, "key"), client)
    assert pem(logged_in, "key") != first
    open_page(logged_in, fleet, "/consumers/water-office")
    press(logged_in, "danger")
    patience(logged_in).until(lambda it: "Remove water-office?" in main_text(it))
    assert clients(fleet) == [client], "one click asks only"
    assert client in main_text(logged_in)
    logged_in.find_element(By.LINK_TEXT, "Do not remove").click()
    patience(logged_in).until(lambda it: it.current_url.endswith("/consumers/water-office"))
    open_page(logged_in, fleet, "/consumers/water-office/remove")
    press(logged_in, "danger")
    patience(logged_in).until(lambda it: it.current_url.endswith("/consumers"))
    assert "No back end yet." in main_text(logged_in)
    assert clients(fleet) == []
    assert audited(fleet) == [(f"consumer {what}", "admin") for what in ("add", "renew", "remove")]


def test_it_is_in_japanese_as_well(logged_in, fleet):
    logged_in.get(fleet.people_url + "/language/ja?back=/consumers")
    assert "外部システム" in main_text(logged_in)
    add(logged_in, "office")
    assert "鍵の表示は一度だけ" in main_text(logged_in)
    logged_in.get(fleet.people_url + "/consumers/office")
    assert "数秒以内に" in main_text(logged_in)
    logged_in.get(fleet.people_url + "/consumers/office/remove")
    assert "「office」を削除しますか？" in main_text(logged_in)
    logged_in.get(fleet.people_url + "/language/en")


@pytest.mark.parametrize("width", [380, 1280])
def test_no_page_is_wider_than_the_window(logged_in, fleet, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    logged_in.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        open_page(logged_in, fleet, "/consumers")
        add(logged_in, "a" * 32)
        for path in (None, "/consumers", "/consumers/" + "a" * 32, "/consumers/" + "a" * 32 + "/remove"):
            if path:
                open_page(logged_in, fleet, path)
            assert logged_in.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        logged_in.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_text_of_these_pages_is_there():
    import re
    from pathlib import Path

    folder = Path(people.__file__).parents[1] / "web/templates"
    used = {key for path in folder.glob("consumer*.html") for key in re.findall(r't\("(\w+)"', path.read_text())}
    assert len(used) > 10
    assert [key for key in used if key not in TEXTS] == []


def test_forms_need_their_secret_and_the_right_to_change(fleet):
    visitor = Visitor(fleet)
    visitor.client.timeout = 60
    with visitor.client:

        def post(path, own):
            data = {"form_secret": own, "name": "x", "program": "river"}
            return visitor.client.post(path, data=data, headers=visitor.own).status_code

        def secret():
            return visitor.client.get("/consumers").text.split('name="form_secret" value="')[1].split('"')[0]

        paths = ("/consumers", "/consumers/x/renew", "/consumers/x/remove")
        assert visitor.client.get("/consumers").status_code == 303, "a stranger sees the login page"
        with fleet.services.database.write() as session:
            people.add_person(session, "watches", "a long enough password", people.VIEWER, 0)
        visitor.log_in("watches", "a long enough password")
        assert 'action="/consumers"' not in visitor.client.get("/consumers").text
        assert [post(path, secret()) for path in paths] == [403] * 3
        assert visitor.client.get("/consumers/x/remove").status_code == 404
        visitor.log_in("admin", fleet.password)
        for path in paths:
            assert (post(path, ""), post(path, "x" * 43)) == (400, 403)
        assert clients(fleet) == []
        own = secret()
        assert [post(path, own) for path in paths] == [200, 200, 303]
        assert visitor.client.get("/consumers/x").status_code == 404
