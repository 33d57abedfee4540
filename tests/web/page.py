"""What a person does at a camera's page, and what a test reads there."""

import os
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.fake_agent import FakeAgent
from tests.web.browser import patience

USER = "keeper"
PASSWORD = "paper boat under the bridge"


def fill(driver: Chrome, name: str, text: str) -> None:
    field = driver.find_element(By.ID, name)
    field.clear()
    field.send_keys(text)


def press(driver: Chrome, form: str) -> None:
    driver.find_element(By.CSS_SELECTOR, f"#{form} button[type=submit]").click()


def wait_for_text(driver: Chrome, selector: str, text: str) -> None:
    patience(driver).until(
        lambda found: text in found.find_element(By.CSS_SELECTOR, selector).text, f"{selector} never says {text}"
    )


def wait_for(driver: Chrome, selector: str) -> None:
    patience(driver).until(lambda found: found.find_elements(By.CSS_SELECTOR, selector), selector)


def complaints(driver: Chrome) -> list[str]:
    """What the browser blocked or choked on; refusals (4xx) that a test provokes are not complaints."""
    return [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]
    ]


def sign_in(driver: Chrome) -> None:
    """As the owner, on the page that asks who is there."""
    fill(driver, "user", USER)
    fill(driver, "password", PASSWORD)
    press(driver, "sign-in")


def claim_and_sign_in(driver: Chrome, agent: FakeAgent, role: str = "administrator") -> None:
    """The camera gets its owner, who signs in; with another role, to see what that one sees."""
    agent.claim(USER, PASSWORD)
    agent.users[USER] = (role, PASSWORD)
    driver.refresh()
    sign_in(driver)


def picture(driver: Chrome, name: str, part: str = "") -> None:
    """For people to look at, where they say; of this part of the page."""
    folder = os.environ.get("CAMWARD_SCREENSHOTS")
    if folder:
        if part:
            driver.execute_script("document.getElementById(arguments[0]).scrollIntoView()", part)
        driver.save_screenshot(str(Path(folder) / f"{name}.png"))
