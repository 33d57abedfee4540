import hashlib
import json
import re
import ssl

import pytest

from agent.formats import claim_proof
from firmware_sim.camera.web.replies import CONTENT_POLICY
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import Browser, curl
from tests.contract.camera.conftest import PASSWORD, USER
from tests.contract.camera.fake_agent import CODE, SALT, SERIAL, FakeAgent

CLAIM = {"code": "abcd-efgh-jklm-npqr", "user": USER, "password": PASSWORD}
LOGIN = {"user": USER, "password": PASSWORD}

CLOSED_PATHS = ("/snapshot.jpg", "/api/device", "/api/evidence", "/nothing", "/onvif", "/api/users", "/api/offer")
CLOSED_POSTS = (
    "/api/login", "/api/logout", "/api/enrol", "/api/change-password", "/api/disown", "/api/transfer", "/api/erase",
    "/api/install", "/api/bundle", "/api/bundle/piece", "/api/bundle/install", "/nothing",
)  # fmt: skip


def signed_in(camera: CameraProcess) -> Browser:
    browser = Browser(camera)
    assert browser.post("/api/login", LOGIN).status == 200
    return browser


def test_an_unclaimed_camera_serves_the_claim_and_nothing_else(unclaimed: CameraProcess) -> None:
    browser = Browser(unclaimed)

    for path in CLOSED_PATHS:
        reply = browser.get(path)
        assert (reply.status, reply.json["code"]) == (403, "unclaimed"), path
    for path in CLOSED_POSTS:
        reply = browser.post(path, LOGIN)
        assert (reply.status, reply.json["code"]) == (403, "unclaimed"), path
    page = browser.get("/")
    assert page.status == 200
    assert SERIAL in page.text
    assert 'id="claim"' in page.text
    assert browser.get("/api/state").json == {
        "ok": True, "state": "unclaimed", "claimable": True, "model": "kawa-1", "hardware": "a",
        "serial": SERIAL, "version": "1.0.0", "claim_salt": SALT.hex(),
    }  # fmt: skip


def test_a_tool_gets_the_cameras_proof_for_its_own(unclaimed: CameraProcess, agent: FakeAgent) -> None:
    browser = Browser(unclaimed)
    nonce, seen = bytes(32), hashlib.sha256(ssl.PEM_cert_to_DER_cert(unclaimed.certificate.read_text())).digest()
    known = claim_proof.verifier(SALT, CODE)
    ours = {"nonce": nonce.hex(), "proof": claim_proof.client_proof(known, nonce, seen).hex()}

    foreign = browser.post("/api/claim-proof", {**ours, "proof": claim_proof.client_proof(known, nonce, nonce).hex()})
    assert (foreign.status, foreign.json["code"], "proof" in foreign.json) == (401, "denied", False)
    assert browser.post("/api/claim-proof", {"nonce": nonce.hex()}).status == 400
    assert browser.post("/api/claim-proof", ours, Origin="https://evil.example").status == 403
    expected = {"ok": True, "proof": claim_proof.camera_proof(known, nonce, seen).hex()}
    assert browser.post("/api/claim-proof", ours).json == expected
    assert agent.state == "unclaimed"


def test_the_claim_needs_code_and_policy_and_signs_in(unclaimed: CameraProcess, agent: FakeAgent) -> None:
    browser = Browser(unclaimed)

    wrong = browser.post("/api/claim", {**CLAIM, "code": "AAAA-AAAA-AAAA-AAAA"})
    weak = browser.post("/api/claim", {**CLAIM, "password": "admin"})
    assert (wrong.status, wrong.json["code"]) == (401, "denied")
    assert (weak.status, weak.json["code"]) == (422, "policy")
    assert weak.json["violations"][0]["ja"].startswith("15文字")
    assert agent.state == "unclaimed"

    done = browser.post("/api/claim", CLAIM)
    assert done.json == {"ok": True, "role": "administrator", "settled": True}
    assert agent.users == {USER: ("administrator", PASSWORD)}
    assert browser.get("/api/device").json["serial"] == SERIAL
    assert browser.get("/snapshot.jpg").body.startswith(b"\xff\xd8\xff")
    assert Browser(unclaimed).post("/api/claim", {**CLAIM, "code": CODE}).json["code"] == "denied"


def test_the_rules_are_shown_before_the_claim_and_to_the_signed_in_alone_after(
    unclaimed: CameraProcess, agent: FakeAgent
) -> None:
    weak = {"user": "admin", "password": "short"}

    before = Browser(unclaimed).post("/api/policy", weak)
    agent.claim(USER, PASSWORD)
    stranger = Browser(unclaimed).post("/api/policy", weak)
    inside = signed_in(unclaimed).post("/api/policy", weak)

    assert [item["code"] for item in before.json["violations"]] == ["too_short"]
    assert (stranger.status, stranger.json["code"]) == (401, "signed_out")
    assert inside.json["violations"] == before.json["violations"]


def test_only_the_right_password_signs_in(claimed: CameraProcess) -> None:
    for wrong in ({"user": "admin", "password": "admin"}, {**LOGIN, "password": ""}, {**LOGIN, "user": "KEEPER"}):
        stranger = Browser(claimed)
        reply = stranger.post("/api/login", wrong)
        assert (reply.status, reply.json["code"]) == (401, "denied")
        assert stranger.get("/api/device").status == 401
        assert stranger.cookies == {}
    assert signed_in(claimed).get("/api/device").status == 200


def test_the_session_cookie_is_out_of_reach_for_scripts_other_sites_and_plain_http(claimed: CameraProcess) -> None:
    reply = Browser(claimed).post("/api/login", LOGIN)

    cookie = reply.headers["Set-Cookie"]
    assert re.fullmatch(r"__Host-camward=[0-9a-f]{64}; Path=/; Secure; HttpOnly; SameSite=Strict", cookie)
    assert Browser(claimed, {"__Host-camward": "A" * 43}).get("/snapshot.jpg").status == 401


def test_sign_out_ends_the_session(claimed: CameraProcess) -> None:
    browser = signed_in(claimed)
    kept = dict(browser.cookies)

    browser.post("/api/logout", {})

    assert Browser(claimed, kept).get("/api/device").status == 401


def test_a_changed_password_ends_every_session_of_the_user(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser, other = signed_in(claimed), signed_in(claimed)
    new = "gravel bank and heron"

    weak = browser.post("/api/change-password", {"old": PASSWORD, "new": "admin"})
    wrong = browser.post("/api/change-password", {"old": "guess", "new": new})
    assert (weak.status, wrong.status) == (422, 401)
    assert other.get("/snapshot.jpg").status == 200

    assert browser.post("/api/change-password", {"old": PASSWORD, "new": new}).status == 200
    assert [session.get("/snapshot.jpg").status for session in (browser, other)] == [401, 401]
    assert Browser(claimed).post("/api/login", LOGIN).status == 401
    assert Browser(claimed).post("/api/login", {"user": USER, "password": new}).status == 200


def test_a_grant_that_the_agent_forgot_ends_the_session(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser = signed_in(claimed)
    agent.forget_grants()

    assert browser.get("/api/device").json["code"] == "signed_out"
    assert browser.get("/snapshot.jpg").status == 401


def test_enrolment_passes_the_token_on_for_administrators_alone(claimed: CameraProcess, agent: FakeAgent) -> None:
    agent.users["guest"] = ("viewer", "a viewer's long password")
    guest = Browser(claimed)
    guest.post("/api/login", {"user": "guest", "password": "a viewer's long password"})

    assert signed_in(claimed).post("/api/enrol", {"token": "camward1.abc"}).json == {"ok": True, "task": "started"}
    assert (guest.post("/api/enrol", {"token": "camward1.abc"}).status, guest.get("/snapshot.jpg").status) == (403, 200)
    assert ("web", "camward1.abc") in [(service, request.get("token")) for service, request in agent.asked]


def test_evidence_is_served_from_its_own_folder_alone(claimed: CameraProcess, agent: FakeAgent) -> None:
    evidence = claimed.folder / "evidence.json"
    evidence.write_text(json.dumps({"findings": [{"criterion": "S1.1-01", "verdict": "PASS"}]}))
    (claimed.folder / "login" / "secret.json").write_text("{}")
    browser = signed_in(claimed)

    assert browser.get("/api/evidence").json["findings"][0]["verdict"] == "PASS"
    assert Browser(claimed).get("/api/evidence").status == 401
    agent._evidence = claimed.folder / "login" / "secret.json"
    assert browser.get("/api/evidence").status == 503
    agent._evidence = claimed.folder / "missing.json"
    assert (browser.get("/api/evidence").status, browser.get("/api/evidence").json["code"]) == (404, "no_evidence")


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_snapshot_takes_digest_in_both_algorithms(claimed: CameraProcess, agent: FakeAgent, algorithm: str) -> None:
    reply = Browser(claimed).get("/snapshot.jpg")
    challenges = [value for value in reply.headers.get_all("WWW-Authenticate") if f"algorithm={algorithm}" in value]
    assert len(challenges) == 1

    # curl answers the first challenge it knows, which is SHA-256; MD5 is what ffmpeg uses (test_rtsp.py).
    right = curl(claimed, "/snapshot.jpg", "--digest", "--user", f"{USER}:{PASSWORD}")
    wrong = curl(claimed, "/snapshot.jpg", "--digest", "--user", f"{USER}:admin")
    basic = curl(claimed, "/snapshot.jpg", "--basic", "--user", f"{USER}:{PASSWORD}")

    assert (right[0], right[1][:3]) == (200, b"\xff\xd8\xff")
    assert (wrong[0], basic[0]) == (401, 401)
    assert "login" not in {request["op"] for _, request in agent.asked}


def test_a_stale_nonce_is_told_so(claimed: CameraProcess, agent: FakeAgent) -> None:
    stale = 'Digest username="keeper", realm="camward", nonce="old", uri="/snapshot.jpg", response="0", algorithm=MD5'

    reply = Browser(claimed).get("/snapshot.jpg", Authorization=stale)

    assert reply.status == 401
    assert "stale=true" in reply.headers["WWW-Authenticate"]


def test_the_lockout_is_passed_on_with_its_seconds(claimed: CameraProcess, agent: FakeAgent) -> None:
    agent.refuse_with = {"code": "wait", "retry_after_s": 30}

    login = Browser(claimed).post("/api/login", LOGIN)
    snapshot = curl(claimed, "/snapshot.jpg", "--digest", "--user", f"{USER}:{PASSWORD}")

    assert (login.status, login.headers["Retry-After"], login.json["retry_after_s"]) == (429, "30", 30)
    assert "30秒" in login.json["message"]["ja"]
    assert snapshot[0] == 429


def test_the_source_that_the_agent_counts_is_the_client_address(claimed: CameraProcess, agent: FakeAgent) -> None:
    Browser(claimed).post("/api/login", LOGIN, X_Forwarded_For="203.0.113.9")

    assert {request["source"] for _, request in agent.asked} == {"127.0.0.1"}


def test_an_agent_that_is_away_or_talks_nonsense_lets_nobody_in(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser = signed_in(claimed)
    nonsense = (b"\n", b"{}\n", b'{"v":2,"ok":true}\n', b'{"v":1,"ok":"yes"}\n', b"[" * 4000 + b"\n", b"x" * 5000)

    for garble in nonsense:
        agent.garble = garble
        assert browser.get("/snapshot.jpg").status == 503, garble[:20]
        assert browser.post("/api/login", LOGIN).json["code"] == "unavailable", garble[:20]
    agent.garble = None
    assert browser.get("/snapshot.jpg").status == 200

    agent.stop()
    assert browser.get("/snapshot.jpg").status == 503
    assert browser.get("/").status == 503
    assert browser.get("/health").json == {"ok": True, "version": "1.0.0"}
    agent.start()
    assert browser.get("/snapshot.jpg").status == 200


def test_a_locked_camera_is_not_an_unclaimed_one(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser = signed_in(claimed)
    agent.state = "locked"

    assert browser.get("/snapshot.jpg").json["code"] == "locked"
    assert browser.post("/api/login", LOGIN).status == 403
    page = browser.get("/")
    assert (page.status, 'id="claim"' in page.text) == (403, False)


def test_a_camera_in_quarantine_shows_why_and_lets_the_owner_erase_it_and_nothing_else(
    claimed: CameraProcess, agent: FakeAgent
) -> None:
    browser = signed_in(claimed)
    agent.state, agent.quarantine = "locked", "見知らぬ通信 <b>"

    page = browser.get("/")
    assert (page.status, 'id="erase-locked"' in page.text, "見知らぬ通信 &lt;b&gt;" in page.text) == (403, True, True)
    for path in ("/snapshot.jpg", "/api/device", "/api/evidence"):
        assert (browser.get(path).status, browser.get(path).json["code"]) == (403, "locked")
    assert browser.post("/api/erase", {"password": LOGIN["password"]}).status == 403
    assert browser.post("/api/login", LOGIN).status == 403
    assert browser.post("/api/erase-locked", LOGIN | {"password": "wrong"}).json["code"] == "denied"
    assert browser.post("/api/erase-locked", LOGIN).json == {"ok": True, "task": "started"}
    agent.state, agent.quarantine = "claimed", None
    assert browser.get("/").status == 200
    assert browser.post("/api/erase-locked", LOGIN).json["code"] == "bad_request"


def test_a_stranger_learns_neither_serial_nor_version_from_a_claimed_camera(claimed: CameraProcess) -> None:
    stranger = Browser(claimed)

    assert stranger.get("/api/state").json == {"ok": True, "state": "claimed", "claimable": False, "model": "kawa-1"}
    assert SERIAL not in stranger.get("/").text
    assert signed_in(claimed).get("/api/state").json["serial"] == SERIAL


def test_posts_from_other_sites_and_other_names_are_refused(claimed: CameraProcess, agent: FakeAgent) -> None:
    own = claimed.url
    assert Browser(claimed).post("/api/login", LOGIN, Origin=own, Sec_Fetch_Site="same-origin").status == 200
    before = len(agent.asked)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": own.replace("https", "http")},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert Browser(claimed).post("/api/login", LOGIN, **headers).status == 403
    assert Browser(claimed).post("/api/login", LOGIN, Host="evil.example").status == 421
    assert Browser(claimed).get("/", Host="evil.example").status == 421
    form = Browser(claimed).send("POST", "/api/login", json.dumps(LOGIN).encode(), Content_Type="text/plain")
    assert (form.status, form.json["code"]) == (400, "bad_request")
    assert [request["op"] for _, request in agent.asked[before:]] == ["state"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'"a"', b"\xff", b'{"user":1,"password":"a"}', b'{"user":"a"}', b"[" * 60_000]
)
def test_a_body_that_is_no_login_is_a_bad_request(claimed: CameraProcess, body: bytes) -> None:
    assert Browser(claimed).send("POST", "/api/login", body, Content_Type="application/json").status == 400


def test_pages_come_in_the_language_of_the_browser_or_of_the_switch(unclaimed: CameraProcess) -> None:
    browser = Browser(unclaimed)

    assert '<html lang="en">' in browser.get("/").text
    japanese = browser.get("/", Accept_Language="ja,en;q=0.5")
    assert "カメラの初期設定" in japanese.text
    assert japanese.headers["Content-Security-Policy"] == CONTENT_POLICY
    switched = browser.get("/?lang=ja")
    assert (switched.status, switched.headers["Location"]) == (303, "/")
    assert '<html lang="ja">' in browser.get("/", Accept_Language="en").text
    assert browser.get("/?lang=%0d%0aSet-Cookie:a=b").status == 200


def test_every_static_file_is_served_and_nothing_around_it(claimed: CameraProcess) -> None:
    browser = Browser(claimed)

    for name in ("app.js", "style.css", "icon.svg"):
        assert browser.get(f"/static/{name}").status == 200
    for path in ("/static/", "/static/../config.py", "/static/%2e%2e/config.py", "//static/app.js", "/static/app.js/"):
        assert browser.get(path).status == 404, path
    head = browser.send("HEAD", "/static/app.js")
    assert (head.status, head.body) == (200, b"")
    assert browser.send("DELETE", "/").status == 404


LEAVING = {
    "/api/disown": {"password": PASSWORD},
    "/api/transfer": {"password": PASSWORD, "token": "camward1.abc"},
    "/api/erase": {"password": PASSWORD},
}


@pytest.mark.parametrize("path", LEAVING)
def test_an_administrator_leaves_with_the_password_given_once_more(
    claimed: CameraProcess, agent: FakeAgent, path: str
) -> None:
    body, op = LEAVING[path], path.rpartition("/")[2]
    browser = signed_in(claimed)
    for wrong in ("", "admin", PASSWORD[:-1]):
        reply = browser.post(path, {**body, "password": wrong})
        assert (reply.status, reply.json["code"]) == (401, "denied")
    for missing in body:
        reply = browser.post(path, {name: text for name, text in body.items() if name != missing})
        assert (reply.status, reply.json["code"]) == (400, "bad_request")
    assert agent.state == "claimed"
    reply = browser.post(path, body)
    assert (reply.status, reply.json) == (202, {"ok": True, "task": "started"})
    service, asked = agent.asked[-1]
    assert (service, asked["op"], asked["password"]) == ("web", op, PASSWORD)
    assert asked.get("token") == body.get("token")
    assert agent.state == ("unclaimed" if op == "erase" else "claimed")


@pytest.mark.parametrize("path", LEAVING)
def test_nobody_else_leaves(claimed: CameraProcess, agent: FakeAgent, path: str) -> None:
    """Signed out, a viewer with the right password, another site, a form: refused."""
    stranger = Browser(claimed).post(path, LEAVING[path])
    assert (stranger.status, stranger.json["code"]) == (401, "signed_out")
    agent.users["guest"] = ("viewer", "a guest with a long name")
    guest = Browser(claimed)
    assert guest.post("/api/login", {"user": "guest", "password": "a guest with a long name"}).status == 200
    assert guest.post(path, {**LEAVING[path], "password": "a guest with a long name"}).json["code"] == "denied"
    assert 'id="erase"' not in guest.get("/").text
    owner = signed_in(claimed)
    assert 'id="erase"' in owner.get("/").text
    assert owner.post(path, LEAVING[path], Origin="https://evil.test").status == 403
    assert agent.state == "claimed"
    done = [asked for _, asked in agent.asked if asked["op"] == path.rpartition("/")[2]]
    assert [asked["password"] for asked in done] == ["a guest with a long name"], (
        "more than the guest's try came through"
    )
