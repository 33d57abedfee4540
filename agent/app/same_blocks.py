"""Finds where the active slot has the blocks that are wanted, by the begin of their hashes."""

from struct import unpack

from agent.app.medium import HINT_STEP_BLOCKS
from agent.formats.block_tree import HASH_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

KEY = "Q24x"  # the first 8 bytes of a hash, to look it up by; the block itself is verified by all of it


def keys(leaves: bytes) -> "tuple[int, ...]":
    """The begin of each hash: they are looked up by it, by the thousand."""
    return unpack("<" + KEY * (len(leaves) // HASH_BYTES), leaves)


def want_also(wanted: "dict[int, Any]", key: int, block: int) -> None:
    """Several blocks may have one hash."""
    known = wanted.setdefault(key, block)
    if isinstance(known, list):
        known.append(block)
    elif known != block:
        wanted[key] = [known, block]


def look_up(wanted: "dict[int, Any]", leaves: bytes, begin: int, plan: "array[int]") -> None:
    """Plan to copy what some blocks of the active slot hold: `HINT_STEP_BLOCKS`, from byte `begin` of `leaves` on."""
    first = begin // HASH_BYTES
    there = keys(leaves[begin : begin + HINT_STEP_BLOCKS * HASH_BYTES])
    places = dict(zip(there, range(first, first + len(there))))  # noqa: B905 (MicroPython has no `strict`)
    for key in [key for key in places if key in wanted]:
        found = wanted.pop(key)
        for block in found if isinstance(found, list) else (found,):
            plan[block] = places[key]
