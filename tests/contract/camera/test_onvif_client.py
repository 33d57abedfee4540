"""A real ONVIF client, onvif-zeep-async with its own WSDL files, against the camera's own listener.

Its SOAP requests log in by WS-UsernameToken (it knows nothing else there), its snapshots by HTTP digest. It verifies no
certificate, which is the library's way and not the camera's.
"""

import asyncio

import pytest
from onvif import ONVIFCamera
from onvif.exceptions import ONVIFAuthError
from zeep.exceptions import Fault

from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.conftest import PASSWORD, USER
from tests.contract.camera.fake_agent import SERIAL, FakeAgent

TOKEN = "ABCDEFGHIJKLMNOPQRST"


class Client(ONVIFCamera):
    """The library's camera, which is told where the snapshot is: ours has no media service."""

    async def get_snapshot_uri(self, profile_token: str) -> str:
        return f"{self.host}:{self.port}/snapshot.jpg"


def run(camera: CameraProcess, user: str, secret: str, work, **settings):
    async def begin():
        client = Client("https://127.0.0.1", camera.ports["https"], user, secret, no_cache=True, **settings)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(begin())


async def serial_number(client: Client) -> str:
    service = await client.create_devicemgmt_service()
    first, again = await service.GetDeviceInformation(), await service.GetDeviceInformation()
    assert first.SerialNumber == again.SerialNumber
    return str(first.SerialNumber)


async def snapshot(client: Client) -> bytes:
    return await client.get_snapshot("any")


@pytest.fixture
def taking(claimed: CameraProcess, agent: FakeAgent) -> CameraProcess:
    agent.tokens[USER] = TOKEN
    return claimed


def test_it_logs_in_by_the_token(taking: CameraProcess, agent: FakeAgent) -> None:
    assert run(taking, USER, TOKEN, serial_number) == SERIAL
    assert run(taking, USER, TOKEN, serial_number, adjust_time=True) == SERIAL
    assert {one["op"] for service, one in agent.asked if service == "onvif"} == {"state", "ws_token"}


@pytest.mark.parametrize(
    ("user", "secret", "settings"),
    [
        (USER, PASSWORD, {}), (USER, "TSRQPONMLKJIHGFEDCBA", {}), (USER, "", {}), ("admin", "admin", {}),
        ("nobody", TOKEN, {}), (USER, TOKEN, {"encrypt": False}), (USER, PASSWORD, {"encrypt": False}),
    ],
    ids=["password", "another token", "nothing", "factory", "another user", "token as text", "password as text"],
)  # fmt: skip
def test_it_does_not_get_in_otherwise(taking: CameraProcess, user: str, secret: str, settings: dict) -> None:
    with pytest.raises(Fault, match="not authorized"):
        run(taking, user, secret, serial_number, **settings)
    assert run(taking, USER, TOKEN, serial_number) == SERIAL


def test_off_it_does_not_get_in(claimed: CameraProcess, agent: FakeAgent) -> None:
    for secret in (TOKEN, PASSWORD):
        with pytest.raises(Fault, match="not authorized"):
            run(claimed, USER, secret, serial_number)


def test_its_snapshots_log_in_by_http_digest_with_the_password(taking: CameraProcess) -> None:
    assert run(taking, USER, PASSWORD, snapshot).startswith(b"\xff\xd8")
    for user, secret in ((USER, TOKEN), (USER, PASSWORD + "!"), ("admin", "admin")):
        with pytest.raises(ONVIFAuthError):
            run(taking, user, secret, snapshot)


def test_an_unclaimed_camera_tells_it_the_time_and_nothing_else(unclaimed: CameraProcess, agent: FakeAgent) -> None:
    agent.tokens[USER] = TOKEN
    with pytest.raises(Fault, match="unclaimed"):
        run(unclaimed, USER, TOKEN, serial_number)
