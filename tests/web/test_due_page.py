"""A person whose password has to be changed, at the camera's page in a real browser, in both languages."""

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import PASSWORD, USER, complaints, fill, press, wait_for, wait_for_text

NEW = "gravel bank and heron"
TEXTS = {
    "en": {
        "title": "Change your password", "differ": "The two passwords differ", "live": "Live view",
        "ask": "Ask an administrator", "remind": "Accounts with an old one: 2", "old": "is 400 days old",
    },
    "ja": {
        "title": "パスワードの変更が必要です", "differ": "一致しません", "live": "ライブ映像", "ask": "管理者に",
        "remind": "アカウント数：2", "old": "400 日が経過",
    },
}  # fmt: skip


@pytest.fixture
def due(camera: CameraProcess, agent: FakeAgent, driver: Chrome) -> FakeAgent:
    """The camera is claimed, and its owner's password has to be changed; the browser shows the sign-in."""
    agent.claim(USER, PASSWORD)
    agent.due[USER] = True
    driver.get(camera.url + "/")
    fill(driver, "user", USER)
    fill(driver, "password", PASSWORD)
    return agent


def test_a_person_changes_it_and_is_signed_in(due: FakeAgent, driver: Chrome, language: str) -> None:
    texts = TEXTS[language]
    press(driver, "sign-in")
    wait_for_text(driver, "#due h1", texts["title"])
    assert not driver.find_element(By.ID, "sign-in").is_displayed()
    fill(driver, "due-new", "admin")
    fill(driver, "due-repeat", "other")
    press(driver, "due")
    wait_for_text(driver, "#due .notice.bad", texts["differ"])
    fill(driver, "due-repeat", "admin")
    press(driver, "due")
    wait_for(driver, "#due #rules .bad")
    assert due.users[USER][1] == PASSWORD
    fill(driver, "due-new", NEW)
    fill(driver, "due-repeat", NEW)
    press(driver, "due")
    wait_for_text(driver, ".live h2", texts["live"])
    assert due.users[USER][1] == NEW
    assert complaints(driver) == []


def test_who_may_not_is_sent_to_an_administrator(due: FakeAgent, driver: Chrome, language: str) -> None:
    due.due[USER] = False
    press(driver, "sign-in")
    wait_for_text(driver, "#sign-in .notice.bad", TEXTS[language]["ask"])
    assert not driver.find_element(By.ID, "due").is_displayed()


def test_before_that_the_start_page_reminds(due: FakeAgent, driver: Chrome, language: str) -> None:
    due.due.clear()
    due.change = {"stage": "reminder", "behind": 2, "restrict_at": 1_800_000_000, "claim_only_at": 0}
    press(driver, "sign-in")
    wait_for_text(driver, "#due-reminder", TEXTS[language]["remind"])
    assert "2027" in driver.find_element(By.ID, "due-reminder").text
    assert complaints(driver) == []


def test_the_start_page_shows_the_policys_own_reminder_and_only_then(
    due: FakeAgent, driver: Chrome, language: str
) -> None:
    due.due.clear()
    due.password = {"profile": "nist", "remind_days": 0, "due": False, "oldest_days": 400}
    press(driver, "sign-in")
    wait_for(driver, "#old-reminder")
    wait_for_text(driver, "[data-fact=serial]", "KW1")
    assert not driver.find_element(By.ID, "old-reminder").is_displayed()
    due.password = {"profile": "nist", "remind_days": 365, "due": True, "oldest_days": 400}
    wait_for_text(driver, "#old-reminder", TEXTS[language]["old"])
    assert not driver.find_element(By.ID, "due-reminder").is_displayed()
    assert complaints(driver) == []
