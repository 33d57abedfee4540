"""A person with a real browser reads what is announced, installs it with one click, and uploads a bundle."""

import json
import os
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.contract.camera.fake_agent import FakeAgent
from tests.web.page import claim_and_sign_in, complaints, picture, press, wait_for, wait_for_text

NOTES = {"en": "Closes a hole.\nKeeps the picture.", "ja": "脆弱性を修正しました。\n映像はそのままです。"}
SAID = {
    "ja": {
        "severity": "緊急", "version": "新しいバージョンがあります： 1.2.0", "begun": "インストールを開始しました",
        "none": "お知らせはありません", "choose": "先にファイル", "older": "古いものです",
        "room": "空き容量が足りません",
    },
    "en": {
        "severity": "Critical", "version": "A new version is ready: 1.2.0", "begun": "The installation has begun",
        "none": "No new version", "choose": "choose a file", "older": "older than",
        "room": "no room",
    },
}  # fmt: skip


def announce(agent: FakeAgent, folder: Path) -> None:
    path = folder / "offer.json"
    about = {"v": 1, "version": "1.2.0", "severity": "critical", "support_ends": "2031-12-31", "notes": NOTES}
    path.write_text(json.dumps(about))
    agent.offer = str(path)


def signed_in(driver: Chrome, agent: FakeAgent, role: str = "administrator") -> Chrome:
    claim_and_sign_in(driver, agent, role)
    wait_for(driver, "#offers")
    return driver


def asked(agent: FakeAgent, op: str) -> list[dict]:
    return [request for _, request in agent.asked if request["op"] == op]


def test_a_release_is_announced_and_one_click_installs_it(
    driver: Chrome, agent: FakeAgent, language: str, tmp_path: Path
) -> None:
    said = SAID[language]
    announce(agent, tmp_path)
    home = signed_in(driver, agent)
    wait_for(home, "#offer:not([hidden])")
    wait_for_text(home, "#offer-severity", said["severity"])
    wait_for_text(home, "#offer-version", said["version"])
    assert home.find_element(By.ID, "offer-notes").text == NOTES[language]
    picture(home, f"announced-{language}", "offers")
    press(home, "install")
    wait_for_text(home, "#install .notice.good", said["begun"])
    assert [one["version"] for one in asked(agent, "install")] == ["1.2.0"]
    assert complaints(home) == []


def test_nothing_announced_is_said(driver: Chrome, agent: FakeAgent, language: str) -> None:
    home = signed_in(driver, agent)
    wait_for_text(home, "#offer-none", SAID[language]["none"])
    assert not home.find_element(By.ID, "offer").is_displayed()


def test_who_may_only_watch_sees_the_announcement_and_no_buttons(
    driver: Chrome, agent: FakeAgent, language: str, tmp_path: Path
) -> None:
    announce(agent, tmp_path)
    home = signed_in(driver, agent, "viewer")
    wait_for_text(home, "#offer-version", SAID[language]["version"])
    assert home.find_elements(By.CSS_SELECTOR, "#install, #bundle") == []


def test_a_bundle_is_uploaded_whole_and_its_installation_begins(
    driver: Chrome, agent: FakeAgent, language: str, tmp_path: Path
) -> None:
    said = SAID[language]
    home = signed_in(driver, agent)
    press(home, "bundle")
    wait_for_text(home, "#bundle .notice.bad", said["choose"])
    body = os.urandom(300_000)
    (tmp_path / "kawa.bundle").write_bytes(body)
    home.find_element(By.ID, "bundle-file").send_keys(str(tmp_path / "kawa.bundle"))
    press(home, "bundle")
    wait_for_text(home, "#bundle .notice.good", said["begun"])
    assert agent.upload_path.read_bytes() == body
    assert [one["length"] for one in asked(agent, "upload")] == ["300000"]
    assert len(asked(agent, "install_bundle")) == 1
    assert complaints(home) == []


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ({"code": "bad_request", "detail": "rollback: kawa-1-a-0.9.0.slot is older than the running 1.0.0"}, "older"),
        ({"code": "bad_request", "detail": "no_room: the bundle has 300000 bytes, and there is room for 4"}, "room"),
    ],
)
def test_a_refused_bundle_is_explained_in_the_persons_language(
    driver: Chrome, agent: FakeAgent, language: str, tmp_path: Path, refusal: dict, says: str
) -> None:
    home = signed_in(driver, agent)
    agent.refuse_bundle = refusal
    (tmp_path / "kawa.bundle").write_bytes(bytes(300_000))
    home.find_element(By.ID, "bundle-file").send_keys(str(tmp_path / "kawa.bundle"))
    press(home, "bundle")
    wait_for_text(home, "#bundle .notice.bad", SAID[language][says])
    wait_for_text(home, "#bundle .notice.bad", refusal["detail"].partition(": ")[2])
    picture(home, f"refused-{says}-{language}", "offers")
    assert complaints(home) == []
