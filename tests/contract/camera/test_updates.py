"""The camera's page and updates without a server: who may do what, and what an upload cannot do."""

import json

import pytest

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import Browser, Reply
from tests.contract.camera.fake_agent import FakeAgent
from tests.contract.camera.test_web import signed_in

OCTETS = "application/octet-stream"
GUEST = "a guest with a long name"
POSTS = {"/api/install": {"version": "1.2.0"}, "/api/bundle": {"length": "5000"}}
CHANGES = {"install", "upload", "install_bundle"}


def piece(browser: Browser, at: object, body: bytes, ticket: str, **headers: str) -> Reply:
    sent = {"Content_Type": OCTETS, "Camward_Upload": ticket, **headers}
    return browser.send("POST", f"/api/bundle/piece?at={at}", body, **sent)


def begin(browser: Browser, length: int) -> str:
    """The ticket of an upload of that length."""
    reply = browser.post("/api/bundle", {"length": str(length)})
    assert reply.json["ok"]
    return reply.json["ticket"]


def reached(agent: FakeAgent) -> list[str]:
    return [request["op"] for _, request in agent.asked if request["op"] in CHANGES]


def test_an_announcement_is_served_from_its_own_folder_alone(
    claimed: CameraProcess, agent: FakeAgent, tmp_path_factory: pytest.TempPathFactory
) -> None:
    browser = signed_in(claimed)
    assert browser.get("/api/offer").json == {"ok": True, "offer": None}
    about = {"version": "1.2.0", "notes": {"ja": "修正"}}
    offer = claimed.folder / "offer.json"
    offer.write_text(json.dumps(about))
    agent.offer = str(offer)
    assert browser.get("/api/offer").json["offer"] == about
    offer.write_text("{")
    assert browser.get("/api/offer").json["code"] == "unavailable"
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "offer.json"
    elsewhere.write_text(json.dumps(about))
    agent.offer = str(elsewhere)
    assert browser.get("/api/offer").json["code"] == "unavailable"
    assert Browser(claimed).get("/api/offer").json["code"] == "signed_out"


@pytest.mark.parametrize("path", POSTS)
def test_nobody_but_an_administrator_on_the_cameras_own_page_orders(
    claimed: CameraProcess, agent: FakeAgent, path: str
) -> None:
    assert Browser(claimed).post(path, POSTS[path]).json["code"] == "signed_out"
    agent.users["guest"] = ("viewer", GUEST)
    guest = Browser(claimed)
    assert guest.post("/api/login", {"user": "guest", "password": GUEST}).status == 200
    assert guest.post(path, POSTS[path]).json["code"] == "forbidden"
    assert 'id="bundle"' not in guest.get("/").text
    agent.asked.clear()
    owner = signed_in(claimed)
    for site in ({"Origin": "https://evil.test"}, {"Sec_Fetch_Site": "cross-site"}, {"Host": "evil.test"}):
        assert owner.post(path, POSTS[path], **site).status in (403, 421)
    form = owner.send("POST", path, b"length=5000", Content_Type="application/x-www-form-urlencoded")
    assert form.json["code"] == "bad_request"
    assert reached(agent) == []
    assert owner.post(path, POSTS[path]).json["ok"]
    assert len(reached(agent)) == 1
    assert 'id="bundle"' in owner.get("/").text


def test_a_bundle_arrives_byte_for_byte_in_any_order_of_pieces(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser = signed_in(claimed)
    body = bytes(range(256)) * 500
    ticket = begin(browser, len(body))
    for at in (61440, 0, 122880, 0):
        assert piece(browser, at, body[at : at + 61440], ticket).json == {"ok": True}
    assert agent.upload_path.read_bytes() == body
    for wrong in ("", "0" * 32):
        assert browser.post("/api/bundle/install", {}, Camward_Upload=wrong).json["code"] == "forbidden"
    assert reached(agent) == ["upload"]
    done = browser.post("/api/bundle/install", {}, Camward_Upload=ticket)
    assert (done.status, done.json) == (202, {"ok": True, "task": "started"})
    assert piece(browser, 0, body[:10], ticket).json["code"] == "forbidden"  # it is the agent's now


def test_a_piece_never_reaches_beyond_what_was_said(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser = signed_in(claimed)
    ticket = begin(browser, 5000)
    for at, body in ((4999, b"ab"), (5000, b"a"), (10**11, b"a"), (0, b""), ("-1", b"a"), ("x", b"a"), ("1e3", b"a")):
        assert piece(browser, at, body, ticket).json["code"] == "bad_request", at
    assert piece(browser, "9" * 13, b"a", ticket).json["code"] == "bad_request"
    assert piece(browser, 0, b"a" * 70_000, ticket).status == 413
    assert piece(browser, 0, b"abc", ticket, Content_Type="text/plain").json["code"] == "bad_request"
    assert piece(browser, 0, b"abc", ticket, Origin="https://evil.test").status == 403
    assert agent.upload_path.read_bytes() == bytes(5000)
    assert piece(browser, 4998, b"ab", ticket).json["ok"]
    assert agent.upload_path.read_bytes() == bytes(4998) + b"ab"
    for length in ("", "-5", "1e3", "9" * 13):
        assert browser.post("/api/bundle", {"length": length}).json["code"] == "bad_request"


def test_an_upload_belongs_to_its_ticket_and_outlives_the_session(claimed: CameraProcess, agent: FakeAgent) -> None:
    mine = signed_in(claimed)
    for wrong in ("", "0" * 32):
        assert piece(mine, 0, b"a", wrong).json["code"] == "forbidden"
    ticket = begin(mine, 5000)
    for wrong in ("", ticket[:-1], ticket.swapcase() + "0"):
        assert piece(signed_in(claimed), 0, b"a", wrong).json["code"] == "forbidden"
    agent.forget_grants()
    assert mine.get("/api/device").json["code"] == "signed_out"
    assert piece(mine, 0, b"a", ticket).json["ok"]
    agent.upload_path.unlink()
    assert piece(mine, 1, b"a", ticket).json["code"] == "unavailable"
    assert piece(mine, 1, b"a", ticket).json["code"] == "forbidden"


def test_a_second_upload_takes_the_place_of_the_first(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser = signed_in(claimed)
    first, second = begin(browser, 5000), begin(browser, 10)
    assert piece(browser, 0, b"a", first).json["code"] == "forbidden"
    assert piece(browser, 0, b"a", second).json["ok"]


def test_an_upload_goes_into_its_own_folder_and_through_no_link(
    claimed: CameraProcess, agent: FakeAgent, tmp_path_factory: pytest.TempPathFactory
) -> None:
    browser = signed_in(claimed)
    honest, elsewhere = agent.upload_path, tmp_path_factory.mktemp("elsewhere") / "upload.bundle"
    agent.upload_path = elsewhere
    assert browser.post("/api/bundle", {"length": "10"}).json["code"] == "unavailable"
    assert piece(browser, 0, b"a", agent.ticket).json["code"] == "forbidden"
    agent.upload_path = honest
    ticket = begin(browser, 10)
    honest.unlink()
    honest.symlink_to(elsewhere)
    assert piece(browser, 0, b"a", ticket).json["code"] == "unavailable"
    assert elsewhere.read_bytes() == bytes(10)


def test_the_agents_refusal_is_passed_on_with_its_words(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser = signed_in(claimed)
    agent.refuse_bundle = {"code": "bad_request", "detail": "rollback: it is old"}
    reply = browser.post("/api/bundle/install", {}, Camward_Upload=begin(browser, 10))
    assert (reply.status, reply.json["detail"]) == (400, "rollback: it is old")
