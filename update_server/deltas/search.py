"""Where in an old slot the content of new blocks may come from: sampled substrings, and the window that has most.

Content shifts between two releases, so position alone finds little. Anchors are places where a byte of a small set
stands; they depend on content only, and so meet again wherever the content went. Of each, the hash of the following
bytes and its offset are kept, in eight bytes.
"""

import re
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.segments import MAX_SOURCE_BLOCKS

ANCHOR_BYTES = 24  # as long as six instructions: short enough to lie between two changes, long enough to be rare
# One byte in 64 of compressed data; and what names in programs and byte code are full of, where high bytes are rare.
ANCHOR = re.compile(rb"['_\x9b\xd3]")
MAX_ANCHORS = 2**20  # 8 MiB, whatever the size of the slot; beyond it, every second, fourth ... is kept
MAX_PLACES = 4  # what stands in more places than this says nothing about which one is meant

Votes = Sequence["array[int]"]  # for each block: the old blocks in which its anchors were found


class Anchors:
    """The anchors of an old slot: `add` its bytes in order, `seal`, then ask."""

    def __init__(self, slot_bytes: int) -> None:
        """Room for a slot of that length (where it is denser with anchors than expected, fewer are kept)."""
        self._entries = array("Q")
        self._mask = 0
        self._rest = b""
        self._offset = 0
        while slot_bytes // 64 >> self._mask.bit_length() > MAX_ANCHORS:
            self._mask = self._mask * 2 + 1

    def add(self, data: bytes) -> None:
        """Take the next bytes of the old slot."""
        joined = self._rest + data
        base = self._offset - len(self._rest)
        end = len(joined) - ANCHOR_BYTES + 1
        for place in ANCHOR.finditer(joined, 0, max(0, end)):
            at = place.start()
            key = zlib.crc32(joined[at : at + ANCHOR_BYTES])
            if not key & self._mask:
                self._entries.append(key << 32 | base + at)
        self._offset += len(data)
        self._rest = joined[max(0, end) :]
        while len(self._entries) > 2 * MAX_ANCHORS:
            self._mask = self._mask * 2 + 1
            self._entries = array("Q", (entry for entry in self._entries if not entry >> 32 & self._mask))

    def seal(self) -> None:
        """No more is added."""
        self._entries = array("Q", sorted(self._entries))
        self._rest = b""

    def votes(self, block: bytes) -> "array[int]":
        """The old blocks in which the beginning of `block` would lie, were its anchors where they are in the old slot.

        One entry for each anchor that was found.
        """
        found = array("I")
        entries = self._entries
        for place in ANCHOR.finditer(block, 0, len(block) - ANCHOR_BYTES + 1):
            at = place.start()
            key = zlib.crc32(block[at : at + ANCHOR_BYTES])
            if key & self._mask:
                continue
            first = bisect_left(entries, key << 32)
            places: list[int] = []
            while first + len(places) < len(entries) and entries[first + len(places)] >> 32 == key:
                places.append(entries[first + len(places)] & 0xFFFFFFFF)
                if len(places) > MAX_PLACES:
                    break
            if len(places) <= MAX_PLACES:
                found.extend(max(0, offset - at) // BLOCK_BYTES for offset in places)
        return found


def best_windows(votes: Votes, old_blocks: int, limit: int) -> list[tuple[int, int]]:
    """The (votes, first block) of up to `limit` windows of the largest size, the one with most votes first."""
    counts: dict[int, int] = {}
    for block in votes:
        for old in block:
            counts[old] = counts.get(old, 0) + 1
    found: list[tuple[int, int]] = []
    while counts and len(found) < limit:
        weight, first, last = _heaviest(counts)
        found.append((weight, centred(first, last - first + 1, old_blocks)))
        for old in [old for old in counts if first <= old <= last]:
            del counts[old]
    return found


def _heaviest(counts: dict[int, int]) -> tuple[int, int, int]:
    """Weight, first and last block of the group of blocks within one window that has most votes."""
    blocks = sorted(counts)
    best, weight, left = (0, 0, 0), 0, 0
    for block in blocks:
        weight += counts[block]
        while blocks[left] <= block - MAX_SOURCE_BLOCKS:
            weight -= counts[blocks[left]]
            left += 1
        if weight > best[0]:
            best = (weight, blocks[left], block)
    return best


def centred(first: int, count: int, old_blocks: int) -> int:
    """First block of a window of the largest size around `count` blocks, moved into the slot."""
    return max(0, min(first - (MAX_SOURCE_BLOCKS - count) // 2, old_blocks - MAX_SOURCE_BLOCKS))


def cut(votes: Votes, longest: int, least: int, gain: int) -> list[int]:
    """Cut blocks into segments: the lengths of stretches whose votes lie in one window each, as far as it pays.

    Args:
        votes: of each block.
        longest: blocks in a segment at most.
        least: blocks in a segment at least, where it is a choice.
        gain: votes that a cut has to win.
    """
    lengths: list[int] = []
    for first in range(0, len(votes), longest):
        lengths += _cut(votes[first : first + longest], least, gain)
    return lengths


def _cut(votes: Votes, least: int, gain: int) -> list[int]:
    if len(votes) < 2 * least:
        return [len(votes)]
    whole = _weight(votes)
    total = sum(len(block) for block in votes)
    if total - whole < gain:
        return [len(votes)]
    step = max(least, len(votes) // 8)
    middle = max(range(least, len(votes) - least + 1, step), key=lambda at: _weight(votes[:at]) + _weight(votes[at:]))
    if _weight(votes[:middle]) + _weight(votes[middle:]) - whole < gain:
        return [len(votes)]
    return _cut(votes[:middle], least, gain) + _cut(votes[middle:], least, gain)


def _weight(votes: Votes) -> int:
    found = best_windows(votes, 2**32, 1)
    return found[0][0] if found else 0


def runs_of(blocks: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending block numbers as (first, count)."""
    runs: list[tuple[int, int]] = []
    for block in blocks:
        if runs and runs[-1][0] + runs[-1][1] == block:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((block, 1))
    return runs
