"""A person with a real browser opens SSH for a while, sees the drawn password once, and closes it again."""

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import PASSWORD, USER, claim_and_sign_in, complaints, fill, press, wait_for, wait_for_text

DRAWN = "abcd-efgh-ijkl-mnop"
TEXTS = {
    "en": {"closed": "SSH is closed", "open": f"open for {USER}, for 30 more", "denied": "That is not right"},
    "ja": {
        "closed": "閉じています",
        "open": f"{USER} 用に開いています（残り最長30分）",
        "denied": "入力が正しくありません",
    },
}


def test_ssh_is_opened_with_the_password_shown_once_and_closed(driver: Chrome, agent: FakeAgent, language: str) -> None:
    texts = TEXTS[language]
    agent.ssh = {"open": False}
    claim_and_sign_in(driver, agent)
    wait_for_text(driver, "[data-fact=serial]", "KW1")
    wait_for_text(driver, "#ssh-state", texts["closed"])
    assert not driver.find_element(By.ID, "ssh-close").is_displayed()
    Select(driver.find_element(By.ID, "ssh-minutes")).select_by_value("30")
    fill(driver, "ssh-password", "wrong")
    press(driver, "ssh")
    wait_for_text(driver, "#ssh .notice.bad", texts["denied"])
    assert agent.ssh == {"open": False}
    fill(driver, "ssh-password", PASSWORD)
    press(driver, "ssh")
    wait_for_text(driver, "#ssh-secret", DRAWN)
    wait_for_text(driver, "#ssh-state", texts["open"])
    wait_for_text(driver, "#ssh-use", f"ssh -p 22 {USER}@")
    driver.refresh()
    wait_for_text(driver, "#ssh-state", texts["open"])
    assert DRAWN not in driver.page_source
    driver.find_element(By.ID, "ssh-close").click()
    wait_for_text(driver, "#ssh-state", texts["closed"])
    assert agent.ssh == {"open": False}
    assert complaints(driver) == []


@pytest.mark.parametrize("language", ["en"], indirect=True)
@pytest.mark.parametrize(("role", "ssh"), [("operator", {"open": False}), ("administrator", {})])
def test_it_is_offered_to_administrators_of_cameras_that_have_it(
    driver: Chrome, agent: FakeAgent, role: str, ssh: dict[str, object]
) -> None:
    agent.ssh = ssh
    claim_and_sign_in(driver, agent, role)
    wait_for_text(driver, "[data-fact=serial]", "KW1")
    wait_for(driver, ".live")
    assert not any(one.is_displayed() for one in driver.find_elements(By.ID, "ssh"))
