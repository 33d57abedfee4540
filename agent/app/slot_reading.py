"""Reads slots for an installation: what cannot be read counts as not there, block by block."""

from agent.app.reading_back import PIECE_BLOCKS
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES
from agent.formats.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.work import Work

NO_HASH = bytes(HASH_BYTES)  # of a block that cannot be read: no block has it


def hashes(work: "Work", offset: int, count: int) -> "Generator[Any, Any, tuple[bytes, bool]]":
    """The hashes of `count` blocks of the disk, and whether all could be read. A bad sector takes no other with it."""
    try:
        found = yield work.ask("device", "digests", (offset, count))
        return found, True
    except Unavailable:
        pass
    singly, whole = bytearray(), True
    for at in range(count):
        try:
            singly += yield work.ask("device", "digests", (offset + at * BLOCK_BYTES, 1))
        except Unavailable:
            singly += NO_HASH
            whole = False
    return bytes(singly), whole


class ActiveSlot:
    """The slot that runs: blocks are copied from it."""

    def __init__(self, desk: "Desk", work: "Work", offset: int, length: int, tree: str) -> None:
        """`offset`, `length`: in bytes, of the slot; `tree`: the document with the hashes that it was seen with."""
        self._desk = desk
        self._work = work
        self._offset = offset
        self._length = length
        self._tree = tree

    def leaves(self) -> "Generator[Any, Any, bytes]":
        """The hashes of its blocks, hashed anew where nobody has kept them."""
        store = self._desk.ports.store
        kept = store.read(self._tree)
        if kept is not None and len(kept) % HASH_BYTES == 0:
            return kept
        found, whole = bytearray(), True
        blocks = self._length // BLOCK_BYTES
        for first in range(0, blocks, PIECE_BLOCKS):
            count = min(PIECE_BLOCKS, blocks - first)
            piece, read = yield from hashes(self._work, self._offset + first * BLOCK_BYTES, count)
            found += piece
            whole = whole and read
        if whole:
            try:
                store.write(self._tree, bytes(found))
            except Unavailable:
                pass  # hashed anew next time
        return bytes(found)

    def doubt(self) -> None:
        """It does not hold what its kept hashes say: the next plan is to be made by what is there."""
        try:
            self._desk.ports.store.delete(self._tree)
        except Unavailable:
            pass  # found out again

    def read(self, first: int, count: int) -> bytes:
        """Blocks of it; empty where it ends before or one of them cannot be read."""
        if (first + count) * BLOCK_BYTES > self._length:
            return b""
        try:
            return self._desk.ports.device.read(self._offset + first * BLOCK_BYTES, count * BLOCK_BYTES)
        except Unavailable:
            return b""
