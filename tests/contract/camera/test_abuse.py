"""Clients that dribble, flood, stall or talk nonsense; each time somebody else is still served."""

import socket
import ssl
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_sim.camera.application import MAX_STREAMS, MAX_WEB_CONNECTIONS
from firmware_sim.qemu.deadline import Deadline
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import TIMEOUT_S, Browser, raw, read_to_end, send_and_read

HEALTH = {"ok": True, "version": "1.0.0"}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"501"),
        (b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999\r\n\r\n", b"413"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100 + b"\r\n", b"431"),
        (b"OPTIONS rtsp://a/stream RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"400"),
        (b"\x00\x01\x02\r\n\r\n", b"400"),
        (b"A" * 20_000, b"431"),
    ],
)
def test_a_malformed_request_is_answered_once_and_the_connection_closed(
    unclaimed: CameraProcess, data: bytes, status: bytes
) -> None:
    with raw(unclaimed, "https") as sock:
        answer = send_and_read(sock, data)

    assert answer.split(b" ", 2)[1] == status
    assert answer.count(b"HTTP/1.1 ") == 1
    assert Browser(unclaimed).get("/health").json == HEALTH


def test_requests_may_follow_each_other_without_waiting(unclaimed: CameraProcess) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"

    with raw(unclaimed, "https") as sock:
        answer = send_and_read(sock, request * 3 + last)

    assert answer.count(b'{"ok": true') == 4


def test_places_are_bounded_and_come_back_when_dribblers_run_out_of_time(unclaimed: CameraProcess) -> None:
    """Half a request on every place: one more is turned away, and soon all are closed by the camera itself."""
    dribblers = [raw(unclaimed, "https") for _ in range(MAX_WEB_CONNECTIONS)]
    for sock in dribblers:
        sock.sendall(b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{")

    with socket.create_connection(("127.0.0.1", unclaimed.ports["https"]), TIMEOUT_S) as extra:
        assert read_to_end(extra) == b""
    for sock in dribblers:
        assert read_to_end(sock) == b""
        sock.close()
    assert Browser(unclaimed).get("/health").json == HEALTH


def test_a_stalled_handshake_does_not_hold_its_place(unclaimed: CameraProcess) -> None:
    stalled = []
    for _ in range(MAX_STREAMS):
        sock = socket.create_connection(("127.0.0.1", unclaimed.ports["rtsps"]), TIMEOUT_S)
        sock.sendall(b"\x16\x03\x01")
        stalled.append(sock)

    for sock in stalled:
        assert read_to_end(sock) == b""
        sock.close()
    with _as_soon_as_there_is_a_place(unclaimed) as sock:
        sock.sendall(b"OPTIONS rtsps://a/stream RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        assert sock.recv(12) == b"RTSP/1.0 403"


def _as_soon_as_there_is_a_place(camera: CameraProcess) -> socket.socket | ssl.SSLSocket:
    """The camera closes a connection first, and then gives its place back."""
    deadline = Deadline(TIMEOUT_S)
    while True:
        try:
            return raw(camera, "rtsps")
        except (ssl.SSLEOFError, ConnectionError):
            deadline.require("a place for a stream")
            time.sleep(0.05)


def test_old_tls_and_no_tls_get_nothing(unclaimed: CameraProcess) -> None:
    for service in ("https", "rtsps"):
        with raw(unclaimed, service) as sock:
            assert sock.version() == "TLSv1.3"
        context = unclaimed.tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection(("127.0.0.1", unclaimed.ports[service]), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
        ):
            assert sock.version() == "TLSv1.2"
        # A ClientHello that offers TLS 1.1 at most, built by hand: the library here refuses to.
        hello = b"\x03\x02" + bytes(32) + b"\x00\x00\x04\xc0\x13\x00\x2f\x01\x00"
        record = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b" + hello
        with socket.create_connection(("127.0.0.1", unclaimed.ports[service]), TIMEOUT_S) as plain:
            assert send_and_read(plain, record)[:1] in (b"\x15", b"")
        with socket.create_connection(("127.0.0.1", unclaimed.ports[service]), TIMEOUT_S) as plain:
            assert b"HTTP" not in send_and_read(plain, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.sampled_from(["https", "rtsp"]))
def test_random_bytes_never_stop_the_camera(plain: CameraProcess, data: bytes, service: str) -> None:
    with raw(plain, service) as sock:
        answer = send_and_read(sock, data + b"\r\n\r\n\r\n\r\n")

    assert answer == b"" or answer.split(b" ")[0] in (b"HTTP/1.1", b"RTSP/1.0")
    assert plain.process.poll() is None
