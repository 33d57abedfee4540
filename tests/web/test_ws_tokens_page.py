"""An administrator switches WS-UsernameToken on and off at the camera's page, in a real browser, in both languages."""

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import PASSWORD, USER, complaints, fill, press, wait_for, wait_for_text

TEXTS = {
    "en": {
        "nobody": "Switched on for nobody", "once": "It is shown once", "on": f"Switched on for: {USER}",
        "off": "Switched off.",
    },
    "ja": {
        "nobody": "有効なユーザーはいません", "once": "今回だけ",
        "on": f"有効なユーザー：{USER}", "off": "無効にしました",
    },
}  # fmt: skip


@pytest.fixture
def home(camera: CameraProcess, agent: FakeAgent, driver: Chrome) -> FakeAgent:
    agent.claim(USER, PASSWORD)
    driver.get(camera.url + "/")
    fill(driver, "user", USER)
    fill(driver, "password", PASSWORD)
    return agent


def test_the_secret_is_shown_once_and_switched_off_again(home: FakeAgent, driver: Chrome, language: str) -> None:
    texts = TEXTS[language]
    press(driver, "sign-in")
    wait_for_text(driver, "#ws-users", texts["nobody"])
    fill(driver, "ws-password", "wrong")
    press(driver, "ws")
    wait_for(driver, "#ws .notice.bad")
    assert home.tokens == {}
    fill(driver, "ws-password", PASSWORD)
    press(driver, "ws")
    wait_for_text(driver, "#ws .notice.good", texts["once"])
    assert driver.find_element(By.ID, "ws-token").text == home.tokens[USER]
    wait_for_text(driver, "#ws-users", texts["on"])
    secret = home.tokens[USER]
    driver.find_element(By.ID, "ws-off").click()
    wait_for_text(driver, "#ws .notice.good", texts["off"])
    assert home.tokens == {}
    assert secret not in driver.page_source
    assert complaints(driver) == []


def test_where_the_maker_rules_it_out_there_is_no_form(home: FakeAgent, driver: Chrome) -> None:
    home.tokens = None
    press(driver, "sign-in")
    wait_for(driver, "#evidence-button")
    assert not driver.find_element(By.ID, "ws").is_displayed()
