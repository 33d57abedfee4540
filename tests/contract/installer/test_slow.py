"""Whoever answers byte by byte holds the tool up for its deadline and no longer."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.camera.camera_process import make_certificate
from update_server.installer import camera
from update_server.installer.camera import Camera, Unreachable, meet
from update_server.installer.looking import Place

BYTE_EVERY_S = 0.2


@pytest.fixture
def dribbler(tmp_path: Path) -> Iterator[Callable[[bytes, bool], Place]]:
    """`dribbler(data, tls)`: sends these bytes one by one, over and over."""
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listeners, stop = [], threading.Event()

    def attend(client: socket.socket, data: bytes, tls: bool) -> None:
        with contextlib.suppress(OSError), client:
            speaker = context.wrap_socket(client, server_side=True) if tls else client
            with speaker:
                while not stop.is_set():
                    for byte in data:
                        speaker.sendall(bytes([byte]))
                        if stop.wait(BYTE_EVERY_S):
                            return

    def serve(listener: socket.socket, data: bytes, tls: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=attend, args=(client, data, tls), daemon=True).start()

    def make(data: bytes, tls: bool) -> Place:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, data, tls), daemon=True).start()
        return Place("127.0.0.1", listener.getsockname()[1])

    yield make
    stop.set()
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_handshake_without_end(dribbler):
    began = time.monotonic()
    with pytest.raises(Unreachable, match="timed out"):
        meet(dribbler(b"\x16\x03\x03\x40\x00" + bytes(16_384), False))
    assert time.monotonic() - began < camera.MEET_S + 5


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nX-Header: " + b"y" * 60_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"z" * 60_000,
    ],
)
def test_an_answer_without_end(dribbler, data):
    met = meet(dribbler(data, True))
    assert isinstance(met, Camera)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        met._ask("GET", "/api/state", None, 2.0)
    assert time.monotonic() - began < 8


def test_a_handshake_that_stops_after_the_certificate_was_seen(dribbler):
    met = meet(dribbler(b"x", True))
    met.place = dribbler(b"\x16\x03\x03\x40\x00" + bytes(16_384), False)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        met._ask("GET", "/api/state", None, 2.0)
    assert time.monotonic() - began < 8
