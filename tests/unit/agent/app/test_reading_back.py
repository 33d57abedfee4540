"""Which pieces count as seen on the medium: whole, flushed, and not written since; a failed look is repeated."""

from agent.app.reading_back import PIECE_BLOCKS, ReadingBack
from agent.app.work import Ticket
from agent.formats.block_tree import HASH_BYTES
from agent.formats.errors import Unavailable

COUNT = PIECE_BLOCKS + 5
LEAVES = b"".join(bytes([block % 256]) * HASH_BYTES for block in range(COUNT))
WHOLE = bytearray(b"\xff" * (COUNT // 8) + bytes([(1 << COUNT % 8) - 1]))
FIRST = LEAVES[: PIECE_BLOCKS * HASH_BYTES]


class Device:
    """Keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, Ticket]] = []

    def hash(self, first: int, count: int) -> Ticket:
        self.asked.append((first, count, Ticket()))
        return self.asked[-1][2]

    def answer(self, digests: bytes) -> None:
        self.asked[-1][2].settle(digests, None)


def flushed() -> tuple[ReadingBack, Device]:
    device = Device()
    back = ReadingBack(LEAVES, device.hash)
    back.written(0, COUNT)
    back.flushing()
    back.flushed()
    return back, device


def test_one_piece_at_a_time_and_each_once():
    back, device = flushed()
    for _ in range(3):
        back.begin(WHOLE)
        back.begin(WHOLE)
        if device.asked[-1][2].done:
            break
        first, count, _ = device.asked[-1]
        assert back.take() is None
        device.answer(LEAVES[first * HASH_BYTES : (first + count) * HASH_BYTES])
        assert back.take() == ()
    assert [(first, count) for first, count, _ in device.asked] == [(0, PIECE_BLOCKS), (PIECE_BLOCKS, 5)]
    assert list(back.unseen()) == []


def test_what_is_not_whole_is_not_looked_at():
    back, device = flushed()
    have = bytearray(WHOLE)
    have[-1] &= 0xFE
    back.begin(have)
    assert device.asked[-1][:2] == (0, PIECE_BLOCKS)
    device.answer(FIRST)
    assert back.take() == ()
    back.begin(have)
    assert len(device.asked) == 1


def test_wrong_blocks_are_named_and_the_piece_is_not_seen():
    back, device = flushed()
    back.begin(WHOLE)
    device.answer(FIRST[:HASH_BYTES] + bytes(HASH_BYTES) + FIRST[2 * HASH_BYTES :])
    assert back.take() == (1,)
    assert next(iter(back.unseen())) == (0, 0, PIECE_BLOCKS)


def test_a_look_that_fails_is_repeated_at_the_end():
    back, device = flushed()
    back.begin(WHOLE)
    device.asked[-1][2].settle(None, Unavailable("the medium"))
    assert back.take() == ()
    assert next(iter(back.unseen())) == (0, 0, PIECE_BLOCKS)


def test_what_was_written_during_the_flush_is_not_on_the_medium():
    back, device = flushed()
    back.written(0, 1)
    back.flushing()
    back.written(0, 1)
    back.flushed()
    back.begin(WHOLE)
    assert device.asked[-1][0] == PIECE_BLOCKS


def test_what_is_written_during_its_look_has_to_be_seen_again():
    back, device = flushed()
    back.begin(WHOLE)
    back.written(3, 1)
    device.answer(FIRST)
    assert back.take() is None
    assert (0, 0, PIECE_BLOCKS) in list(back.unseen())


def test_all_flushed_is_for_whatever_was_written():
    back, device = flushed()
    back.written(0, 1)
    back.flushing()
    back.written(PIECE_BLOCKS, 1)
    back.all_flushed()
    back.begin(WHOLE)
    assert device.asked[-1][0] == 0


def test_a_look_that_was_stopped_counts_for_nothing():
    back, device = flushed()
    back.begin(WHOLE)
    back.stop()
    device.answer(FIRST)
    assert back.take() is None
    assert len(list(back.unseen())) == 2
