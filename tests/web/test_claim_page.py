"""A person with a real browser claims a camera, watches it, and signs out."""

import json
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.camera_process import CameraProcess, camera_config, make_certificate, start_camera
from tests.contract.camera.fake_agent import CODE, SERIAL, FakeAgent
from tests.web.browser import patience
from tests.web.page import PASSWORD, USER, complaints, fill, picture, press, wait_for, wait_for_text

TEXTS = {
    "ja": {
        "title": "カメラの初期設定", "rule": "15文字以上", "met": "このパスワードは使用できます",
        "network": "直結ケーブル", "lost": "パスワードを忘れた場合", "master": "マスターパスワードは存在せず",
        "erase": "本体を初期化",
        "differ": "一致しません", "denied": "入力が正しくありません", "live": "ライブ映像", "sign_in": "サインイン",
    },
    "en": {
        "title": "Claim this camera", "rule": "At least 15 characters", "met": "This password is accepted",
        "network": "over a direct cable", "lost": "Password lost?", "master": "no master password",
        "erase": "erase the camera",
        "differ": "The two passwords differ", "denied": "That is not right", "live": "Live view", "sign_in": "Sign in",
    },
}  # fmt: skip


def test_a_person_claims_the_camera_and_watches(driver: Chrome, agent: FakeAgent, language: str) -> None:
    texts = TEXTS[language]
    assert texts["title"] in driver.find_element(By.TAG_NAME, "h1").text
    assert SERIAL in driver.find_element(By.CSS_SELECTOR, ".identity").text

    fill(driver, "password", "admin")
    wait_for_text(driver, "#rules .bad", texts["rule"])
    fill(driver, "again", "other")
    wait_for_text(driver, "#match.bad", texts["differ"])
    fill(driver, "user", USER)
    fill(driver, "password", PASSWORD)
    wait_for_text(driver, "#rules .good", texts["met"])
    fill(driver, "again", PASSWORD)
    wait_for(driver, "#match.good")

    fill(driver, "code", "aaaaaaaaaaaaaaaa")
    assert driver.find_element(By.ID, "code").get_attribute("value") == "AAAA-AAAA-AAAA-AAAA"
    press(driver, "claim")
    wait_for_text(driver, "#claim .notice.bad", texts["denied"])
    assert agent.state == "unclaimed"

    fill(driver, "code", CODE)
    press(driver, "claim")
    wait_for_text(driver, ".live h2", texts["live"])
    assert agent.users == {USER: ("administrator", PASSWORD)}
    wait_for_text(driver, "[data-fact=serial]", SERIAL)
    picture = driver.find_element(By.ID, "picture")
    first = picture.get_attribute("src")
    patience(driver).until(lambda _: picture.get_attribute("src") != first, "the picture stands still")
    assert driver.execute_script("return arguments[0].naturalWidth", picture) == 320

    driver.find_element(By.ID, "sign-out").click()
    wait_for_text(driver, "#sign-in h1", texts["sign_in"])
    assert complaints(driver) == []


def test_the_pages_say_where_to_claim_and_what_to_do_without_the_password(
    driver: Chrome, camera: CameraProcess, agent: FakeAgent, language: str
) -> None:
    texts = TEXTS[language]
    warning = driver.find_element(By.ID, "claim-network")
    assert texts["network"] in warning.text
    assert "camward-installer" in warning.text
    assert warning.location["y"] < driver.find_element(By.ID, "code").location["y"], "read before the code is typed"
    picture(driver, f"claim-{language}")
    agent.claim(USER, PASSWORD)
    driver.get(camera.url + "/")
    assert texts["master"] not in driver.find_element(By.TAG_NAME, "body").text, "folded away until it is wanted"
    driver.find_element(By.CSS_SELECTOR, "#lost summary").click()
    wait_for_text(driver, "#lost", texts["erase"])
    told = driver.find_element(By.ID, "lost").text
    assert texts["lost"] in told
    assert texts["master"] in told
    picture(driver, f"lost-{language}")
    assert complaints(driver) == []


@pytest.mark.parametrize("language", ["en"], indirect=True)
def test_the_owner_enrols_reads_evidence_and_changes_the_password(
    driver: Chrome, camera: CameraProcess, agent: FakeAgent, tmp_path: Path
) -> None:
    finding = {
        "criterion": "S1.1-01",
        "basis": "measured",
        "verdict": "PASS",
        "reason": "<b>admin/admin was refused on 3 paths</b>",
    }
    titles = {"S1.1-01": {"en": "Access control", "ja": "アクセス制御"}}
    (tmp_path / "evidence.json").write_text(json.dumps({"findings": [finding], "titles": titles}))
    agent.claim(USER, PASSWORD)
    driver.get(camera.url + "/")
    fill(driver, "user", USER)
    fill(driver, "password", "admin")
    press(driver, "sign-in")
    wait_for_text(driver, "#sign-in .notice.bad", "not right")
    fill(driver, "password", PASSWORD)
    press(driver, "sign-in")
    wait_for(driver, "#enrol")

    fill(driver, "token", "camward1.abc")
    press(driver, "enrol")
    wait_for_text(driver, "#enrol .notice.good", "started")
    driver.find_element(By.ID, "evidence-button").click()
    wait_for_text(driver, "#evidence .verdict.PASS", "PASS")
    assert "S1.1-01 Access control" in driver.find_element(By.ID, "evidence").text
    assert "<b>admin/admin" in driver.find_element(By.ID, "evidence").text

    new = "gravel bank and heron"
    fill(driver, "old", PASSWORD)
    fill(driver, "password", new)
    fill(driver, "again", new)
    press(driver, "change")
    wait_for(driver, "#sign-in")
    assert agent.users[USER] == ("administrator", new)
    assert complaints(driver) == []


@pytest.mark.parametrize("language", ["en"], indirect=True)
def test_the_language_switch_stays_switched(driver: Chrome, camera: CameraProcess) -> None:
    driver.find_element(By.CSS_SELECTOR, "a.language").click()
    wait_for_text(driver, "h1", TEXTS["ja"]["title"])

    driver.get(camera.url + "/")

    wait_for_text(driver, "h1", TEXTS["ja"]["title"])
    assert driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ja"


@pytest.mark.parametrize("language", ["en"], indirect=True)
def test_a_page_of_another_camera_is_not_trusted(driver: Chrome, camera: CameraProcess, tmp_path: Path) -> None:
    """The control of the certificate flag: it lets one key through, not every error."""
    other = tmp_path / "other"
    (other / "login").mkdir(parents=True)
    make_certificate(other)
    impostor = start_camera(other, camera_config(other))
    try:
        driver.get(impostor.url + "/")
        wait_for(driver, "body.ssl")  # Chromium's own page about a certificate that it does not trust
        assert driver.find_elements(By.ID, "claim") == []
    finally:
        impostor.stop()
    driver.get(camera.url + "/")
    wait_for_text(driver, "h1", TEXTS["en"]["title"])
