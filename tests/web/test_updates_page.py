"""A person with a real browser sees what waits and why, hurries it, postpones it, and says when it may come."""

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import PASSWORD, USER, complaints, fill, press, sign_in, wait_for, wait_for_text

WAITING = {
    "phase": "waiting", "last_result": "", "to": "1.1.0", "severity": "high", "waits": "window", "until_at": 1795370400,
    "until": "2026-11-23 03:00", "postpone_limit": "2026-11-24 09:15",
}  # fmt: skip
SAID = {
    "ja": {
        "idle": "待機中の更新はありません", "ready": "バージョン 1.1.0 の準備ができました", "until": "11月23日",
        "severity": "重要", "limit": "11月24日", "done": "再起動します", "looking": "更新を確認しています",
        "postponed": "延期しました", "critical": "延期できません", "saved": "保存しました", "clock": "1日後",
        "coming": "インストール中",
    },
    "en": {
        "idle": "No update is waiting", "ready": "Version 1.1.0 is ready", "until": "Mon, Nov 23",
        "severity": "important",
        "limit": "Tue, Nov 24", "done": "restarts now", "looking": "looks for an update", "postponed": "Postponed.",
        "critical": "cannot be postponed", "saved": "Saved.", "clock": "after a day", "coming": "installing",
    },
}  # fmt: skip


@pytest.fixture
def home(driver: Chrome, agent: FakeAgent) -> Chrome:
    """Signed in as the administrator of a camera with an operator, on which an update waits."""
    agent.claim(USER, PASSWORD)
    agent.phase, agent.update = "enrolled", dict(WAITING)
    driver.refresh()
    sign_in(driver)
    wait_for(driver, "#updates-why:not([hidden])")
    return driver


def asked(agent: FakeAgent, operation: str) -> list[dict]:
    return [request for _, request in agent.asked if request["op"] == operation]


def refresh(driver: Chrome, agent: FakeAgent, **changes: object) -> None:
    agent.update = {name: value for name, value in (WAITING | changes).items() if value is not None}
    driver.execute_script("refreshDevice()")


def test_a_person_sees_what_waits_and_why_and_hurries_it(home: Chrome, agent: FakeAgent, language: str) -> None:
    said = SAID[language]
    wait_for_text(home, "#updates-headline", said["ready"])
    wait_for_text(home, "#updates-why", said["until"])
    assert "03:00" in home.find_element(By.ID, "updates-why").text
    assert home.find_element(By.ID, "updates-severity").text == said["severity"]
    assert said["limit"] in home.find_element(By.ID, "updates-limit").text
    press(home, "update-now")
    wait_for_text(home, "#updates-notice.good", said["done"])
    assert len(asked(agent, "update_now")) == 1
    assert complaints(home) == []


def test_a_person_postpones_what_waits(home: Chrome, agent: FakeAgent, language: str) -> None:
    Select(home.find_element(By.ID, "postpone-hours")).select_by_value("72")
    press(home, "postpone")
    wait_for_text(home, "#updates-notice.good", SAID[language]["postponed"])
    assert [request["hours"] for request in asked(agent, "postpone")] == ["72"]
    assert complaints(home) == []


def test_what_cannot_be_postponed_says_why(home: Chrome, agent: FakeAgent, language: str) -> None:
    said = SAID[language]
    assert home.find_element(By.ID, "postpone").is_displayed()
    refresh(home, agent, phase="installing", severity="critical", waits=None, postpone_limit=None, progress_percent=40)
    wait_for_text(home, "#updates-limit", said["critical"])
    wait_for_text(home, "#updates-headline", said["coming"])
    assert not home.find_element(By.ID, "postpone").is_displayed()
    assert home.find_element(By.ID, "updates-progress").get_attribute("value") == "40"
    refresh(home, agent, waits="clock", until=None)
    wait_for_text(home, "#updates-why", said["clock"])
    agent.update = {"phase": "idle", "last_result": ""}
    home.execute_script("refreshDevice()")
    wait_for_text(home, "#updates-headline", said["idle"])
    press(home, "update-now")
    wait_for_text(home, "#updates-notice.good", said["looking"])


def test_a_person_says_when_the_camera_may_restart(home: Chrome, agent: FakeAgent, language: str) -> None:
    home.find_element(By.CSS_SELECTOR, "#updates-when summary").click()
    days = Select(home.find_element(By.ID, "days"))
    assert days.first_selected_option.get_attribute("value") == "daily"
    assert home.find_element(By.ID, "from").get_attribute("value") == "03:00"
    days.select_by_value("mon-fri")
    home.execute_script(
        "document.getElementById('from').value = '23:30'; document.getElementById('to').value = '05:00'"
    )
    fill(home, "zone", "Tokyo")
    press(home, "settings")
    wait_for(home, "#settings .notice.bad")
    fill(home, "zone", "JST-9")
    press(home, "settings")
    wait_for_text(home, "#settings .notice.good", SAID[language]["saved"])
    assert agent.schedule == {"windows": "mon-fri 23:30-05:00", "time_zone": "JST-9"}
    wait_for_text(home, "#updates-set", "23:30–05:00")
    days.select_by_value("other")
    fill(home, "windows", "mon 01:00-03:00; thu 02:00-04:00")
    press(home, "settings")
    wait_for_text(home, "#updates-set", "thu 02:00-04:00")
    days.select_by_value("any")
    assert not home.find_element(By.ID, "from").is_displayed()
    press(home, "settings")
    wait_for_text(home, "#updates-set", "いつでも" if language == "ja" else "at any time")
    assert agent.schedule["windows"] == ""
    assert complaints(home) == []


def test_a_viewer_sees_it_and_decides_nothing(home: Chrome, agent: FakeAgent, language: str) -> None:
    agent.users["guest"] = ("viewer", PASSWORD)
    home.find_element(By.ID, "sign-out").click()
    wait_for(home, "#sign-in")
    fill(home, "user", "guest")
    fill(home, "password", PASSWORD)
    press(home, "sign-in")
    wait_for_text(home, "#updates-headline", SAID[language]["ready"])
    for name in ("update-now", "postpone", "settings"):
        assert home.find_elements(By.ID, name) == []
        body = {"hours": "1", "windows": "", "time_zone": "UTC0"}
        status = home.execute_async_script(
            "ask('POST', '/api/' + arguments[0], arguments[1]).then(arguments[2])",
            name,
            body,
        )
        assert (status["ok"], status["code"]) == (False, "forbidden")
