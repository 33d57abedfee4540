"""Slots as files, read block by block; a block that is not what its tree says ends in an error."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES, leaf, root_of
from agent.formats.errors import FormatError
from agent.formats.segments import MAX_BLOCKS
from update_server.errors import BadInput

_KEY_BYTES = 5  # of a leaf hash; with a block's number in three bytes it makes eight
_NUMBER_BITS = 24


@dataclass(frozen=True)
class Slot:
    """A slot image and its leaf hashes, as files."""

    image: Path
    tree: Path


class Reader:
    """An open slot. `leaves` is its tree's leaves, `root` the tree's root in hexadecimal."""

    def __init__(self, slot: Slot, file: BinaryIO, leaves: bytes) -> None:
        """See `opened`."""
        self._slot = slot
        self._file = file
        self.leaves = leaves
        self.root = root_of(leaves).hex()
        self.block_count = len(leaves) // HASH_BYTES
        self._places: array[int] | None = None

    def leaf(self, number: int) -> bytes:
        """The hash that block `number` has to have."""
        return self.leaves[number * HASH_BYTES : (number + 1) * HASH_BYTES]

    def blocks(self, first: int, count: int) -> bytes:
        """The bytes of `count` blocks; what the file lacks at its end is zero.

        Raises:
            BadInput: a block is not what the tree says.
            OSError: the file cannot be read.
        """
        self._file.seek(first * BLOCK_BYTES)
        data = self._file.read(count * BLOCK_BYTES)
        data += bytes(count * BLOCK_BYTES - len(data))
        for at in range(count):
            if leaf(data[at * BLOCK_BYTES : (at + 1) * BLOCK_BYTES]) != self.leaf(first + at):
                raise BadInput(
                    f"{self._slot.image.name} is damaged: block {first + at} is not what its tree says.",
                    "Restore the 'targets' folder from your backup.",
                )
        return data

    def place(self, wanted: bytes) -> int | None:
        """A block with this leaf hash."""
        if self._places is None:
            numbers = range(self.block_count)
            self._places = array("Q", sorted(_key(self.leaf(number)) << _NUMBER_BITS | number for number in numbers))
        key = _key(wanted)
        at = bisect_left(self._places, key << _NUMBER_BITS)
        while at < len(self._places) and self._places[at] >> _NUMBER_BITS == key:
            number = self._places[at] & (1 << _NUMBER_BITS) - 1
            if self.leaf(number) == wanted:
                return number
            at += 1
        return None


def _key(digest: bytes) -> int:
    return int.from_bytes(digest[:_KEY_BYTES], "big")


@contextmanager
def opened(slot: Slot) -> Iterator[Reader]:
    """The slot, open for reading.

    Raises:
        BadInput: its tree is malformed.
        OSError: a file cannot be read.
    """
    leaves = slot.tree.read_bytes()
    if len(leaves) > MAX_BLOCKS * HASH_BYTES:
        raise BadInput(f"{slot.tree.name} is longer than any tree.")
    with slot.image.open("rb") as file:
        try:
            reader = Reader(slot, file, leaves)
        except FormatError as error:
            raise BadInput(f"{slot.tree.name} is no tree: {error}.", "Restore it from your backup.") from None
        yield reader
