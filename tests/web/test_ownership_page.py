"""A person with a real browser leaves the operator, moves to another one, and erases the camera."""

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import PASSWORD, USER, complaints, fill, press, sign_in, wait_for, wait_for_text
from tests.web.test_claim_page import TEXTS

SAID = {
    "ja": {
        "tick": "先にチェック",
        "denied": "入力が正しくありません",
        "moved": "移管を開始しました",
        "gone": "再起動します",
    },
    "en": {
        "tick": "tick the box",
        "denied": "That is not right",
        "moved": "transfer has started",
        "gone": "restarts now",
    },
}


@pytest.fixture
def home(driver: Chrome, agent: FakeAgent) -> Chrome:
    """Signed in as the administrator of a camera that has an operator."""
    agent.claim(USER, PASSWORD)
    agent.phase = "enrolled"
    driver.refresh()
    sign_in(driver)
    wait_for(driver, "#transfer:not([hidden])")
    return driver


def shown(driver: Chrome) -> dict[str, bool]:
    names = ("enrol", "transfer", "disown", "erase")
    return {name: driver.find_element(By.ID, name).is_displayed() for name in names}


def tick(driver: Chrome, form: str) -> None:
    driver.find_element(By.ID, f"{form}-sure").click()


def test_a_person_moves_the_camera_to_another_operator(home: Chrome, agent: FakeAgent, language: str) -> None:
    said = SAID[language]
    assert shown(home) == {"enrol": False, "transfer": True, "disown": True, "erase": True}
    fill(home, "transfer-token", "  camward1.next  ")
    fill(home, "transfer-password", PASSWORD)
    press(home, "transfer")
    wait_for_text(home, "#transfer .notice.bad", said["tick"])
    tick(home, "transfer")
    fill(home, "transfer-password", "wrong")
    press(home, "transfer")
    wait_for_text(home, "#transfer .notice.bad", said["denied"])
    fill(home, "transfer-password", PASSWORD)
    press(home, "transfer")
    wait_for_text(home, "#transfer .notice.good", said["moved"])
    asked = [request for _, request in agent.asked if request["op"] == "transfer"]
    assert [(one["password"], one["token"]) for one in asked] == [
        ("wrong", "camward1.next"),
        (PASSWORD, "camward1.next"),
    ]
    assert home.find_element(By.ID, "transfer-password").get_attribute("value") == ""
    assert complaints(home) == []


def test_a_person_leaves_the_operator_and_may_enrol_again(home: Chrome, agent: FakeAgent, language: str) -> None:
    tick(home, "disown")
    fill(home, "disown-password", PASSWORD)
    press(home, "disown")
    wait_for_text(home, "#disown .notice.busy", SAID[language]["gone"])
    wait_for(home, "#disown[hidden]")  # the page has come back, or has heard that there is no operator
    wait_for(home, "#enrol:not([hidden])")
    assert agent.state == "claimed"
    assert complaints(home) == []


def test_a_person_erases_the_camera_and_it_can_be_claimed_again(home: Chrome, agent: FakeAgent, language: str) -> None:
    fill(home, "erase-password", PASSWORD)
    press(home, "erase")
    wait_for_text(home, "#erase .notice.bad", SAID[language]["tick"])
    assert agent.state == "claimed"
    tick(home, "erase")
    press(home, "erase")
    wait_for_text(home, "h1", TEXTS[language]["title"])
    assert agent.users == {}
    assert complaints(home) == []
