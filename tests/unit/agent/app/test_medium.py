"""What was written again, or is not flushed yet, has not been seen on the medium, whatever a look has found."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from agent.app.medium import FLUSH_BYTES, Medium, Slots
from agent.app.work import Ticket
from agent.formats.block_tree import BLOCK_BYTES, leaves_of

BLOCKS = FLUSH_BYTES // BLOCK_BYTES
IMAGE = bytes(range(256)) * (FLUSH_BYTES // 256)


class Asking:
    """In place of `Work`: keeps what was asked, to be settled by the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...], Ticket]] = []

    def ask(self, _port: str, method: str, arguments: tuple[Any, ...]) -> Ticket:
        self.asked.append((method, arguments, Ticket()))
        return self.asked[-1][2]

    def settle(self, method: str, value: Any = None) -> None:
        next(ticket for name, _, ticket in reversed(self.asked) if name == method).settle(value, None)

    def looks(self) -> list[int]:
        """The first block of each piece that was hashed."""
        return [given[0] // BLOCK_BYTES for method, given, _ in self.asked if method == "digests"]


def medium(write: Callable[[int, Any], None] = lambda _offset, _data: None) -> tuple[Medium, Asking]:
    store = SimpleNamespace(read=lambda name: None, write=lambda name, body: None, delete=lambda name: None)
    device = SimpleNamespace(write=write)
    desk: Any = SimpleNamespace(now=0.0, ports=SimpleNamespace(store=store, device=device))
    work: Any = Asking()
    release: Any = SimpleNamespace(tree_root="00" * 32, block_count=BLOCKS)
    made = Medium(desk, work, release, leaves_of(IMAGE), Slots(0, FLUSH_BYTES, FLUSH_BYTES, FLUSH_BYTES, "b", "a"))
    return made, work


def piece_digests(number: int) -> bytes:
    return leaves_of(IMAGE[number << 20 : number + 1 << 20])


def test_pieces_are_read_back_while_nothing_is_written_and_not_again_at_the_end():
    slot, work = medium()
    slot.write_unit(0, [(0, IMAGE)])
    slot.tick()
    assert work.looks() == []
    work.settle("flush")
    for number in range(4):
        slot.tick()
        work.settle("digests", piece_digests(number))
    slot.tick()
    assert work.looks() == [0, 256, 512, 768]
    assert list(slot.compare()) == []


def test_a_piece_that_is_written_again_while_it_is_read_back_is_read_back_again():
    slot, work = medium()
    slot.write_unit(0, [(0, IMAGE)])
    slot.tick()
    work.settle("flush")
    slot.tick()
    slot.write_unit(0, [(3, IMAGE[:BLOCK_BYTES])])
    work.settle("digests", piece_digests(0))
    slot.tick()
    slot.compare().send(None)
    assert work.looks()[-1] == 0


def test_a_piece_that_is_not_flushed_yet_is_not_read_back():
    slot, work = medium()
    slot.write_unit(0, [(0, IMAGE)])
    slot.tick()
    slot.write_unit(0, [(0, IMAGE[: 300 * BLOCK_BYTES])])  # while the flush is under way
    work.settle("flush")
    slot.tick()
    assert work.looks() == [512]
    work.settle("digests", piece_digests(2))
    slot.tick()
    work.settle("digests", piece_digests(3))
    slot.tick()
    assert work.looks() == [512, 768]


def blocks(first: int, count: int) -> bytes:
    return IMAGE[first * BLOCK_BYTES : (first + count) * BLOCK_BYTES]


def test_runs_that_adjoin_go_out_as_one_write_in_order_and_the_others_by_themselves():
    writes: list[tuple[int, bytes]] = []
    slot, _ = medium(lambda offset, data: writes.append((offset // BLOCK_BYTES, bytes(data))))
    runs: list[Any] = [
        (7, blocks(7, 1)),
        (2, memoryview(blocks(2, 2))),
        (0, blocks(0, 1)),
        (4, blocks(4, 1)),
        (5, blocks(5, 1)),
    ]
    given = list(runs)
    slot.write_unit(0, runs)
    assert writes == [(0, blocks(0, 1)), (2, blocks(2, 4)), (7, blocks(7, 1))]
    assert [number for number in range(9) if slot.has(number)] == [0, 2, 3, 4, 5, 7]
    assert [(first, bytes(data)) for first, data in runs] == [(first, bytes(data)) for first, data in given]
    assert [len(data) for _, data in runs] == [BLOCK_BYTES, 2 * BLOCK_BYTES, *[BLOCK_BYTES] * 3]
