"""The dashboard's page of passwords in a real browser: who is old comes first, and the right people order a change."""

import csv
import io

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from agent.formats.required_change import ChangeReport
from tests.web import seed
from tests.web.browser import patience, texts
from tests.web.dashboard import Visitor, open_page
from update_server.db.models import Audit, Device, RequiredChange
from update_server.fleet import passwords

AT_SITE = 5


@pytest.fixture
def ages(fleet):
    """Two cameras that say how old their passwords are, at a site of their own; no orders afterwards."""
    with fleet.services.database.write() as session:
        for number, days in ((AT_SITE, 40), (AT_SITE + 1, 900)):
            device = session.get_one(Device, seed.device_id(number))
            device.site = "weir"
            device.telemetry = device.telemetry | {"password_age_days": days, "password_policy": "nist.0a1b2c3d"}
    yield [seed.device_id(AT_SITE), seed.device_id(AT_SITE + 1)]
    with fleet.services.database.write() as session:
        session.query(RequiredChange).delete()


def order(browser, site, restrict="3", verb="require"):
    form = browser.find_element(By.CSS_SELECTOR, "form.fields")
    form.find_element(By.NAME, "site").send_keys(site)
    Select(form.find_element(By.NAME, "reason")).select_by_value("staff_left")
    field = form.find_element(By.NAME, "restrict")
    field.clear()
    field.send_keys(restrict)
    form.find_element(By.CSS_SELECTOR, f"button[value={verb}]").click()


def rows(browser):
    return texts(browser, "table.passwords tbody tr")


def test_a_change_is_ordered_followed_and_taken_back(logged_in, fleet, ages):
    shown = open_page(logged_in, fleet, "/passwords")
    assert "900 days" in rows(logged_in)[0], "where nothing is ordered, the oldest comes first"
    assert "nothing required" in shown
    order(logged_in, "weir")
    patience(logged_in).until(lambda it: sum("not received yet" in text for text in rows(it)) == 2)
    with fleet.services.database.write() as session:
        device = session.get_one(Device, ages[0])
        since_at = session.get_one(RequiredChange, device.id).since_at
        passwords.reported(session, device, ChangeReport("restricted", since_at, 2, 3, ""), since_at, since_at)
        assert [row.detail.split()[0] for row in session.query(Audit).filter_by(what="device require-change")] == ages
    open_page(logged_in, fleet, "/passwords")
    first = rows(logged_in)[0]
    assert all(text in first for text in ("still old", "accounts: 2", "restricted", "40 days", "staff left"))
    assert "still old" in open_page(logged_in, fleet, "/devices/" + ages[0])
    logged_in.get(fleet.people_url + "/language/ja?back=/passwords")
    assert all(text in rows(logged_in)[0] for text in ("未変更", "制限中", "40 日", "担当者の退職・異動"))
    logged_in.get(fleet.people_url + "/language/en?back=/passwords")
    order(logged_in, "weir", verb="withdraw")
    patience(logged_in).until(lambda it: not any("still old" in text for text in rows(it)))


@pytest.mark.parametrize(("site", "restrict", "says"), [("", "3", "a group or a site"), ("weir", "x", "no number")])
def test_a_form_that_makes_no_sense_says_so(logged_in, fleet, ages, site, restrict, says):
    open_page(logged_in, fleet, "/passwords")
    order(logged_in, site, restrict)
    patience(logged_in).until(lambda it: says in it.find_element(By.TAG_NAME, "main").text)


def test_the_table_for_spreadsheets_is_for_people_who_are_logged_in(fleet, ages):
    visitor = Visitor(fleet)
    with visitor.client:
        assert visitor.client.get("/passwords.csv").status_code == 303
        visitor.log_in("admin", fleet.password)
        answer = visitor.client.get("/passwords.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    found = {row["id"]: row["age_days"] for row in csv.DictReader(io.StringIO(answer.text))}
    assert [found[one] for one in ages] == ["40", "900"]


def test_without_the_secret_of_the_form_nothing_is_ordered(fleet, ages):
    visitor = Visitor(fleet)
    with visitor.client:
        visitor.log_in("admin", fleet.password)
        for secret, status in (("", 400), ("x" * 43, 403)):
            data = {"form_secret": secret, "site": "weir", "reason": "policy", "restrict": "1", "claim_only": ""}
            assert visitor.client.post("/passwords", data=data, headers=visitor.own).status_code == status
    with fleet.services.database.read() as session:
        assert session.query(RequiredChange).count() == 0
