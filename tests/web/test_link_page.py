"""What a person with a real browser reads about the camera's connection to its server."""

from selenium.webdriver import Chrome

from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import claim_and_sign_in, complaints, wait_for_text

PLACE = "[data-fact=link]"
UP = {"en": "Connected", "ja": "接続済み"}
PORTAL = {"en": "captive portal", "ja": "キャプティブポータル"}


def test_the_page_says_what_is_in_the_way(driver: Chrome, agent: FakeAgent, language: str) -> None:
    claim_and_sign_in(driver, agent)
    wait_for_text(driver, PLACE, UP[language])
    agent.link = {"link": "somebody else answers", "link_trouble": "portal"}
    driver.refresh()
    wait_for_text(driver, PLACE, PORTAL[language])
    agent.link = {"link": "the words of a newer agent", "link_trouble": "unheard_of"}
    driver.refresh()
    wait_for_text(driver, PLACE, "the words of a newer agent")
    assert complaints(driver) == []
