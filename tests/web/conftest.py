"""A server with a fleet to look at, a camera that asks an agent of ours, and a browser that looks at them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.camera_process import CameraProcess, camera_config, make_certificate, start_camera
from tests.contract.camera.fake_agent import FakeAgent
from tests.contract.server import harness
from tests.web import seed
from tests.web.browser import chromium, patience


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
    with chromium(fleet.folder / "pki/server.pem", "en", tmp_path_factory.mktemp("browser")) as opened:
        yield opened


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


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    (tmp_path / "login").mkdir()
    agent = FakeAgent(tmp_path / "login", tmp_path / "evidence.json")
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture
def camera(tmp_path: Path, agent: FakeAgent) -> Iterator[CameraProcess]:
    make_certificate(tmp_path)
    camera = start_camera(tmp_path, camera_config(tmp_path))
    yield camera
    assert camera.stop() == ""


@pytest.fixture(params=["ja", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def driver(camera: CameraProcess, language: str, tmp_path: Path) -> Iterator[Chrome]:
    with chromium(camera.certificate, language, tmp_path) as driver:
        driver.get(camera.url + "/")
        yield driver
