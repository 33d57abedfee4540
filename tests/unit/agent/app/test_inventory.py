"""Both slots are hashed once, whatever comes between; nothing is kept of a slot that was being written."""

from types import SimpleNamespace
from typing import Any

from agent.app.inventory import AGAIN_S, PAUSE_S, Inventory
from agent.app.reading_back import PIECE_BLOCKS
from agent.core.slots import parse_layout
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES
from tests.unit.agent.core.test_small_parts import LAYOUT


class OneDesk:
    """A timer, a store, and a device whose every call ends at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.kept: dict[str, bytes] = {}
        self.due: Any = None
        self.delays: list[float] = []
        store = SimpleNamespace(read=self.kept.get, write=self.kept.__setitem__)
        self.ports = SimpleNamespace(store=store)

    def cancel(self, _name: str) -> None:
        self.due = None

    def at(self, _name: str, when: float, due: Any) -> None:
        self.delays.append(when - self.now)
        self.now, self.due = when, due

    def soon(self, name: str, due: Any) -> None:
        self.at(name, self.now, due)

    def call(self, _port: str, _method: str, arguments: tuple[int, int], then: Any, _after: Any = None) -> None:
        then(bytes([len(self.kept)]) * (arguments[1] * HASH_BYTES), None)

    def run(self) -> None:
        while self.due is not None:
            due, self.due = self.due, None
            due()


def hashed(calm: Any) -> OneDesk:
    desk: Any = OneDesk()
    Inventory(desk, parse_layout(LAYOUT), calm).start()
    desk.run()
    found: OneDesk = desk
    return found


def test_both_slots_are_hashed_with_pauses():
    layout, desk = parse_layout(LAYOUT), hashed(lambda: True)
    blocks = {slot: layout.slot(slot).length // BLOCK_BYTES for slot in "ab"}
    assert {name: len(body) for name, body in desk.kept.items()} == {
        f"update/slot-{slot}.tree": count * HASH_BYTES for slot, count in blocks.items()
    }
    assert desk.delays.count(PAUSE_S) == sum(-(-count // PIECE_BLOCKS) for count in blocks.values())
    assert AGAIN_S not in desk.delays


def test_after_an_installation_it_begins_again():
    looks: list[bool] = []

    def calm() -> bool:
        looks.append(len(looks) != 1)  # the second look is in the middle of the first slot, or at its end
        return looks[-1]

    desk = hashed(calm)
    assert set(desk.kept) == {"update/slot-a.tree", "update/slot-b.tree"}
    assert desk.delays.count(AGAIN_S) == 1
