"""WS-UsernameToken, the whole round: the real agent and camera processes, a server that proves the time, a real client.

The page switches it on and shows the secret; onvif-zeep-async logs in with it. An attacker has overheard its requests.
"""

import pytest
from lxml import etree
from zeep.exceptions import Fault
from zeep.plugins import HistoryPlugin

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import Browser
from tests.contract.camera.test_onvif_client import run, serial_number
from tests.contract.camera.test_username_token import SERVICE
from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import PASSWORD, claim, enrol, server
from tests.contract.server import harness

__all__ = ["server"]

ON = {"user": "admin", "password": PASSWORD}


@pytest.fixture
def board(tmp_path, server):
    """A claimed camera that takes tokens; nobody has one."""
    slot, _, _ = harness.write_build(tmp_path / "factory", "1.0.0")
    image_root = (server.folder / "tuf/image/1.root.json").read_bytes()
    made = Board(tmp_path / "board", image_root, ws_token=True)
    made.leave_factory(slot.read_bytes())
    made.power_on()
    made.start_camera()
    made.grant = claim(made)
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


class ByCertificate(CameraProcess):
    """A camera that is known by its certificate alone, as the agent makes it: there is no address in it."""

    def tls(self):
        context = super().tls()
        context.check_hostname = False
        return context


@pytest.fixture
def camera(board):
    """The camera as its clients see it."""
    return ByCertificate(board.state / "web", board.camera.process, board.camera.ports)


def signed_in(camera):
    page = Browser(camera)
    assert page.post("/api/login", ON).status == 200
    return page


def on(page):
    """Switch it on; the answer, once the time is proven."""
    return wait_for(lambda: (reply := page.post("/api/ws-token-on", ON)).status == 200 and reply, "a proven time")


def answer(camera, secret):
    """The camera's serial number, or why the client is not let in."""
    try:
        return run(camera, "admin", secret, serial_number)
    except Fault as fault:
        return fault.message


def refused(camera, secret):
    assert "not authorized" in answer(camera, secret)


def overheard(camera, secret):
    """What the client sent, as it was on the wire when it was let in."""

    async def listen(client):
        service, history = await client.create_devicemgmt_service(), HistoryPlugin()
        service.zeep_client.plugins.append(history)
        await service.GetDeviceInformation()
        return etree.tostring(history.last_sent["envelope"])

    return run(camera, "admin", secret, listen)


def replay(camera, message):
    return Browser(camera).send("POST", SERVICE, message, Content_Type="application/soap+xml; charset=utf-8").status


def test_from_the_page_to_a_real_client_and_off_again(board, camera, server):
    page = signed_in(camera)
    early = page.post("/api/ws-token-on", ON)
    assert (early.status, early.json["code"]) == (503, "clock"), "without an operator nothing proves the time"
    enrol(board, server, board.grant)
    wait_for(lambda: "not authorized" in answer(camera, PASSWORD), "a proven time, and nobody is let in who is off")

    secret = on(page).json["token"]
    listed = page.get("/api/ws-tokens")
    assert (listed.json["users"], secret in listed.text + str(board.status())) == (["admin"], False)
    stored = b"".join(path.read_bytes() for path in board.state.rglob("*") if path.is_file())
    assert secret.encode() not in stored

    assert answer(camera, secret) == board.serial
    for other in (PASSWORD, secret[::-1]):
        refused(camera, other)
    assert page.post("/api/login", {"user": "admin", "password": secret}).status == 401, "it is no password"
    message = overheard(camera, secret)
    assert replay(camera, message) == 401

    newer = on(page).json["token"]
    assert newer != secret
    refused(camera, secret)
    assert answer(camera, newer) == board.serial

    assert page.post("/api/ws-token-off", {"user": "admin"}).status == 200
    refused(camera, newer)
    assert page.get("/api/ws-tokens").json["users"] == []


def test_an_agent_that_starts_anew_keeps_the_token_and_takes_nothing_that_was_overheard_before(board, camera, server):
    enrol(board, server, board.grant)
    secret = on(signed_in(camera)).json["token"]
    message = overheard(camera, secret)
    board.kill()
    board.console.clear()
    board.power_on()

    def let_in():
        assert replay(camera, message) in {401, 503}, "it is used up, or nothing proves the time yet"
        return answer(camera, secret) == board.serial

    wait_for(let_in, "a proven time after the start")
    assert replay(camera, message) == 401
