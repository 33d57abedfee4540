"""Hashes both slots once, while nothing else is to be done, so that the next update knows what is there already.

The results are hints (agent.app.medium): wrong ones cost time, never safety.
"""

from agent.app.medium import SURVEY_BLOCKS, slot_tree
from agent.app.work import Work
from agent.core import slots
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.work import Steps
    from agent.core.slots import Layout
    from agent.formats.errors import CamwardError

PAUSE_S = 1.0  # between two pieces of 1 MiB: a slot of 48 MiB takes a minute, at some percent of one core
MAX_TREE_BYTES = 4 * 1024 * 1024  # of hashes held while a slot is hashed: half a GiB; larger slots go without


class Inventory:
    """Runs while `free()` holds; begun again by `start`."""

    def __init__(self, desk: "Desk", layout: "Layout", free: "Callable[[], bool]") -> None:
        self._desk = desk
        self._layout = layout
        self._free = free
        self._work = Work(desk, "inventory")

    def start(self) -> None:
        """Look, from the next step on, which slots have not been hashed yet."""
        self._work.start(self._run(), _whatever)

    def _run(self) -> "Steps":
        for slot in slots.SLOTS:
            if self._desk.ports.store.read(slot_tree(slot)) is None:
                yield from self._hash(slot)

    def _hash(self, slot: str) -> "Steps":
        region, found = self._layout.slot(slot), bytearray()
        blocks = region.length // BLOCK_BYTES
        if blocks * HASH_BYTES > MAX_TREE_BYTES:
            return
        for first in range(0, blocks, SURVEY_BLOCKS):
            yield PAUSE_S
            count = min(SURVEY_BLOCKS, blocks - first)
            if not self._free():
                return
            found += yield self._work.ask("device", "digests", (region.offset + first * BLOCK_BYTES, count))
        if self._free():
            self._desk.ports.store.write(slot_tree(slot), bytes(found))


def _whatever(_error: "CamwardError | None") -> None:
    """A slot that cannot be read now is hashed when it is needed."""
