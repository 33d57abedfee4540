"""Two pieces on their way at a time; nothing is asked for twice, and nothing ahead where bytes are counted."""

from types import SimpleNamespace

import pytest

from agent.app.sources import LEAST_PIECE_BYTES, MOST_PIECE_BYTES, OWN, REST_FIRST_S, Sources
from agent.app.stream import Stream
from agent.app.work import Ticket
from agent.formats import transfer
from agent.formats.delivery import Source
from agent.formats.errors import Unavailable

BLOCK = 4096
BLOCKS = 2048
PIECE = LEAST_PIECE_BYTES
MIRROR = Source("https://mirror", "")


class Line:
    """A server whose answers are given one call after the other, as the worker gives them."""

    def __init__(self, *listed, **limits):
        store = SimpleNamespace(read=lambda _: None, write=lambda *_: None)
        self.ports = SimpleNamespace(store=store)
        config = SimpleNamespace(transfer=transfer.parse(limits))
        self.desk = SimpleNamespace(ports=self.ports, config=config, now=0.0, random=lambda: self.chance)
        self.sources = Sources(self.desk, SimpleNamespace(now_s=lambda: 0), listed)
        self.calls = []
        self.shorten = {}
        self.requests = []
        self.goes_on_at = -1
        self.silent, self.refused, self.chance = [], 0, 0.0
        self.givers = []

    def ask(self, port, method, arguments, after=None):
        ticket = Ticket()
        if port == "unpacker":
            ticket.settle(after(arguments[0]), None)
        else:
            self.calls.append((method, arguments, ticket))
        return ticket

    def settle(self):
        """Carry the first call out that waits."""
        method, (source, _, at, _, most, _), ticket = self.calls.pop(0)
        if source in self.silent or (method == "read_on" and at != self.goes_on_at):
            self.goes_on_at = self.goes_on_at if method == "read_on" else -1
            self.refused += 1
            ticket.settle(None, Unavailable("silent, or the answer does not go on there"))
            return
        self.givers.append(source)
        if method == "read" and at != self.goes_on_at:
            self.requests.append(at)
        count = self.shorten.pop(at, most)
        self.goes_on_at = at + count if count == most else -1
        ticket.settle(b"x" * count, None)

    def waiting(self):
        return [(method, arguments[2]) for method, arguments, _ in self.calls]

    def stream(self):
        return Stream(self, self.sources, "/targets/a", 0, BLOCKS)

    def take(self, stream):
        """All of one piece: how many blocks came."""
        taking = stream.take(BLOCKS)
        wanted = next(taking)
        while True:
            while not wanted.done:
                self.settle()
            try:
                wanted = taking.throw(wanted.error) if wanted.error else taking.send(wanted.value)
            except StopIteration as ended:
                data, leaves = ended.value
                assert len(leaves) == len(data) // BLOCK * 32
                return len(data) // BLOCK


def test_two_pieces_are_on_their_way_at_a_time_and_the_second_asks_nobody():
    line = Line()
    stream = line.stream()
    assert line.waiting() == [("read", 0), ("read_on", PIECE)]
    came = line.take(stream)
    assert came == PIECE // BLOCK
    assert [method for method, _ in line.waiting()] == ["read_on", "read_on"]
    while stream.block < BLOCKS:
        came += line.take(stream)
    assert came == BLOCKS
    assert line.requests == [0]
    assert line.waiting() == []


def test_behind_a_piece_that_came_short_it_is_asked_for_what_is_missing_once():
    line = Line()
    line.shorten[0] = 3 * BLOCK
    stream = line.stream()
    assert line.take(stream) == 3
    came = 3
    while stream.block < BLOCKS:
        came += line.take(stream)
    assert came == BLOCKS
    assert line.requests == [0, 3 * BLOCK]


def test_an_answer_that_ends_between_two_pieces_is_no_failure_of_the_source():
    line = Line()
    stream = line.stream()
    assert line.take(stream) == PIECE // BLOCK
    line.goes_on_at = -1
    assert line.take(stream) > 0
    assert line.requests == [0, PIECE]
    assert [one.failures for one in line.sources._standings] == [0]


def steady(line):
    """A stream whose pieces are as large as they get."""
    stream = line.stream()
    while line.take(stream) < MOST_PIECE_BYTES // BLOCK:
        pass
    return stream


def test_behind_an_answer_that_has_ended_it_goes_on_as_before():
    line = Line()
    stream = steady(line)
    line.goes_on_at = -1
    while stream.block < BLOCKS:
        line.take(stream)
    assert 1 <= line.refused <= 2
    assert len(line.requests) == 2


def test_a_source_that_lied_gives_no_more_than_what_was_under_way():
    line = Line(MIRROR)
    stream = line.stream()
    line.take(stream)
    line.sources.blame(stream.source, "/targets/a")
    while stream.block < BLOCKS:
        line.take(stream)
    assert line.givers.count(MIRROR) <= 3
    assert line.givers[-1] == OWN


def test_a_source_that_has_rested_is_asked_again_within_the_run():
    line = Line(MIRROR)
    stream = steady(line)
    line.silent = [MIRROR]
    while line.givers[-1] != OWN:
        line.take(stream)
    line.silent = []
    line.take(stream)
    assert line.givers[-1] == OWN
    line.desk.now = REST_FIRST_S
    while stream.block < BLOCKS:
        line.take(stream)
    assert line.givers[-1] == MIRROR


def test_a_source_that_failed_rests_a_random_share_longer_so_that_a_fleet_does_not_return_as_one():
    line = Line(MIRROR)
    stream = steady(line)
    line.silent, line.chance = [MIRROR], 0.5
    while line.givers[-1] != OWN:
        line.take(stream)
    line.silent = []
    line.desk.now = REST_FIRST_S
    for _ in range(4):
        line.take(stream)
        assert line.givers[-1] == OWN
    line.desk.now = 1.25 * REST_FIRST_S
    while stream.block < BLOCKS:
        line.take(stream)
    assert line.givers[-1] == MIRROR


@pytest.mark.parametrize("limits", [{"max_bytes_per_s": 4096}, {"max_bytes_per_month": 64 * 1024 * 1024}])
def test_nothing_is_asked_for_ahead_where_bytes_are_counted(limits):
    line = Line(**limits)
    line.stream()
    assert line.waiting() == [("read", 0)]


@pytest.mark.parametrize("limits", [{"max_bytes_per_s": 4096}, {"max_bytes_per_month": 64 * 1024 * 1024}])
def test_where_bytes_are_counted_no_request_asks_for_more_than_one_piece(limits):
    """Otherwise the server sends the rest into the window, at its own rate, and nobody has counted it."""
    line = Line(**limits)
    line.stream()
    ((_, (_, _, at, end, most, _), _),) = line.calls
    assert (at, end) == (0, most)


def test_where_nothing_is_counted_one_request_asks_for_all_of_the_run():
    line = Line()
    line.stream()
    assert {arguments[3] for _, arguments, _ in line.calls} == {BLOCKS * BLOCK}
