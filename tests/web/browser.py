"""Headless Chromium, trusting one camera's certificate by its key and no other."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

WIDTH, HEIGHT = 1100, 900
WAIT_S = 60  # how long a page may take on a busy machine before the test says what it waited for


def patience(driver: webdriver.Chrome) -> WebDriverWait[webdriver.Chrome]:
    """Waits also while the page under it is being replaced."""
    return WebDriverWait(driver, WAIT_S, ignored_exceptions=[StaleElementReferenceException])


def texts(driver: webdriver.Chrome, selector: str) -> list[str]:
    """What is shown of each element, read in one step: a page that is replaced meanwhile cannot be half of each."""
    found: list[str] = driver.execute_script(
        "return Array.from(document.querySelectorAll(arguments[0]), it => it.innerText)", selector
    )
    return found


def spki_hash(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@contextmanager
def chromium(certificate: Path, language: str, folder: Path, dark: bool = False) -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-proxy-server",
        f"--user-data-dir={folder / 'profile'}",
        f"--ignore-certificate-errors-spki-list={spki_hash(certificate)}",
        f"--window-size={WIDTH},{HEIGHT}",
        f"--lang={language}",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    if dark:
        options.add_argument("--force-dark-mode")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()
