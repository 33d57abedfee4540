"""The Linux Fetcher and the trust core against a server that lies, floods, dribbles and keeps silent.

After each attack nothing was stored, one clear line says what was wrong, and the next honest look finds the update.
Where time matters the fetcher is given a clock that runs by itself: no test waits, or asserts, how long anything takes
(but for silence, which needs a fraction of a second to be one).
"""

import copy
import io
import itertools
import os
from types import SimpleNamespace

import pytest

from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.http_exchange import LIMITS, Limits
from agent.core.trust_errors import EndlessData
from agent.formats.errors import CamwardError, FormatError, Unavailable
from tests.contract.ports.tls_server import Server, certificate, until_closed
from tests.repositories import World, make_release

OK = b"HTTP/1.1 200 OK\r\n"
TIMESTAMP = "/tuf/director/timestamp.json"
MAX_LINE_CHARS = 200


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def published():
    """Repositories with an update."""
    made = World()
    made.offer(make_release())
    return made


@pytest.fixture
def world(published, server):
    """The same on the server, and a camera that has not looked yet."""
    made = copy.copy(published)
    made.stored = copy.deepcopy(published.stored)
    for name in ("image", "director"):
        for path, body in made.repository(name).files.items():
            server.files[f"/tuf/{name}/{path}"] = body
    return made


@pytest.fixture
def connect(server, tmp_path):
    """`connect(limits, clock)`: a fetcher of this server."""
    certificate(tmp_path, "device", "127.0.0.1")
    made = []

    def make(limits=LIMITS, **clock):
        fetcher = HttpsFetcher(tmp_path / "device.pem", tmp_path / "device.key", limits=limits, **clock)
        fetcher.open(server.url, server.ca)
        made.append(fetcher)
        return fetcher

    yield make
    for fetcher in made:
        fetcher.close()


def look(world, fetcher):
    """A full verification over the wire; what it accepts is stored."""
    world.answer = lambda request: fetcher.get(f"/tuf/{request.repository}/{request.path}", request.max_bytes)
    return world.run().outcome


def attacked(world, server, fetcher, behaviour):
    """Answer the director's timestamp like this, once; the error that ends the look, all else being as it must."""
    before = {name: dict(roles) for name, roles in world.stored.items()}
    server.hostile[TIMESTAMP] = behaviour
    with pytest.raises(CamwardError) as caught:
        look(world, fetcher)
    assert world.stored == before
    text = str(caught.value)
    assert text.isprintable(), text
    assert len(text) < MAX_LINE_CHARS, text
    del server.hostile[TIMESTAMP]
    return caught.value


def survives(world, fetcher):
    """The next honest look finds the update."""
    assert look(world, fetcher).version == "1.1.0"


def say(*parts, close=False):
    """Send these bytes."""

    def behave(connection):
        for part in parts:
            connection.sendall(part)
        return close

    return behave


def flood(begin, again):
    """Send this, then that for as long as anyone listens."""

    def behave(connection):
        connection.sendall(begin)
        piece = again * (4096 // len(again) + 1)
        while True:
            connection.sendall(piece)

    return behave


def dribble(begin, again=b"x"):
    """Send this one byte at a time, then that for ever."""

    def behave(connection):
        for byte in itertools.chain(begin, itertools.cycle(again)):
            connection.sendall(bytes([byte]))

    return behave


def mute(begin=b""):
    """Send this and nothing more, the connection open."""

    def behave(connection):
        connection.sendall(begin)
        until_closed(connection)
        return True

    return behave


class Hurried:
    """A clock by which a second passes each time somebody looks."""

    def __init__(self):
        self.now_s = 0.0
        self.step_s = 1.0

    def __call__(self):
        self.now_s += self.step_s
        return self.now_s


# --- without end

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS_BODIES = {
    "of a petabyte": flood(OK + b"Content-Length: 999999999999999\r\n\r\n", b"x"),
    "that ends with the connection": flood(OK + b"Connection: close\r\n\r\n", b"x"),
    "of HTTP/1.0": flood(b"HTTP/1.0 200 OK\r\n\r\n", b"x"),
    "of chunks": flood(CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n"),
    "of one chunk": flood(CHUNKED + b"ffffffffffffffff\r\n", b"x"),
    "of a chunk of negative size": flood(CHUNKED + b"-400\r\n", b"x"),
}


@pytest.mark.parametrize("behaviour", ENDLESS_BODIES.values(), ids=ENDLESS_BODIES)
def test_an_endless_body_is_cut_one_byte_beyond_the_limit(world, server, connect, behaviour):
    fetcher = connect()
    error = attacked(world, server, fetcher, behaviour)
    assert isinstance(error, EndlessData)
    server.hostile["/body"] = behaviour
    assert fetcher.get("/body", 1000) == b"x" * 1001
    survives(world, fetcher)


ENDLESS_FRAMES = {
    "status line": flood(b"HTTP/1.1 200 ", b"O"),
    "header line": flood(OK + b"X: ", b"x"),
    "header lines": flood(OK, b"X-A: b\r\n"),
    "long header lines": flood(OK, b"X-A: " + b"b" * 1000 + b"\r\n"),
    "folded header": flood(OK + b"X: y\r\n", b" z\r\n"),
    "interim answers": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers of an interim answer": flood(b"HTTP/1.1 100 Continue\r\n", b"X-A: b\r\n"),
    "chunk extension": flood(CHUNKED + b"1;", b"x"),
    "chunk size": flood(CHUNKED, b"0"),
    "chunks of one byte": flood(CHUNKED, b"1\r\nx\r\n"),
    "trailers": flood(CHUNKED + b"0\r\n", b"X-A: b\r\n"),
    "blank lines": flood(b"", b"\r\n"),
    "zeros": flood(b"", b"\0"),
}


@pytest.mark.parametrize("behaviour", ENDLESS_FRAMES.values(), ids=ENDLESS_FRAMES)
def test_endless_framing_is_refused(world, server, connect, behaviour):
    fetcher = connect()
    error = attacked(world, server, fetcher, behaviour)
    assert isinstance(error, Unavailable)
    survives(world, fetcher)


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Oh"])
def test_the_body_of_an_error_is_not_worth_reading(server, connect, status):
    fetcher = connect()
    sent = []

    def behave(connection):
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 999999999\r\n\r\n")
        while True:
            sent.append(connection.send(b"x" * 4096))

    server.hostile["/error"] = behave
    if status.startswith(b"404"):
        assert fetcher.get("/error", 50_000_000) is None
    else:
        with pytest.raises(Unavailable, match="answered 500"):
            fetcher.get("/error", 50_000_000)
    server.close()
    assert sum(sent) < 20_000_000, "more than what fits into the buffers on the way was taken"


# --- slow, silent

SLOW = {
    "status line": dribble(b"HTTP/1.1 200 ", b"O"),
    "headers": dribble(OK, b"X-A: b\r\n"),
    "interim answers": dribble(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": dribble(OK + b"Content-Length: 100000\r\n\r\n"),
    "body that ends with the connection": dribble(OK + b"Connection: close\r\n\r\n"),
    "chunk size": dribble(CHUNKED, b"0"),
    "chunks": dribble(CHUNKED, b"1\r\nx\r\n"),
    "trailers": dribble(CHUNKED + b"0\r\n", b"X-A: b\r\n"),
}
GENEROUS = 10**9  # bytes that would be allowed, so that nothing but slowness can end it


@pytest.mark.parametrize("behaviour", SLOW.values(), ids=SLOW)
def test_whoever_dribbles_is_too_slow(world, server, connect, behaviour):
    clock = Hurried()
    fetcher = connect(Limits(head_bytes=GENEROUS), clock=clock)
    error = attacked(world, server, fetcher, behaviour)
    assert isinstance(error, Unavailable)
    assert "too slow" in str(error)
    assert clock.now_s < 500
    clock.step_s = 0.0
    survives(world, fetcher)


def test_a_long_answer_may_take_longer(server, connect):
    """The same clock, and a body that comes at the permitted pace."""
    fetcher = connect(clock=Hurried())
    body = b"x" * (64 * 1024)
    pieces = [body[at : at + 1024] for at in range(0, len(body), 1024)]
    server.hostile["/slow"] = say(OK + b"Content-Length: %d\r\n\r\n" % len(body), *pieces)
    assert fetcher.get("/slow", len(body)) == body


SILENT = {
    "at once": mute(),
    "in the head": mute(OK),
    "in the body": mute(OK + b"Content-Length: 1000\r\n\r\nx"),
    "in a chunk": mute(CHUNKED + b"400\r\nx"),
    "before the last chunk": mute(CHUNKED + b"1\r\nx\r\n"),
    "in the trailers": mute(CHUNKED + b"0\r\n"),
}


@pytest.fixture
def impatient():
    """Limits by which a fifth of a second is silence, until `forgive` is called."""
    limits = SimpleNamespace(**LIMITS._asdict())
    limits.silence_s = 0.2
    limits.forgive = lambda: setattr(limits, "silence_s", LIMITS.silence_s)
    return limits


@pytest.mark.parametrize("behaviour", SILENT.values(), ids=SILENT)
def test_whoever_keeps_silent_is_left(world, server, connect, impatient, behaviour):
    fetcher = connect(impatient)
    error = attacked(world, server, fetcher, behaviour)
    assert isinstance(error, Unavailable)
    assert "silent" in str(error)
    impatient.forgive()
    survives(world, fetcher)


def test_whoever_accepts_and_never_shakes_hands_is_left(world, server, connect, impatient):
    fetcher = connect(impatient)
    server.mute = 1
    with pytest.raises(Unavailable, match="silent"):
        fetcher.get("/", 100)
    impatient.forgive()
    survives(world, fetcher)


def test_whoever_does_not_read_is_left(world, server, connect, impatient):
    fetcher = connect(impatient)
    server.hostile["/up"] = lambda _: server.over.wait()
    with pytest.raises(Unavailable, match="silent"):
        fetcher.put("/up", b"x" * 50_000_000)
    impatient.forgive()
    survives(world, fetcher)


def test_whoever_reads_too_slowly_is_left(server, connect):
    """Every piece that goes out finds the clock a second further."""
    fetcher = connect(Limits(grace_s=5.0, slowest_bytes_per_s=GENEROUS), clock=Hurried())
    server.hostile["/up"] = until_closed
    with pytest.raises(Unavailable, match="too slow"):
        fetcher.put("/up", b"x" * 50_000_000)


# --- lies about length and encoding

UNCLEAR = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3",
    "the same length twice": b"Content-Length: 2\r\nContent-Length: 2",
    "a list of lengths": b"Content-Length: 2, 2",
    "a length and chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked",
    "no number": b"Content-Length: two",
    "a negative length": b"Content-Length: -2",
    "a signed length": b"Content-Length: +2",
    "a hexadecimal length": b"Content-Length: 0x2",
    "an underscored length": b"Content-Length: 1_0",
    "no length": b"X: y",
    "an empty length": b"Content-Length:",
    "a length of many digits": b"Content-Length: " + b"9" * 5000,
    "another coding": b"Transfer-Encoding: gzip",
    "two codings": b"Transfer-Encoding: gzip, chunked",
    "two coding headers": b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
}


@pytest.mark.parametrize("header", UNCLEAR.values(), ids=UNCLEAR)
def test_a_length_that_can_be_read_in_two_ways_is_refused(world, server, connect, header):
    fetcher = connect()
    error = attacked(world, server, fetcher, say(OK + header + b"\r\n\r\n{}"))
    assert isinstance(error, Unavailable)
    assert "length" in str(error)
    survives(world, fetcher)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"GZIP", b"identity, gzip", b"x"])
def test_a_compressed_answer_is_refused_unread(world, server, connect, coding):
    fetcher = connect()
    bomb = flood(OK + b"Content-Encoding: " + coding + b"\r\n\r\n", b"\x1f\x8b")
    error = attacked(world, server, fetcher, bomb)
    assert "compressed" in str(error)
    survives(world, fetcher)


def test_compression_is_never_asked_for(world, server, connect):
    survives(world, connect())
    assert len(server.heads) > 1
    for head in server.heads:
        codings = [line for line in head.lower().split(b"\r\n") if line.startswith((b"accept-encoding", b"te:"))]
        assert codings == [b"accept-encoding: identity"]


def test_a_body_shorter_than_it_says_is_cut_off(world, server, connect):
    fetcher = connect()
    body = server.files[TIMESTAMP]
    short = say(OK + b"Content-Length: %d\r\n\r\n" % (len(body) + 1), body, close=True)
    error = attacked(world, server, fetcher, short)
    assert "cut off" in str(error)
    chunks = say(CHUNKED, b"%x\r\n" % len(body), body, close=True)
    assert "cut off" in str(attacked(world, server, fetcher, chunks))
    survives(world, fetcher)


def test_bytes_after_the_body_are_nobodys_answer(world, server, connect):
    """A length too short leaves the rest on the connection, where the next answer is awaited: forged ones, here."""
    fetcher = connect()
    forged = OK + b"Content-Length: 6\r\n\r\nforged"
    head = OK + b"Content-Length: 10\r\n\r\n"
    for filled in (len(head) + 10, io.DEFAULT_BUFFER_SIZE):  # what is read ahead is lost, what comes after it is not
        error = attacked(world, server, fetcher, say(head.ljust(filled, b"x") + forged * 100))
        assert isinstance(error, FormatError)
        survives(world, fetcher)


def test_a_connection_that_owes_us_bytes_is_not_used_again(server, connect):
    fetcher = connect()
    server.hostile["/long"] = say(OK + b"Content-Length: 2000\r\n\r\n" + b"x" * 1001)
    server.files["/next"] = b"honest"
    assert fetcher.get("/long", 1000) == b"x" * 1001
    assert fetcher.get("/next", 1000) == b"honest"
    assert server.connections == 2


# --- answers that are none

NO_ANSWERS = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "nothing": b"",
    "a word": b"no",
    "binary": bytes(range(256)),
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "HTTP/0.9": b"<html>",
    "no status": b"HTTP/1.1\r\n\r\n",
    "status zero": b"HTTP/1.1 000 X\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 X\r\n\r\n",
    "status in words": b"HTTP/1.1 two X\r\n\r\n",
    "half a head": OK + b"Content-Le",
    "a chunk size in words": CHUNKED + b"many\r\nx\r\n",
    "an empty chunk size": CHUNKED + b"\r\n",
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_is_unavailable(world, server, connect, answer):
    fetcher = connect()
    error = attacked(world, server, fetcher, say(answer, close=True))
    assert isinstance(error, Unavailable)
    survives(world, fetcher)


@pytest.mark.parametrize(
    "status", [101, 102, 103, 201, 203, 204, 206, 304, 401, 403, 410, 416, 429, 500, 503, 599, 999]
)
def test_other_statuses_are_named(world, server, connect, status):
    fetcher = connect()
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
    assert str(status) in str(attacked(world, server, fetcher, say(answer, close=True)))
    survives(world, fetcher)


PLACES = [
    "https://127.0.0.1:{port}/elsewhere", "https://127.0.0.2:{port}/elsewhere", "http://127.0.0.1:{port}/elsewhere",
    "/elsewhere", "file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "place"),
    [*((302, place) for place in PLACES), *((status, PLACES[0]) for status in (300, 301, 303, 305, 307, 308))],
)
def test_redirects_are_followed_nowhere(world, server, connect, status, place):
    fetcher = connect()
    server.files["/elsewhere"] = server.files[TIMESTAMP]
    location = place.format(port=server.port).encode()
    answer = b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location)
    begin = server.connections
    error = attacked(world, server, fetcher, say(answer))
    assert f"answered {status}" in str(error)
    assert "/elsewhere" not in server.asked
    assert server.connections == begin + 1
    survives(world, fetcher)


# --- ranges

BODY = bytes(range(200))
PARTIAL = b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n"
RANGES = {
    "no range named": PARTIAL % 50 + b"\r\n" + BODY[100:150],
    "begins earlier": PARTIAL % 50 + b"Content-Range: bytes 99-148/200\r\n\r\n" + BODY[99:149],
    "begins later": PARTIAL % 49 + b"Content-Range: bytes 101-149/200\r\n\r\n" + BODY[101:150],
    "ends later": PARTIAL % 51 + b"Content-Range: bytes 100-150/200\r\n\r\n" + BODY[100:151],
    "ends before it begins": PARTIAL % 0 + b"Content-Range: bytes 100-99/200\r\n\r\n",
    "says more than it has": PARTIAL % 10 + b"Content-Range: bytes 100-149/200\r\n\r\n" + BODY[100:110],
    "has more than it says": PARTIAL % 50 + b"Content-Range: bytes 100-109/200\r\n\r\n" + BODY[100:150],
    "has another unit": PARTIAL % 50 + b"Content-Range: lines 100-149/200\r\n\r\n" + BODY[100:150],
    "is unsatisfied": PARTIAL % 0 + b"Content-Range: bytes */200\r\n\r\n",
    "is no number": PARTIAL % 50 + b"Content-Range: bytes a-b/c\r\n\r\n" + BODY[100:150],
    "comes in parts": PARTIAL % 2 + b"Content-Type: multipart/byteranges; boundary=x\r\n\r\n--",
    "is everything": OK + b"Content-Length: 200\r\n\r\n" + BODY,
}


@pytest.mark.parametrize("answer", RANGES.values(), ids=RANGES)
def test_another_range_than_asked_for_is_refused(server, connect, answer):
    fetcher = connect()
    server.hostile["/part"] = say(answer)
    with pytest.raises(Unavailable):
        fetcher.get("/part", 4096, 100, 50)
    right = PARTIAL % 50 + b"Content-Range: bytes 100-149/200\r\n\r\n" + BODY[100:150]
    server.hostile["/part"] = say(right)
    assert fetcher.get("/part", 4096, 100, 50) == BODY[100:150]


def test_the_end_of_a_file_may_be_shorter_than_asked_for(server, connect):
    fetcher = connect()
    server.hostile["/part"] = say(PARTIAL % 20 + b"Content-Range: bytes 180-199/*\r\n\r\n" + BODY[180:])
    assert fetcher.get("/part", 4096, 180, 50) == BODY[180:]


def test_an_endless_range_is_cut(server, connect):
    fetcher = connect()
    server.hostile["/part"] = flood(PARTIAL % 50_000_000 + b"Content-Range: bytes 100-149/200\r\n\r\n", b"x")
    with pytest.raises(Unavailable, match="another range"):
        fetcher.get("/part", 50, 100, 50)


# --- below HTTP


def test_rubbish_inside_tls_ends_the_connection(world, server, connect):
    fetcher = connect()

    def behave(connection):
        connection.sendall(OK)
        os.write(connection.fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record that does not decrypt
        return True

    assert isinstance(attacked(world, server, fetcher, behave), Unavailable)
    survives(world, fetcher)


def test_a_server_that_hangs_up_between_requests_is_asked_again(world, server, connect):
    fetcher = connect()
    for path in list(server.files):
        body = server.files[path]
        server.hostile[path] = say(OK + b"Content-Length: %d\r\n\r\n" % len(body), body, close=True)
    survives(world, fetcher)


def test_a_kept_connection_that_dies_under_the_request_is_replaced_once(server, connect):
    """It may have been the server's end of keeping; a fresh one that dies is the server's answer."""
    fetcher = connect()
    server.files.update({"/first": b"1", "/second": b"2"})
    assert fetcher.get("/first", 10) == b"1"

    def once(_connection):
        del server.hostile["/second"]
        return True

    server.hostile["/second"] = once
    assert fetcher.get("/second", 10) == b"2"
    assert (server.connections, server.asked) == (2, ["/first", "/second", "/second"])
    server.hostile["/second"] = lambda _: True
    with pytest.raises(Unavailable, match="closed the connection"):
        fetcher.get("/second", 10)
    assert server.connections == 3


def test_nobody_there(world, server, connect):
    fetcher = connect()
    server.close()
    with pytest.raises(Unavailable, match="cannot be reached"):
        fetcher.get("/", 100)
