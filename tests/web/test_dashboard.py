"""The dashboard in a real browser: it shows what is there, in both languages, and lets the right people act."""

import re
import time

import pytest
from selenium.webdriver.common.by import By

from tests.web import seed
from tests.web.browser import patience
from tests.web.dashboard import Visitor, open_page
from update_server.web.texts import TEXTS

PAGES = ("/", "/rollouts", "/rollouts/2", "/releases", "/passwords", "/commands", "/devices/" + seed.device_id(0))


def test_the_overview_counts_the_fleet_and_shows_what_needs_attention(logged_in, fleet):
    shown = open_page(logged_in, fleet, "/")
    assert str(seed.COUNT) in shown
    assert "1.1.0" in shown
    rows = logged_in.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert len(rows) == seed.COUNT
    assert "rolled back" in rows[0].text


def test_the_search_finds_one_camera(logged_in, fleet):
    open_page(logged_in, fleet, "/?q=000007")
    rows = logged_in.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert [row.text.split()[0] for row in rows] == ["KW1-000007"]


def test_a_camera_page_shows_evidence_with_verdict_basis_and_probe(logged_in, fleet):
    shown = open_page(logged_in, fleet, "/devices/" + seed.device_id(0))
    for text in ("29.9 MiB", "rolled back", "1.1.0 → 1.2.0", "This is evidence, not a label.", "Refused messages"):
        assert text in shown
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.search(rf"Port 554, opened at the camera by its administrator since {moment}, until {moment}", shown)
    rows = logged_in.find_elements(By.CSS_SELECTOR, "table.evidence tbody tr")
    assert len(rows) == 16
    assert all(text in rows[0].text for text in ("S1.1-01", "PASS", "measured", "listeners"))


def test_a_paused_rollout_shows_its_reason_and_an_administrator_resumes_it(logged_in, fleet):
    shown = open_page(logged_in, fleet, "/rollouts/2")
    assert "Failed cameras: 1 by phase 1 (allowed: 0)" in shown
    bars = logged_in.find_elements(By.CSS_SELECTOR, ".phases svg.bar")
    assert len(bars) == 3
    for verb, state in (("resume", "running"), ("pause", "paused")):
        logged_in.find_element(By.CSS_SELECTOR, f"form[action$='/{verb}'] button").click()
        patience(logged_in).until(
            lambda browser, state=state: browser.find_element(By.CSS_SELECTOR, ".title .pill").text == state
        )


def test_the_releases_say_what_cameras_fetch_from_the_version_they_run(logged_in, fleet):
    def text():
        return open_page(logged_in, fleet, "/releases")

    patience(logged_in).until(lambda _browser: re.search(r"from 1\.0\.0: [0-9.]+ (B|KiB)", text()))
    logged_in.get(fleet.people_url + "/language/ja?back=/releases")
    assert "1.0.0 から" in text()
    logged_in.get(fleet.people_url + "/language/en")


def test_every_page_is_in_japanese_as_well(logged_in, fleet):
    logged_in.get(fleet.people_url + "/language/ja?back=/rollouts")
    assert logged_in.current_url.endswith("/rollouts")
    pages = {
        "/": "カメラ", "/rollouts/2": "進捗", "/releases": "改善しました。",
        "/devices/" + seed.device_id(0): "適合ラベルではありません",
    }  # fmt: skip
    for path, text in pages.items():
        assert text in open_page(logged_in, fleet, path)
        assert logged_in.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ja"
    logged_in.get(fleet.people_url + "/language/en")


def test_an_operator_sees_what_a_camera_waits_for_and_says_now(logged_in, fleet):
    from update_server.db.models import Device, RolloutDevice, UpdateEvent

    with fleet.services.database.write() as session:
        device = session.get_one(Device, seed.device_id(11))
        session.query(RolloutDevice).filter_by(device_id=device.id).delete()
        row = seed.releases.find(session, "1.2.0")
        fleet.services.assign(session, device, row, int(time.time()))
        line = UpdateEvent(
            device_id=device.id, at=1, received_at=1, event="waiting", from_version="1.0.0", to_version="1.2.0",
            code="window", detail="", slot="b", until_at=1_800_000_000,
        )  # fmt: skip
        session.add(line)
    shown = open_page(logged_in, fleet, "/devices/" + seed.device_id(11))
    assert "Waits for its maintenance window" in shown
    assert "until 2027-01-15" in shown
    logged_in.find_element(By.CSS_SELECTOR, "form[action$=update-now] button").click()
    patience(logged_in).until(lambda it: "told to update now" in it.find_element(By.TAG_NAME, "main").text)
    assert logged_in.find_elements(By.CSS_SELECTOR, "form[action$=update-now]") == []
    with fleet.services.database.read() as session:
        assert session.get_one(Device, seed.device_id(11)).install_now


def test_no_page_loads_anything_from_elsewhere_or_breaks_its_own_policy(logged_in, fleet):
    logged_in.get_log("browser")
    for path in (
        "/",
        "/rollouts",
        "/rollouts/2",
        "/releases",
        "/passwords",
        "/commands",
        "/devices/" + seed.device_id(0),
    ):
        open_page(logged_in, fleet, path)
        addresses = logged_in.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert addresses
        assert all(address.startswith(fleet.people_url) for address in addresses)
    assert logged_in.get_log("browser") == []


@pytest.mark.parametrize("width", [380, 800, 1280])
def test_no_page_is_wider_than_the_window(logged_in, fleet, width):
    # Chromium's window has a least width, so the viewport itself is set.
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    logged_in.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for path in (
            "/",
            "/rollouts",
            "/rollouts/2",
            "/releases",
            "/passwords",
            "/commands",
            "/devices/" + seed.device_id(0),
        ):
            open_page(logged_in, fleet, path)
            assert logged_in.execute_script("return document.documentElement.scrollWidth") <= width, path
    finally:
        logged_in.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_text_has_both_languages_and_the_same_places_for_values():
    for key, (english, japanese) in TEXTS.items():
        assert english, key
        assert japanese, key
        assert english.count("{") == japanese.count("{"), key


@pytest.fixture
def visitor(fleet):
    made = Visitor(fleet)
    yield made
    made.client.close()


@pytest.mark.parametrize("path", ["/", "/rollouts", "/rollouts/1", "/releases", f"/devices/{seed.device_id(0)}"])
def test_a_stranger_sees_the_login_page_only(visitor, path):
    answer = visitor.client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_the_session_cookie_is_locked_down(visitor, fleet):
    answer = visitor.log_in("admin", fleet.password)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-camward=")
    for attribute in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    assert visitor.client.get("/").status_code == 200


def test_every_answer_carries_the_security_headers(visitor):
    for path in ("/login", "/nothing", "/static/app.css", "/api/v1/status"):
        headers = visitor.client.get(path).headers
        assert "script-src" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-frame-options"] == "DENY"
        assert headers["strict-transport-security"]
        assert "server" not in headers


def test_wrong_passwords_get_slower_and_the_right_one_waits_as_well(fleet, visitor):
    with fleet.services.database.write() as session:
        from update_server.access import people

        people.add_person(session, "slow", "a long enough password", people.VIEWER, 0)
    statuses = [visitor.log_in("slow", "wrong").status_code for _ in range(7)]
    assert statuses[:5] == [401] * 5
    assert statuses[-1] == 429
    refused = visitor.log_in("slow", "a long enough password")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    with fleet.services.database.write() as session:
        from update_server.db.models import LoginFailure

        session.query(LoginFailure).delete()
    assert visitor.log_in("slow", "a long enough password").status_code == 303


def test_a_form_from_another_site_is_refused(visitor, fleet):
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert visitor.log_in("admin", fleet.password, **headers).status_code == 403


def test_an_action_needs_the_forms_secret_and_the_right_to_change(visitor, fleet):
    visitor.log_in("admin", fleet.password)
    for secret in ("", "x"):
        answer = visitor.client.post("/rollouts/2/abort", data={"form_secret": secret}, headers=visitor.own)
        assert answer.status_code in (400, 403)
    viewer = Visitor(fleet)
    with fleet.services.database.write() as session:
        from update_server.access import people

        people.add_person(session, "looker", "a long enough password", people.VIEWER, 0)
    viewer.log_in("looker", "a long enough password")
    page = viewer.client.get("/rollouts/2").text
    assert 'action="/rollouts/2/abort"' not in page
    secret = page.split('name="form_secret" value="')[1].split('"')[0]
    answer = viewer.client.post("/rollouts/2/abort", data={"form_secret": secret}, headers=viewer.own)
    assert answer.status_code == 403
    viewer.client.close()


def test_logging_out_ends_the_session_on_the_server(visitor, fleet):
    visitor.log_in("admin", fleet.password)
    cookies = dict(visitor.client.cookies)
    secret = visitor.client.get("/").text.split('name="form_secret" value="')[1].split('"')[0]
    assert visitor.client.post("/logout", data={"form_secret": secret}, headers=visitor.own).status_code == 303
    visitor.client.cookies.update(cookies)
    assert visitor.client.get("/").status_code == 303


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_choosing_a_language_never_leads_elsewhere(visitor, back):
    answer = visitor.client.get("/language/ja", params={"back": back})
    assert answer.headers["location"] == "/"


def test_what_a_camera_says_is_shown_as_text(visitor, fleet):
    evil = "<script>alert(1)</script>"
    with fleet.services.database.write() as session:
        from update_server.db.models import Device

        session.get_one(Device, seed.device_id(3)).telemetry = {"phase": evil}
    visitor.log_in("admin", fleet.password)
    page = visitor.client.get("/devices/" + seed.device_id(3)).text
    assert evil not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("language", "texts"), [("en", ("Denied", "Certificate until")), ("ja", ("接続拒否中", "証明書の有効期限"))]
)
def test_a_denied_camera_says_so_and_until_when_its_certificate_is_good(visitor, fleet, language, texts):
    from update_server.db.models import Device
    from update_server.fleet import devices

    path, ends_at = "/devices/" + seed.device_id(5), 1_800_000_000
    visitor.log_in("admin", fleet.password)
    visitor.client.get("/language/" + language, params={"back": "/"})
    before = visitor.client.get(path).text
    assert not any(text in before for text in texts)
    with fleet.services.database.write() as session:
        device = session.get_one(Device, seed.device_id(5))
        known = device.telemetry
        devices.deny(device, ends_at - 60)
        device.telemetry = known | {"certificate_ends_at": ends_at}
    page = visitor.client.get(path).text
    assert all(text in page for text in (*texts, "2027-01-15 07:59 UTC", "2027-01-15 08:00 UTC"))
    with fleet.services.database.write() as session:
        device = session.get_one(Device, seed.device_id(5))
        devices.allow(device)
        device.online, device.telemetry = True, known


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ("Last time offline", "something else answered in the server&#39;s place (")),
        ("ja", ("直近の通信断", "別の機器がサーバーの代わりに応答 (")),
    ],
)
def test_what_kept_a_camera_from_its_server_is_said_afterwards(visitor, fleet, language, texts):
    from update_server.db.models import Device

    path, times = "/devices/" + seed.device_id(5), {"outage_since_at": 1_799_999_940, "outage_until_at": 1_800_000_000}
    visitor.log_in("admin", fleet.password)
    visitor.client.get("/language/" + language, params={"back": "/"})
    with fleet.services.database.write() as session:
        device = session.get_one(Device, seed.device_id(5))
        known = device.telemetry
        device.telemetry = known | {"outage": "portal"} | times
    page = visitor.client.get(path).text
    with fleet.services.database.write() as session:
        session.get_one(Device, seed.device_id(5)).telemetry = known | {"outage": "<b>new"} | times
    newer = visitor.client.get(path).text
    with fleet.services.database.write() as session:
        session.get_one(Device, seed.device_id(5)).telemetry = known
    assert all(text in page for text in (*texts, "2027-01-15 07:59 UTC – 2027-01-15 08:00 UTC"))
    assert "&lt;b&gt;new (2027-01-15 07:59 UTC" in newer, "a newer camera's word, as text"
    assert texts[0] not in visitor.client.get(path).text


@pytest.mark.parametrize("language", ["en", "ja"])
def test_rtsp_in_the_clear_is_marked_until_the_time_that_the_camera_has_told(visitor, fleet, language):
    from update_server.db.models import Evidence

    name = TEXTS["plain_rtsp"][language == "ja"]
    visitor.log_in("admin", fleet.password)
    visitor.client.get("/language/" + language, params={"back": "/"})
    pages = ("/", "/devices/" + seed.device_id(0))
    assert [visitor.client.get(path).text.count(name) for path in pages] == [1, 1], "one camera of the fleet"
    with fleet.services.database.write() as session:
        row = session.get_one(Evidence, seed.device_id(0))
        known = row.report
        told = known["facts"]["plain_rtsp"]
        row.report = known | {"facts": known["facts"] | {"plain_rtsp": told | {"until": told["since"]}}}
    ended = [visitor.client.get(path).text.count(name) for path in pages]
    with fleet.services.database.write() as session:
        session.get_one(Evidence, seed.device_id(0)).report = known
    assert ended == [0, 0]
