"""The dashboard's page of commands in a real browser: what became of each, and sending one after a second look."""

import time

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from agent.formats.command import COMMANDS, CommandReport
from tests.web import seed
from tests.web.browser import patience, texts
from tests.web.dashboard import Visitor, open_page
from update_server.access import people
from update_server.db.models import Audit, Command, Device
from update_server.fleet import command_form
from update_server.fleet.commands import STATES
from update_server.web.command_pages import ALONE
from update_server.web.texts import TEXTS

HALL = 3
REASON = "不審な通信 (ticket 7)"


@pytest.fixture
def hall(fleet):
    """Two cameras of a site; no commands before and after."""
    ids = [seed.device_id(HALL), seed.device_id(HALL + 1)]
    with fleet.services.database.write() as session:
        session.query(Command).delete()
        for device_id in ids:
            session.get_one(Device, device_id).site = "hall"
    yield ids
    with fleet.services.database.write() as session:
        session.query(Command).delete()
        for device_id in ids:
            device = session.get_one(Device, device_id)
            device.site, device.telemetry = "", device.telemetry | {"quarantined_at": None}


def fill(browser, command, reason="", **fields):
    form = browser.find_element(By.CSS_SELECTOR, "form.fields")
    Select(form.find_element(By.NAME, "command")).select_by_value(command)
    for name, text in {"reason": reason, **fields}.items():
        form.find_element(By.NAME, name).send_keys(text)
    form.find_element(By.CSS_SELECTOR, "button.main").click()
    patience(browser).until(lambda it: it.current_url.endswith("/commands/review"))


def main_text(browser):
    return browser.find_element(By.TAG_NAME, "main").text


def send(browser):
    browser.find_element(By.CSS_SELECTOR, "form.actions button").click()
    patience(browser).until(lambda it: not it.current_url.endswith("/commands/review"))


def rows(browser):
    return texts(browser, "table.commands tbody tr")


def answer(fleet, device_id, event, code=""):
    with fleet.services.database.write() as session:
        device, row = session.get_one(Device, device_id), session.query(Command).filter_by(device_id=device_id).one()
        report = CommandReport(event, row.seq, row.name, code, 1)
        fleet.services.commands.reported(session, device, report, int(time.time()))


def test_a_quarantine_is_sent_after_a_second_look_and_followed_to_its_end(logged_in, fleet, hall):
    assert "No command yet." in open_page(logged_in, fleet, "/commands")
    fill(logged_in, "quarantine", REASON, site="hall")
    shown = main_text(logged_in)
    for text in (
        "Send: Quarantine?",
        "KW1-000004, KW1-000005",
        REASON,
        "Nobody can sign in",
        "shown as it is",
    ):
        assert text in shown
    with fleet.services.database.read() as session:
        assert session.query(Command).count() == 0, "a look sends nothing"
    send(logged_in)
    assert len(rows(logged_in)) == 2
    with fleet.services.database.read() as session:
        details = [row.detail for row in session.query(Audit).filter_by(what="command")]
    assert sum(detail.endswith(": " + REASON) for detail in details) == 2
    answer(fleet, hall[0], "done", "no_firewall")
    answer(fleet, hall[1], "refused", "unknown_command")
    shown = open_page(logged_in, fleet, "/commands")
    assert any("done" in row and "could not be cut off" in row for row in rows(logged_in))
    assert any("refused" in row and "software is older" in row for row in rows(logged_in))
    assert "In quarantine" in open_page(logged_in, fleet, "/devices/" + hall[0])
    assert "In quarantine" not in open_page(logged_in, fleet, "/devices/" + hall[1])
    assert "In quarantine" in open_page(logged_in, fleet, "/?q=KW1-000004")


def test_one_camera_has_its_own_list_and_form(logged_in, fleet, hall):
    open_page(logged_in, fleet, "/devices/" + hall[0])
    logged_in.find_element(By.CSS_SELECTOR, f"a[href='/commands?device={hall[0]}']").click()
    patience(logged_in).until(lambda it: it.current_url.endswith(hall[0]))
    fill(logged_in, "check")
    send(logged_in)
    assert logged_in.current_url.endswith("?device=" + hall[0])
    assert len(rows(logged_in)) == 1
    open_page(logged_in, fleet, "/commands?device=" + hall[1])
    assert rows(logged_in) == []


def test_it_is_in_japanese_as_well(logged_in, fleet, hall):
    logged_in.get(fleet.people_url + "/language/ja?back=/commands")
    fill(logged_in, "reboot", "夜間点検", site="hall")
    assert all(
        text in main_text(logged_in) for text in ("「再起動」を送りますか？", "2 台に送信", "映像と録画は1分ほど")
    )
    send(logged_in)
    shown = rows(logged_in)
    assert len(shown) == 2
    # The server sends it at its next tick: these cameras are online.
    assert all("再起動" in row and ("送信待ち" in row or "送信済み" in row) for row in shown), shown
    logged_in.get(fleet.people_url + "/language/en")


def test_who_changes_their_mind_sends_nothing(logged_in, fleet, hall):
    open_page(logged_in, fleet, "/commands")
    fill(logged_in, "reboot", site="hall")
    logged_in.find_element(By.CSS_SELECTOR, "form.actions a.button").click()
    patience(logged_in).until(lambda it: it.current_url.endswith("/commands"))
    assert rows(logged_in) == []


@pytest.mark.parametrize(
    ("written", "shown", "said"),
    [
        ("proxy.example:3128", "proxy.example:3128", {"host": "proxy.example", "port": 3128}),
        (" none ", "none: the camera connects without one", None),
    ],
)
def test_a_proxy_goes_alone_with_the_settings(logged_in, fleet, hall, written, shown, said):
    open_page(logged_in, fleet, "/commands")
    fill(logged_in, "settings", site="hall", proxy=written)
    text = main_text(logged_in)
    assert shown in text
    assert all(one in text for one in ("Send: HTTP proxy?", "this proxy and none of the other settings"))
    send(logged_in)
    with fleet.services.database.read() as session:
        sent = [command_form.read(row.body) for row in session.query(Command)]
    assert [one.arguments for one in sent] == [{"proxy": said}] * 2


@pytest.mark.parametrize("width", [380, 800, 1280])
def test_neither_page_is_wider_than_the_window(logged_in, fleet, hall, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    logged_in.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        open_page(logged_in, fleet, "/commands")
        fill(logged_in, "quarantine", "x" * 200, site="hall")
        assert logged_in.execute_script("return document.documentElement.scrollWidth") <= width
        send(logged_in)
        assert logged_in.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        logged_in.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_command_and_state_has_its_texts():
    wanted = [f"command_{name}" for name in COMMANDS] + [f"command_does_{name}" for name in ALONE]
    wanted += ["command_does_proxy"] + [f"command_state_{state}" for state in STATES]
    assert [key for key in wanted if key not in TEXTS] == []


@pytest.fixture
def visitor(fleet):
    made = Visitor(fleet)
    with made.client:
        yield made


def secret(visitor):
    return visitor.client.get("/commands").text.split('name="form_secret" value="')[1].split('"')[0]


def test_forms_need_their_secret_the_right_to_change_and_the_cameras_that_were_shown(visitor, fleet, hall):
    def post(path, own, **changes):
        data = {"form_secret": own, "command": "check", "site": "hall", "count": "2", **changes}
        return visitor.client.post(path, data=data, headers=visitor.own).status_code

    assert visitor.client.get("/commands").status_code == 303, "a stranger sees the login page"
    with fleet.services.database.write() as session:
        people.add_person(session, "looks", "a long enough password", people.VIEWER, 0)
    visitor.log_in("looks", "a long enough password")
    page = visitor.client.get("/commands")
    assert (page.status_code, "/commands/review" in page.text) == (200, False)
    assert [post(path, secret(visitor)) for path in ("/commands", "/commands/review")] == [403, 403]
    visitor.log_in("admin", fleet.password)
    own = secret(visitor)
    for path in ("/commands", "/commands/review"):
        assert (post(path, ""), post(path, "x" * 43)) == (400, 403)
        assert [post(path, own, command=name) for name in ("erase", "sing", "")] == [400] * 3
        assert post(path, own, site="") == 400
        assert post(path, own, reason="a\nb") == 400
        assert [post(path, own, command="settings", proxy=text) for text in ("a", "a:0", "a b:1", "[::1:2")] == [
            400
        ] * 4
        assert post(path, own, proxy="proxy.example:3128") == 400, "with another command"
    assert post("/commands", own, count="3") == 409
    with fleet.services.database.read() as session:
        assert session.query(Command).count() == 0
    assert post("/commands", own) == 303
    with fleet.services.database.read() as session:
        assert session.query(Command).count() == 2
