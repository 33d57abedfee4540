"""A right password that has to be changed: every path refuses, what stands ends, and the web page changes it."""

import pytest

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import Browser, curl, decode_frames, stream_url
from tests.contract.camera.conftest import PASSWORD, USER
from tests.contract.camera.fake_agent import FakeAgent
from tests.contract.camera.test_onvif import call
from tests.contract.camera.test_rtsp import RtspSession
from tests.contract.camera.test_web import LOGIN, signed_in

NEW = "gravel bank and heron"


@pytest.fixture
def due(claimed: CameraProcess, agent: FakeAgent) -> CameraProcess:
    """A camera whose owner has to change the password."""
    agent.due[USER] = True
    return claimed


def test_no_path_gives_anything_for_it(due: CameraProcess, agent: FakeAgent) -> None:
    reply = Browser(due).post("/api/login", LOGIN)
    assert (reply.status, reply.json["code"], reply.json["may_change"]) == (403, "change_required", True)
    assert reply.json["message"]["en"]
    assert reply.json["message"]["ja"]
    assert reply.headers.get_all("Set-Cookie") is None
    assert call(due, "<GetDeviceInformation/>")[0] == 403
    assert "web page" in call(due, "<GetUsers/>")[1]
    assert curl(due, "/snapshot.jpg", "--digest", "-u", f"{USER}:{PASSWORD}")[0] == 403
    for scheme in ("rtsp", "rtsps"):
        assert decode_frames(stream_url(due, scheme, USER, PASSWORD), frames=1).returncode != 0


def test_a_wrong_password_is_told_nothing_of_it(due: CameraProcess) -> None:
    reply = Browser(due).post("/api/login", {"user": USER, "password": "guess"})
    assert (reply.status, reply.json["code"]) == (401, "denied")
    wrong = Browser(due).post("/api/change-due", {"user": USER, "old": "guess", "new": NEW})
    assert (wrong.status, wrong.json["code"]) == (401, "denied")


def test_the_change_is_all_that_it_opens(due: CameraProcess, agent: FakeAgent) -> None:
    browser = Browser(due)
    weak = browser.post("/api/change-due", {"user": USER, "old": PASSWORD, "new": "admin"})
    assert (weak.status, bool(weak.json["violations"])) == (422, True)
    assert browser.post("/api/change-due", {"user": USER, "old": PASSWORD}).status == 400
    done = browser.post("/api/change-due", {"user": USER, "old": PASSWORD, "new": NEW})
    assert (done.status, done.headers.get_all("Set-Cookie")) == (200, None), "it signs nobody in"
    assert browser.post("/api/login", {"user": USER, "password": NEW}).status == 200


def test_sessions_and_streams_that_stand_end_when_the_order_begins(claimed: CameraProcess, agent: FakeAgent) -> None:
    browser, client = signed_in(claimed), RtspSession(claimed, "rtsps")
    client.play()
    assert client.packet()
    assert browser.get("/snapshot.jpg").status == 200

    agent.due[USER] = True

    assert browser.get("/snapshot.jpg").status == 401
    while client.packet():
        pass
    client.close()


def test_an_order_ends_no_session_of_those_whom_it_does_not_concern(due: CameraProcess, agent: FakeAgent) -> None:
    agent.users["guest"] = ("viewer", "a viewer's long password")
    browser = Browser(due)
    assert browser.post("/api/login", {"user": "guest", "password": "a viewer's long password"}).status == 200
    assert browser.get("/snapshot.jpg").status == 200
    agent.due.clear()
    assert browser.get("/snapshot.jpg").status == 200
