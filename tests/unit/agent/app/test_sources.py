"""How large a piece is that is asked for: what comes in about a second, so that a cut on a slow line costs little."""

from types import SimpleNamespace

import pytest

from agent.app.sources import LEAST_PIECE_BYTES, MOST_PIECE_BYTES, OWN, SPENT, Sources
from agent.app.work import Ticket
from agent.core import allowance
from agent.formats import transfer
from agent.formats.delivery import Source
from agent.formats.errors import CutOff, Unavailable

LENGTH = 64 * 1024 * 1024
ALIGN = 4096


class Line:
    """Answers what is asked for, at a rate."""

    def __init__(self, *listed, **limits):
        self.stored = {}
        store = SimpleNamespace(read=self.stored.get, write=self.stored.__setitem__)
        config = SimpleNamespace(transfer=transfer.parse(limits))
        self.desk = SimpleNamespace(ports=SimpleNamespace(store=store), config=config, now=0.0)
        self.sources = Sources(self.desk, SimpleNamespace(now_s=lambda: 0), listed, metered=bool(limits))
        self.at = 0
        self.asked = []

    def ask(self, _port, _method, arguments):
        self.asked.append(arguments[4])
        return Ticket()

    def piece(self, bytes_per_s, share=1.0, source=OWN):
        self.desk.now = max(self.desk.now, self.sources._pause_until)
        asked = self.sources.begin(self, "/targets/a", self.at, LENGTH, LENGTH, ALIGN)
        most, ticket = asked.most, asked.ticket
        taking = self.sources.take(self, asked)
        assert next(taking) is ticket
        count = int(most * share)
        self.desk.now += count / bytes_per_s
        with pytest.raises(StopIteration) as ended:
            taking.send(b"x" * count)
        assert ended.value.value == (b"x" * count, source)
        self.at += count
        return most

    def failed(self, error):
        asked = self.sources.begin(self, "/targets/a", self.at, LENGTH, LENGTH, ALIGN)
        taking = self.sources.take(self, asked)
        next(taking)
        with pytest.raises(Unavailable):
            taking.throw(error)


def test_pieces_grow_on_a_fast_line_up_to_the_most():
    line = Line()
    sizes = [line.piece(10_000_000) for _ in range(6)]
    assert sizes[0] == LEAST_PIECE_BYTES
    assert sizes == sorted(sizes)
    assert sizes[-1] == sizes[-2] == MOST_PIECE_BYTES


def test_pieces_stay_small_on_a_slow_line_and_shrink_when_it_has_become_slow():
    line = Line()
    assert [line.piece(8_000) for _ in range(4)] == [LEAST_PIECE_BYTES] * 4
    for _ in range(6):
        line.piece(10_000_000)
    sizes = [line.piece(8_000) for _ in range(5)]
    assert sizes[0] == MOST_PIECE_BYTES
    assert sizes[-1] == LEAST_PIECE_BYTES


def test_what_a_fast_neighbour_sends_says_nothing_of_the_line_to_the_server():
    neighbour = Source("https://10.0.0.2", "n" * 26)
    line = Line(neighbour)
    sizes = [line.piece(10_000_000, source=neighbour) for _ in range(6)]
    assert sizes[-1] == MOST_PIECE_BYTES
    line.sources.blame(neighbour, "an image")
    assert line.piece(8_000) == LEAST_PIECE_BYTES


def test_a_piece_that_was_cut_off_says_nothing_of_the_line():
    line = Line()
    sizes = [line.piece(10_000_000, share=0.5) for _ in range(4)]
    assert sizes == [LEAST_PIECE_BYTES] * 4


def test_every_piece_is_whole_blocks():
    line = Line()
    for _ in range(6):
        line.piece(10_000_000)
    assert len(line.asked) == 6
    assert all(size % ALIGN == 0 for size in line.asked)


def test_on_a_limited_line_a_piece_is_no_more_than_a_second_brings():
    line = Line(max_bytes_per_s=200_000)
    sizes = [line.piece(10_000_000) for _ in range(6)]
    assert sizes[0] == LEAST_PIECE_BYTES
    assert sizes[-1] == 200_000 // ALIGN * ALIGN
    slow = Line(max_bytes_per_s=4096)
    assert {slow.piece(10_000_000) for _ in range(6)} == {LEAST_PIECE_BYTES}


def spent(line):
    line.sources.save()
    return allowance.parse(line.stored[SPENT]).spent_bytes


def test_a_block_that_came_in_part_and_was_thrown_away_is_counted_as_if_only_its_last_byte_were_missing():
    line = Line(max_bytes_per_month=64 * 1024 * 1024)
    line.piece(10_000_000)
    assert spent(line) == LEAST_PIECE_BYTES
    line.piece(10_000_000, share=0.5)
    assert spent(line) == 2 * LEAST_PIECE_BYTES + ALIGN - 1, "the second piece was of twice the size"


def test_what_came_of_a_piece_of_which_nothing_could_be_used_is_counted():
    line = Line(max_bytes_per_month=64 * 1024 * 1024)
    line.failed(Unavailable("no connection"))
    assert SPENT not in line.stored
    line.failed(CutOff("the answer was cut off", 4000))
    assert spent(line) == 4000


@pytest.mark.parametrize(("month_bytes", "unsaved"), [(2 * 1024 * 1024, 128 * 1024), (1 << 30, 1024 * 1024)])
def test_a_power_cut_leaves_no_more_uncounted_than_a_small_share_of_the_month(month_bytes, unsaved):
    line = Line(max_bytes_per_month=month_bytes)
    came = 0
    while came < unsaved:
        assert SPENT not in line.stored
        came += line.piece(8_000)
    assert allowance.parse(line.stored[SPENT]).spent_bytes == came
