"""An administrator sees at the camera's page which accounts should not be there; a real browser, both languages."""

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.fake_agent import FakeAgent
from tests.web.browser import texts
from tests.web.page import PASSWORD, USER, complaints, sign_in, wait_for_text

TEXTS = {
    "en": ("Accounts that should not be here", "It is locked.", "the file (/root", "could not be locked", "and 3 more"),
    "ja": ("不審なアカウント", "ロックしました。", "ファイル (/root", "ロックできませんでした", "ほか3件"),
}
FOUND = [
    {"code": "uid_zero", "path": "/etc/passwd", "account": "<b>toor</b>", "locked": True},
    {"code": "keys", "path": "/root/.ssh/authorized_keys", "account": "", "locked": False},
]


@pytest.fixture
def signed_in(camera: CameraProcess, agent: FakeAgent, driver: Chrome) -> Chrome:
    agent.claim(USER, PASSWORD)
    agent.accounts = {"checked": 5, "untried": 0, "count": 5, "found": FOUND}
    driver.get(camera.url + "/")
    sign_in(driver)
    return driver


def test_what_was_found_is_told_as_text(signed_in: Chrome, agent: FakeAgent, language: str) -> None:
    title, locked, file, left, more = TEXTS[language]
    wait_for_text(signed_in, "#accounts h2", title)
    wait_for_text(signed_in, "#accounts-found", more)
    rows = texts(signed_in, "#accounts-found li")
    assert rows[0].startswith("<b>toor</b> (/etc/passwd): ")
    assert rows[0].endswith(locked)
    assert file in rows[1]
    assert left in rows[1]
    assert len(rows) == 3
    assert complaints(signed_in) == []
    agent.accounts = {"checked": 5, "untried": 0, "count": 0, "found": []}
    signed_in.refresh()
    wait_for_text(signed_in, ".live h2", {"en": "Live view", "ja": "ライブ映像"}[language])
    assert not signed_in.find_element(By.ID, "accounts").is_displayed()
