"""The page of a camera in quarantine in a real browser, in both languages: why, and the owner's way out."""

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import PASSWORD, USER, complaints, fill, press, wait_for, wait_for_text

REASON = "不審な通信 <ticket 7>"
TEXTS = {
    "en": {"title": "This camera is in quarantine", "sure": "tick the box", "wrong": "not right", "busy": "restarts"},
    "ja": {"title": "このカメラは隔離中です", "sure": "チェックを", "wrong": "正しくありません", "busy": "再起動"},
}


def test_it_says_why_and_lets_an_administrator_erase_it(
    camera: CameraProcess, agent: FakeAgent, driver: Chrome, language: str
) -> None:
    texts = TEXTS[language]
    agent.claim(USER, PASSWORD)
    agent.state, agent.quarantine = "locked", REASON
    driver.get(camera.url + "/")
    wait_for_text(driver, "h1", texts["title"])
    assert driver.find_element(By.ID, "reason").text == REASON
    assert driver.find_elements(By.ID, "sign-in") == []
    fill(driver, "erase-user", USER)
    fill(driver, "erase-password", "wrong")
    press(driver, "erase-locked")
    wait_for_text(driver, "#erase-locked .notice.bad", texts["sure"])
    driver.find_element(By.ID, "erase-sure").click()
    press(driver, "erase-locked")
    wait_for_text(driver, "#erase-locked .notice.bad", texts["wrong"])
    fill(driver, "erase-password", PASSWORD)
    press(driver, "erase-locked")
    wait_for(driver, "#erase-locked .notice.busy")
    assert texts["busy"] in driver.find_element(By.CSS_SELECTOR, "#erase-locked .notice").text
    assert ("web", "erase_locked") in [(service, request["op"]) for service, request in agent.asked]
    assert [one for one in complaints(driver) if "403" not in one and "401" not in one] == []
