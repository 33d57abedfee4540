"""The Linux Fetcher and the trust core against a server that floods, dribbles and keeps silent.

After each attack nothing was stored, one clear line says what was wrong, and the next honest look finds the update.
Where time matters the fetcher is given a clock that runs by itself: no test waits, or asserts, how long anything takes
(but for silence, which needs a fraction of a second to be one).
"""

from types import SimpleNamespace

import pytest

from agent.adapters.linux.http_exchange import LIMITS, Limits
from agent.core.trust_errors import EndlessData
from agent.formats.errors import Unavailable
from tests.contract.ports.hostile import CHUNKED, OK, attacked, dribble, flood, mute, say, survives
from tests.contract.ports.tls_server import until_closed


class Hurried:
    """A clock by which a second passes each time somebody looks."""

    def __init__(self):
        self.now_s = 0.0
        self.step_s = 1.0

    def __call__(self):
        self.now_s += self.step_s
        return self.now_s


# --- without end

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
