"""Hashes both slots once, while nothing is being installed, so that the next update knows what is there already.

The results are hints (agent.app.medium): wrong ones cost time, never safety.
"""

from agent.app.medium import slot_tree
from agent.app.reading_back import PIECE_BLOCKS
from agent.app.work import Work
from agent.core import slots
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.work import Steps
    from agent.core.slots import Layout
    from agent.formats.errors import CamwardError

PAUSE_S = 1.0  # between two pieces of 1 MiB: a slot of 48 MiB takes a minute, at some percent of one core
AGAIN_S = 60.0  # after an installation has come between, which may have changed what was hashed
MAX_TREE_BYTES = 4 * 1024 * 1024  # of hashes held while a slot is hashed: half a GiB; larger slots go without


class Inventory:
    """Runs while `calm()` holds: nothing is being installed."""

    def __init__(self, desk: "Desk", layout: "Layout", calm: "Callable[[], bool]") -> None:
        self._desk = desk
        self._layout = layout
        self._calm = calm
        self._work = Work(desk, "inventory")

    def start(self) -> None:
        """Look, from the next step on, which slots have not been hashed yet."""
        self._work.start(self._run(), _whatever)

    def _run(self) -> "Steps":
        for slot in slots.SLOTS:
            if self._layout.slot(slot).length // BLOCK_BYTES * HASH_BYTES > MAX_TREE_BYTES:
                continue
            while self._desk.ports.store.read(slot_tree(slot)) is None:
                found = yield from self._hashed(slot)
                if found is None:
                    yield AGAIN_S
                else:
                    self._desk.ports.store.write(slot_tree(slot), found)

    def _hashed(self, slot: str) -> "Generator[Any, Any, bytes | None]":
        region, found = self._layout.slot(slot), bytearray()
        blocks = region.length // BLOCK_BYTES
        for first in range(0, blocks, PIECE_BLOCKS):
            yield PAUSE_S
            if not self._calm():
                return None
            count = min(PIECE_BLOCKS, blocks - first)
            found += yield self._work.ask("device", "digests", (region.offset + first * BLOCK_BYTES, count))
        return bytes(found) if self._calm() else None


def _whatever(_error: "CamwardError | None") -> None:
    """A slot that cannot be read now is hashed when it is needed."""
