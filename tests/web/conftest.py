"""A server with a fleet to look at, and a browser that looks at it."""

import shutil
import warnings

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from tests.contract.server import harness
from tests.web import seed
from tests.web.browser import patience

WIDTH, HEIGHT = 1280, 900


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    """A running server whose database holds the seeded fleet."""
    server = harness.make_server(tmp_path_factory.mktemp("web") / "s", wait_s=0)
    seed.fill(server, tmp_path_factory.mktemp("build"))
    harness.start(server)
    yield server
    harness.stop(server)


@pytest.fixture(scope="session")
def browser(fleet, tmp_path_factory):
    """Headless Chromium; it takes our certificate for granted, because TLS is proven elsewhere."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "chromium is missing: run `make setup`"
    assert driver, "chromedriver is missing: run `make setup`"
    options = Options()
    options.binary_location = chromium
    options.accept_insecure_certs = True
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-component-update", f"--user-data-dir={profile}", "--lang=en",
        f"--window-size={WIDTH},{HEIGHT}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture
def logged_in(browser, fleet):
    """The browser with the administrator's session, in English."""
    browser.get(fleet.people_url + "/language/en")
    browser.get(fleet.people_url + "/login")
    browser.find_element(By.NAME, "name").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys(fleet.password)
    browser.find_element(By.CSS_SELECTOR, "button.main").click()
    # A click does not wait for the page it leads to, and a late answer would replace what the test opens next.
    patience(browser).until(lambda it: it.current_url == fleet.people_url + "/")
    return browser
