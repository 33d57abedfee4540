"""The camera's own server for its neighbours: what an honest one gets, and what everybody else does not get."""

import contextlib
import hashlib
import socket
import ssl
import threading
import time

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.adapters.linux.block_device import DiskFile
from agent.adapters.linux.downloader import HttpsDownloader
from agent.adapters.linux.neighbour_server import PIECE_BLOCKS, Bounds, HttpsNeighbourServer
from agent.adapters.linux.tls import client_context
from agent.core.allowance import BURST_S
from agent.formats.block_tree import BLOCK_BYTES, leaves_of
from agent.formats.delivery import Source
from agent.formats.errors import Busy, Unavailable
from agent.formats.running import Running
from tests.contract.ports.board import wait_for
from tests.contract.ports.fleet import Fleet

SELF, OTHER = "a" * 26, "b" * 26
BLOCKS, OFFSET = 40, 8 * BLOCK_BYTES
IMAGE = b"".join(hashlib.sha256(b"%d" % n).digest() * 128 for n in range(BLOCKS))
LEAVES = leaves_of(IMAGE)
RUNNING = Running(
    "b", "kawa.slot", hashlib.sha256(IMAGE).hexdigest(), len(IMAGE), "kawa.tree", hashlib.sha256(LEAVES).hexdigest()
)
QUICK = Bounds(accept_every_s=0.001, handshake_s=1.0, head_s=1.0, stall_s=1.0, max_bytes_per_s=0)
PATIENCE_S = 20


class Camera:
    """A server on a disk file, its fleet, and what went wrong in its threads."""

    def __init__(self, folder, bounds=QUICK):
        self.fleet = Fleet(folder)
        self.bugs = []
        self.disk = folder / "disk"
        self.disk.write_bytes(bytes(OFFSET) + IMAGE + bytes(OFFSET))
        self.files = self.fleet.device(SELF)
        device = DiskFile(self.disk, BLOCK_BYTES)
        self.server = HttpsNeighbourServer(device, *self.files, self.bugs.append, bounds=bounds, host="127.0.0.1")
        self.server.offer(RUNNING, OFFSET, LEAVES)
        self.server.open(0, self.fleet.ca, SELF)
        self.source = Source(f"https://127.0.0.1:{self.server.port}", SELF)

    def downloader(self, files=None, ca=None):
        made = HttpsDownloader(*(files or self.fleet.device(OTHER)))
        made.open("https://127.0.0.1:9", ca or self.fleet.ca)
        return made

    def spoil(self, block):
        with self.disk.open("r+b") as file:
            file.seek(OFFSET + block * BLOCK_BYTES + 7)
            file.write(b"\0")

    def plain(self):
        return socket.create_connection(("127.0.0.1", self.server.port), PATIENCE_S)

    @contextlib.contextmanager
    def connected(self, files=None):
        """A connection of a neighbour that may then misbehave."""
        context = client_context(self.fleet.ca, *(files or self.fleet.device(OTHER)), device=SELF)
        with self.plain() as raw, context.wrap_socket(raw) as connection:
            yield connection

    def raw(self, request):
        """Everything that comes back for these bytes until the connection ends; empty for a reset as well."""
        found = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError), self.connected() as connection:
            connection.sendall(request)
            while piece := connection.recv(65536):
                found += piece
        return found


@pytest.fixture
def camera(tmp_path):
    made = Camera(tmp_path)
    yield made
    made.server.close()
    assert made.bugs == []


def fetch(camera, path, first=0, end=BLOCKS * BLOCK_BYTES, downloader=None, align=BLOCK_BYTES):
    downloader = downloader or camera.downloader()
    found = b""
    while first + len(found) < end:
        piece = downloader.read(camera.source, path, first + len(found), end, 16 * BLOCK_BYTES, align)
        if piece is None:
            return None
        found += piece
    downloader.close()
    return found


def request(path=None, first=0, last=9):
    return f"GET {path or RUNNING.image_path()} HTTP/1.1\r\nHost: a\r\nRange: bytes={first}-{last}\r\n\r\n".encode()


def test_a_neighbour_gets_image_and_tree(camera):
    assert fetch(camera, RUNNING.image_path()) == IMAGE
    assert fetch(camera, RUNNING.image_path(), 5 * BLOCK_BYTES, 9 * BLOCK_BYTES) == IMAGE[5 * 4096 : 9 * 4096]
    assert fetch(camera, RUNNING.tree_path(), 0, len(LEAVES), align=1) == LEAVES
    whole = len(IMAGE) + 4 * BLOCK_BYTES + len(LEAVES)
    wait_for(lambda: camera.server.sent_bytes == whole, "the last piece to be counted, which is sent first")


def test_a_neighbour_that_is_too_slow_to_be_of_help_is_given_up_early(tmp_path):
    """By a clock that runs twenty times too fast: 16 KiB/s of ours look like less than one."""
    camera = Camera(tmp_path, QUICK._replace(max_bytes_per_s=16 * 1024))
    downloader = HttpsDownloader(*camera.fleet.device(OTHER), clock=lambda: 20 * time.monotonic())
    downloader.open("https://127.0.0.1:9", camera.fleet.ca)
    piece = downloader.read(camera.source, RUNNING.image_path(), 0, len(IMAGE), len(IMAGE), BLOCK_BYTES)
    downloader.close()
    camera.server.close()
    assert IMAGE.startswith(piece)
    assert 0 < len(piece) < len(IMAGE)


@pytest.mark.parametrize(
    ("first", "end"), [(0, 1), (4095, 4097), (1, 70000), (65535, 65537), (len(IMAGE) - 1, len(IMAGE))]
)
def test_ranges_of_any_begin_and_end(camera, first, end):
    assert fetch(camera, RUNNING.image_path(), first, end, align=1) == IMAGE[first:end]


@pytest.mark.parametrize(
    "path",
    [
        "/", "/targets/../../etc/shadow", "/update/running.json", "/targets/" + RUNNING.sha256 + ".kawa.slot/",
        "/targets/" + "0" * 64 + ".kawa.slot", "/%2e%2e/", "/targets/" + RUNNING.sha256 + ".kawa.slot%00",
    ],
)  # fmt: skip
def test_nothing_else_is_there(camera, path):
    assert fetch(camera, path) is None
    assert camera.server.sent_bytes == 0


@pytest.mark.parametrize(
    "bad",
    [
        b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nRange: bytes=0-9\r\n\r\n", b"\x16\x03\x01 nonsense\r\n\r\n",
        request() + request(), request().replace(b"bytes=0-9", b"bytes=0-9,20-29"), request(last=5, first=9),
        b"GET / HTTP/1.1\r\nX: " + b"a" * 4000, request().replace(b"Host", b"Transfer-Encoding: chunked\r\nHost"),
    ],
)  # fmt: skip
def test_what_is_no_request_gets_no_answer(camera, bad):
    assert camera.raw(bad) == b""
    assert fetch(camera, RUNNING.image_path()) == IMAGE


def test_a_range_behind_the_end_is_not_there(camera):
    assert camera.raw(request(first=len(IMAGE), last=len(IMAGE) + 5)).startswith(b"HTTP/1.1 404 ")


# Who asks

STRANGERS = {
    "no certificate": lambda fleet, folder: (None, None),
    "another fleet": lambda fleet, folder: Fleet(folder, "other").device(OTHER),
    "expired": lambda fleet, folder: fleet.device(OTHER, -9, -1),
    "not begun": lambda fleet, folder: fleet.device(OTHER, 1, 9),
    "no device": lambda fleet, folder: fleet.device(OTHER, names=[]),
    "the server itself": lambda fleet, folder: fleet.device(OTHER, usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
}


@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_gets_nothing(camera, tmp_path, who):
    certificate, key = STRANGERS[who](camera.fleet, tmp_path)
    context = client_context(camera.fleet.ca, certificate, key, device=SELF)
    got = b""
    with contextlib.suppress(OSError), camera.plain() as raw, context.wrap_socket(raw) as connection:
        connection.sendall(request())
        got = connection.recv(1)
    assert got == b""
    assert camera.server.sent_bytes == 0
    assert fetch(camera, RUNNING.image_path()) == IMAGE


def test_an_old_version_of_tls_is_refused(camera):
    context = client_context(camera.fleet.ca, *camera.fleet.device(OTHER), device=SELF)
    for which, version in (("minimum_version", ssl.TLSVersion.TLSv1), ("maximum_version", ssl.TLSVersion.TLSv1_1)):
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            setattr(context, which, version)
    with camera.plain() as raw, pytest.raises(OSError):  # noqa: PT011
        context.wrap_socket(raw)


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(lambda fleet, folder: fleet.device(OTHER), id="another camera"),
        pytest.param(lambda fleet, folder: Fleet(folder, "other").device(SELF), id="another fleet"),
        pytest.param(lambda fleet, folder: fleet.device(SELF, -9, -1), id="expired"),
    ],
)
def test_a_camera_that_is_not_the_one_named_is_asked_for_nothing(tmp_path, who):
    camera = Camera(tmp_path)
    certificate, key = who(camera.fleet, tmp_path)
    camera.files[0].write_bytes(certificate.read_bytes())
    camera.files[1].write_bytes(key.read_bytes())
    with pytest.raises(Unavailable):
        fetch(camera, RUNNING.image_path())
    camera.server.close()
    assert camera.server.sent_bytes == 0


# What lies on the disk


def test_a_bad_block_is_not_sent_and_ends_the_offer(camera):
    camera.spoil(20)
    downloader = camera.downloader()
    found = downloader.read(camera.source, RUNNING.image_path(), 0, len(IMAGE), len(IMAGE), BLOCK_BYTES)
    assert found == IMAGE[: 16 * BLOCK_BYTES]
    assert not camera.server.offers()
    with pytest.raises(Busy) as caught:
        downloader.read(camera.source, RUNNING.image_path(), len(found), len(IMAGE), len(IMAGE), BLOCK_BYTES)
    assert caught.value.retry_after_s == 3600


def test_a_bad_first_block_is_no_answer_at_all(camera):
    camera.spoil(0)
    with pytest.raises(Busy):
        fetch(camera, RUNNING.image_path())
    assert camera.server.sent_bytes == 0


# Whoever takes up room


def test_no_more_than_so_many_connections(camera):
    with contextlib.ExitStack() as stack:
        for _ in range(QUICK.connections):
            stack.enter_context(camera.connected()).sendall(request()[:-2])
        with pytest.raises(OSError), camera.plain() as raw:  # noqa: PT011
            client_context(camera.fleet.ca, *camera.fleet.device(OTHER), device=SELF).wrap_socket(raw)
    assert _soon(lambda: fetch(camera, RUNNING.image_path())) == IMAGE


def test_strangers_that_say_nothing_are_hung_up_on(camera):
    begun = time.monotonic()
    silent = [camera.plain() for _ in range(QUICK.connections)]
    assert [one.recv(1) for one in silent] == [b""] * QUICK.connections
    assert time.monotonic() - begun < PATIENCE_S
    for one in silent:
        one.close()
    assert _soon(lambda: fetch(camera, RUNNING.image_path())) == IMAGE


def test_whoever_dribbles_a_request_is_hung_up_on(camera):
    with contextlib.suppress(OSError), camera.connected() as connection:
        for byte in request():
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
        assert connection.recv(1) == b""
    assert camera.server.sent_bytes == 0


def test_whoever_does_not_read_is_hung_up_on(tmp_path):
    camera = Camera(tmp_path)
    context = client_context(camera.fleet.ca, *camera.fleet.device(OTHER), device=SELF)
    times = 200
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", camera.server.port))
        with context.wrap_socket(raw) as connection, contextlib.suppress(OSError):
            for _ in range(times):
                connection.sendall(request(last=len(IMAGE) - 1))
                time.sleep(0.05)
    assert camera.server.sent_bytes < times * len(IMAGE)
    assert _soon(lambda: fetch(camera, RUNNING.image_path())) == IMAGE
    camera.server.close()
    assert camera.bugs == []


def test_all_together_keep_to_the_rate(tmp_path):
    rate = len(IMAGE) // 2
    patient = QUICK._replace(max_bytes_per_s=rate, handshake_s=30.0, head_s=30.0, stall_s=30.0)
    camera = Camera(tmp_path, patient)
    both = [camera.downloader(camera.fleet.device(letter * 26)) for letter in "cd"]
    path, end = RUNNING.image_path(), len(IMAGE)
    threads = [threading.Thread(target=fetch, args=(camera, path, 0, end, downloader)) for downloader in both]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - begun
    wait_for(lambda: camera.server.sent_bytes == 2 * len(IMAGE), "the last piece to be counted, which is sent first")
    camera.server.close()
    # A second's worth may come at once, and what each connection is sent last is waited for behind it.
    last_s = 2 * (len(IMAGE) % (PIECE_BLOCKS * BLOCK_BYTES)) / rate
    assert took_s >= 2 * len(IMAGE) / rate - BURST_S - last_s


def test_a_port_that_is_taken_is_unavailable(camera, tmp_path):
    again = HttpsNeighbourServer(DiskFile(camera.disk, BLOCK_BYTES), *camera.files, print, host="127.0.0.1")
    with pytest.raises(Unavailable):
        again.open(camera.server.port, camera.fleet.ca, SELF)


def test_closed_is_closed(camera):
    assert camera.server.offers()
    camera.server.close()
    assert not camera.server.offers()
    with pytest.raises(Unavailable):
        fetch(camera, RUNNING.image_path())


def test_evidence_sees_tls_and_that_a_stranger_is_refused(camera):
    assert camera.server.probe() == [
        {"service": "neighbours", "port": camera.server.port, "tls": True, "version": "TLSv1.3", "anonymous": "refused"}
    ]
    camera.server.close()
    assert camera.server.probe() == []


def test_the_wire_shows_nothing_of_the_image(camera):
    """Through a relay that records: no run of 64 bytes of the image in either direction, though all of it went by."""
    recorded = [bytearray(), bytearray()]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = threading.Thread(target=_relay, args=(listener, camera.server.port, recorded))
        relay.start()
        camera.source = Source(f"https://127.0.0.1:{listener.getsockname()[1]}", SELF)
        assert fetch(camera, RUNNING.image_path()) == IMAGE
        relay.join()
    assert len(recorded[1]) > len(IMAGE)
    runs = {IMAGE[at : at + 64] for at in range(len(IMAGE) - 63)}
    control = bytes(recorded[1]) + IMAGE[1000:1064]
    assert _has_run(control, runs)
    for side in recorded:
        assert not _has_run(bytes(side), runs)


def _has_run(data, runs):
    return any(data[at : at + 64] in runs for at in range(len(data) - 63))


def _relay(listener, port, recorded):
    near, _ = listener.accept()
    with near, socket.create_connection(("127.0.0.1", port)) as far:
        back = threading.Thread(target=_copy, args=(far, near, recorded[1]))
        back.start()
        _copy(near, far, recorded[0])
        back.join()


def _copy(source, target, record):
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            record += piece
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _soon(attempt):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = attempt()
            if found or time.monotonic() > deadline:
                return found
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
