"""The relay and the wire do what they say, seen from both ends: otherwise the tests that rely on them prove nothing."""

import contextlib
import socket
import time

import pytest

from firmware_sim.faults.lossy_wire import FAR, NEAR, LossyWire
from firmware_sim.faults.relay import GOOD, Line, Relay
from tests.contract.listening import Listening

BODY = bytes(range(256)) * 400  # 100 KiB
PATIENCE_S = 20.0
STUBBORN_S, STUBBORN_TRIES = 60.0, 5


class Source(Listening):
    """Sends `BODY` to whoever connects and says something."""

    silence_s = STUBBORN_S

    def __init__(self, host="127.0.0.1"):
        self.heard = []
        super().__init__(host)
        self.address = host, self.port

    def converse(self, connection):
        self.heard.append(connection.recv(100))
        connection.sendall(BODY)


@pytest.fixture
def source():
    with Source() as made:
        yield made


@pytest.fixture
def relay(source):
    with Relay(("127.0.0.1", 0), source.address) as made:
        yield made


def fetch(address, patience_s=PATIENCE_S):
    """What arrives until the connection ends, in whatever way."""
    found = b""
    with socket.create_connection(address, patience_s) as client, contextlib.suppress(ConnectionError):
        client.sendall(b"please")
        while piece := client.recv(65536):
            found += piece
    return found


def test_a_good_line_carries_everything_and_counts_it(source, relay):
    assert fetch(relay.address) == BODY
    assert fetch(relay.address) == BODY
    assert source.heard == [b"please"] * 2

    def counts():
        return [(one.to_camera_bytes, one.to_server_bytes) for one in relay.carried]

    deadline = time.monotonic() + PATIENCE_S  # what is carried is counted afterwards, by a thread of each direction
    while counts() != [(len(BODY), 6)] * 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert counts() == [(len(BODY), 6)] * 2
    assert relay.to_camera_bytes() == 2 * len(BODY)


def test_a_cut_comes_at_its_byte_and_only_then(relay):
    relay.lay(Line(cuts_at_bytes=(70_001, 110_000)))
    assert fetch(relay.address) == BODY[:70_001]
    assert fetch(relay.address) == BODY[: 110_000 - 70_001]
    assert fetch(relay.address) == BODY
    assert relay.cuts == 2
    assert relay.to_camera_bytes() == 110_000 + len(BODY)


def test_a_slow_line_takes_as_long_as_its_rate_says(relay):
    relay.lay(Line(bytes_per_s=200_000))
    begin = time.monotonic()
    assert fetch(relay.address) == BODY
    assert time.monotonic() - begin >= 0.9 * len(BODY) / 200_000


def test_a_wrong_byte_is_wrong_once_and_the_rest_is_right(relay):
    relay.lay(Line(flips_at_byte=50_000))
    found = fetch(relay.address)
    assert [at for at in range(len(BODY)) if found[at] != BODY[at]] == [50_000]
    assert fetch(relay.address) == BODY


def test_a_silent_line_carries_nothing_until_it_is_mended(relay):
    relay.lay(Line(silent=True))
    with pytest.raises(TimeoutError):
        fetch(relay.address, patience_s=0.5)
    assert relay.to_camera_bytes() == 0
    relay.lay(GOOD)
    assert fetch(relay.address) == BODY


def test_an_absent_server_takes_no_connection_and_ends_open_ones(relay):
    with socket.create_connection(relay.address, PATIENCE_S) as waiting:
        relay.lay(GOOD)  # a connection that is open stays open
        relay.lay(Line(absent=True))
        with contextlib.suppress(ConnectionError):
            assert waiting.recv(1) == b""
    assert fetch(relay.address) == b""
    relay.lay(GOOD)
    assert fetch(relay.address) == BODY


def test_a_server_that_is_not_there_ends_the_connection():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    with Relay(("127.0.0.1", 0), address) as relay:
        assert fetch(relay.address) == b""
        assert relay.carried == []


def fetch_stubbornly(address):
    """What arrives whole, by whichever try: of a hundred that lose three packets in ten some stand still."""
    for _ in range(STUBBORN_TRIES):
        with contextlib.suppress(TimeoutError):
            found = fetch(address, STUBBORN_S)
            if found == BODY:
                return found
    return b""


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_wire_loses_packets_and_tcp_delivers_all_the_same(loss):
    with LossyWire(loss, seed=7) as wire, Source(NEAR) as source:
        assert fetch_stubbornly((FAR, source.port)) == BODY
        assert bool(wire.lost) is (loss > 0)
        assert wire.passed > len(BODY) / 65536
        *given_up, stream = wire.streams(source.port)
        assert loss or not given_up
        assert (stream.to_camera_bytes, stream.to_server_bytes) == (len(BODY), 6)


def test_a_wire_that_loses_everything_delivers_nothing():
    with LossyWire(1.0, seed=7) as wire:
        with pytest.raises(TimeoutError):
            fetch((FAR, 9), patience_s=1.5)
        assert wire.passed == 0
        assert wire.lost >= 1
