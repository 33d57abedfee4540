"""The browser of these tests believes one certificate, as a person does who has looked at it; any other stops it."""

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.contract.camera.camera_process import CameraProcess, make_certificate
from tests.web.browser import chromium


@pytest.mark.parametrize("pinned", [True, False])
def test_another_certificate_than_the_pinned_one_is_refused(
    camera: CameraProcess, tmp_path: Path, pinned: bool
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = make_certificate(tmp_path / "other")
    with chromium(camera.certificate if pinned else other, "en", tmp_path) as driver:
        driver.get(camera.url + "/")
        assert bool(driver.find_elements(By.CSS_SELECTOR, ".identity")) == pinned
        assert (driver.title == "Privacy error") == (not pinned)
