"""A person with a real browser opens RTSP in the clear, after a warning and a tick, and closes it again."""

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import PASSWORD, claim_and_sign_in, complaints, fill, picture, press, wait_for, wait_for_text

CLOSED = {"open": False, "port": 554}
TEXTS = {
    "en": {
        "closed": "with encryption only",
        "open": "OPEN on port 554 without encryption",
        "warning": "can watch the video and alter it",
        "denied": "That is not right",
        "sure": "tick the box",
        "sent": "was sent without encryption",
        "never": "Never let the recorder try with an administrator's name",
    },
    "ja": {
        "closed": "暗号化してのみ配信",
        "open": "ポート 554 が暗号化なしで開いています",
        "warning": "誰でも映像を見たり改ざんしたりでき",
        "denied": "入力が正しくありません",
        "sure": "チェック",
        "sent": "パスワードが暗号化なしで送信されました",
        "never": "レコーダーに管理者のユーザー名を設定しないでください",
    },
}


def test_it_is_opened_after_a_tick_and_the_password_and_closed(driver: Chrome, agent: FakeAgent, language: str) -> None:
    texts = TEXTS[language]
    agent.plain_rtsp = dict(CLOSED)
    claim_and_sign_in(driver, agent)
    wait_for_text(driver, "#plain-state", texts["closed"])
    wait_for_text(driver, "#plain p.notice.bad", texts["warning"])
    assert not driver.find_element(By.ID, "plain-close").is_displayed()
    Select(driver.find_element(By.ID, "plain-days")).select_by_value("30")
    fill(driver, "plain-password", PASSWORD)
    press(driver, "plain")
    wait_for_text(driver, "#plain [data-notice]", texts["sure"])
    assert agent.plain_rtsp == CLOSED, "without the tick nothing is asked for"
    driver.find_element(By.ID, "plain-sure").click()
    fill(driver, "plain-password", "wrong")
    press(driver, "plain")
    wait_for_text(driver, "#plain [data-notice]", texts["denied"])
    assert agent.plain_rtsp == CLOSED
    fill(driver, "plain-password", PASSWORD)
    press(driver, "plain")
    wait_for_text(driver, "#plain-state", texts["open"])
    assert agent.plain_rtsp["open"] is True
    driver.refresh()
    wait_for_text(driver, "#plain-state", texts["open"])
    picture(driver, f"plain-rtsp-{language}", "plain")
    driver.find_element(By.ID, "plain-close").click()
    wait_for_text(driver, "#plain-state", texts["closed"])
    assert agent.plain_rtsp == CLOSED
    assert complaints(driver) == []


def test_whose_password_was_sent_is_named_until_it_is_another(driver: Chrome, agent: FakeAgent, language: str) -> None:
    agent.plain_rtsp = {**CLOSED, "sent": ["keiko", "taro"]}
    claim_and_sign_in(driver, agent)
    wait_for_text(driver, "#plain-sent", "keiko, taro")
    wait_for_text(driver, "#plain-sent", TEXTS[language]["sent"])
    wait_for_text(driver, "#plain", TEXTS[language]["never"])
    agent.plain_rtsp = dict(CLOSED)
    driver.refresh()
    wait_for_text(driver, "#plain-state", TEXTS[language]["closed"])
    assert not driver.find_element(By.ID, "plain-sent").is_displayed()
    assert complaints(driver) == []


@pytest.mark.parametrize("language", ["en"], indirect=True)
@pytest.mark.parametrize(("role", "plain"), [("operator", CLOSED), ("administrator", {})])
def test_it_is_offered_to_administrators_of_cameras_that_can_have_it(
    driver: Chrome, agent: FakeAgent, role: str, plain: dict[str, object]
) -> None:
    agent.plain_rtsp = dict(plain)
    claim_and_sign_in(driver, agent, role)
    wait_for_text(driver, "[data-fact=serial]", "KW1")
    wait_for(driver, ".live")
    assert not any(one.is_displayed() for one in driver.find_elements(By.ID, "plain"))
