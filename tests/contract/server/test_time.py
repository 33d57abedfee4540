"""Time receipts from the real server over real TLS, judged by the device's own verifier."""

import time

import httpx
import pytest

from agent.core import receipt
from agent.core.receipt import StaleReceipt
from agent.core.trust_errors import ArbitrarySoftware, WrongDevice
from agent.core.trust_repository import Repository
from agent.formats.receipt import NONCE_BYTES
from update_server.repository.receipts import PER_HOUR
from update_server.repository.verifier import verify_signature

NONCE = "5a" * NONCE_BYTES


def director(server, version=1):
    root = (server.folder / f"tuf/director/{version}.root.json").read_bytes()
    return Repository("director", {"root": root}, verify_signature, lambda role, body: None)


def ask(camera, nonce=NONCE):
    with camera.client() as client:
        return client.get(f"/device/v1/time/{nonce}")


def test_a_receipt_is_what_the_camera_asked_for_and_tells_the_servers_time(camera, server):
    before = int(time.time())
    answer = ask(camera)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    at = receipt.verify(answer.content, camera.id, NONCE, director(server), before)
    assert before <= at <= time.time()
    with pytest.raises(StaleReceipt):
        receipt.verify(answer.content, camera.id, "00" * NONCE_BYTES, director(server), 0)
    with pytest.raises(ArbitrarySoftware):
        receipt.verify(answer.content.replace(b'"v":1', b'"v":1,"x":1'), camera.id, NONCE, director(server), 0)


def test_the_certificate_says_for_whom_a_receipt_is(camera, new_camera, server):
    other = new_camera().enrol()
    with pytest.raises(WrongDevice):
        receipt.verify(ask(other).content, camera.id, NONCE, director(server), 0)


@pytest.mark.parametrize(
    "nonce", ["0", "5A" * NONCE_BYTES, "5a" * (NONCE_BYTES + 1), "%2e%2e", "5a" * NONCE_BYTES + "%00"]
)
def test_what_is_no_nonce_is_not_signed(camera, nonce):
    answer = ask(camera, nonce)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")


def test_nobody_without_a_certificate_and_no_removed_camera_gets_one(camera, server):
    with httpx.Client(verify=server.context(), base_url=server.device_url) as client:
        assert client.get(f"/device/v1/time/{NONCE}").status_code == 401
    server.run("device", "remove", camera.serial)
    assert ask(camera).status_code == 403


def test_a_camera_gets_only_so_many_in_an_hour_and_the_others_still_get_theirs(camera, new_camera, server):
    codes = [ask(camera, f"{number:0{2 * NONCE_BYTES}x}").status_code for number in range(PER_HOUR + 2)]
    assert codes == [200] * PER_HOUR + [429] * 2
    assert int(ask(camera).headers["Retry-After"]) > 0
    log = (server.folder / "test.log").read_text()
    assert f"Camera '{camera.id}' is refused GET '/device/v1/time/" in log, "nobody else hears why it waits"
    assert log.count("(wait): This camera has had its time receipts.") == 1, "and nobody fills the disk with it"
    assert ask(new_camera().enrol()).status_code == 200
