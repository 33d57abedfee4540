"""Runs of verified blocks that are laid up for writing: each has the number of its first block, and their content."""

from agent.formats.block_tree import BLOCK_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Runs = list[tuple[int, bytes | memoryview]]
    Joined = list[tuple[int, bytes | bytearray | memoryview]]


def laid(runs: "Runs") -> "set[int]":
    """Numbers of the blocks that are laid up."""
    found: "set[int]" = set()
    for first, data in runs:
        found.update(range(first, first + len(data) // BLOCK_BYTES))
    return found


def lacking(runs: "Runs", has: "Callable[[int], bool]") -> "Runs":
    """The blocks of these runs that are not in place, by themselves; `has(block)` says which are."""
    found: "Runs" = []
    for first, data in runs:
        for at in range(0, len(data), BLOCK_BYTES):
            if not has(first + at // BLOCK_BYTES):
                found.append((first + at // BLOCK_BYTES, data[at : at + BLOCK_BYTES]))
    return found


def joined(runs: "Runs") -> "Joined":
    """Runs that adjoin as one, the first ones first: each write is a command to the medium, whatever its length."""
    found: "Joined" = []
    for first, data in sorted(runs, key=_first_block):
        begin, before = found[-1] if found else (first, b"")
        if not found or begin + len(before) // BLOCK_BYTES != first:
            found.append((first, data))
            continue
        whole = before if isinstance(before, bytearray) else bytearray(before)
        whole += data
        found[-1] = (begin, whole)
    return found


def _first_block(run: "tuple[int, bytes | memoryview]") -> int:
    return run[0]
