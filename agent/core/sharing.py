"""What a camera may give to its neighbours: the release that runs and is committed, and its block tree. Nothing else.

Not another release, not a file of the device's state, not the other slot. Pure: who moves the bytes is an adapter.
"""

from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.errors import FormatError
from agent.formats.range_request import RangeRequest
from agent.formats.running import Running
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IMAGE, TREE = "image", "tree"
MAX_DECLARED = 64


class Part(Value):
    """Bytes `first` up to `end` (excluded) of the image or of the tree, which has `whole` bytes."""

    FIELDS = ("what", "first", "end", "whole")
    what: str
    first: int
    end: int
    whole: int


def part(running: Running, asked: RangeRequest) -> "Part | None":
    """What this request gets; None where there is no such file, or not so much of it."""
    if asked.path == running.image_path():
        what, whole = IMAGE, running.length_bytes
    elif asked.path == running.tree_path():
        what, whole = TREE, running.tree_length_bytes()
    else:
        return None
    if asked.first >= whole:
        return None
    return Part(what, asked.first, min(asked.last + 1, whole), whole)


def blocks(first: int, end: int, most: int) -> "tuple[int, int]":
    """First block and number of blocks, at most `most`, that hold the bytes from `first` on up to `end`."""
    block = first // BLOCK_BYTES
    return block, min(most, -(-end // BLOCK_BYTES) - block)


def withheld(running: "Running | None", booted: str, on_trial: bool) -> str:
    """Why nothing is served, in a word for people; empty when it may be."""
    if on_trial:
        return "on trial"
    if running is None:
        return "not known which release runs"
    if running.slot != booted:
        return "another slot runs"
    return ""


def declared(declarations: "dict[str, Any]", port: int) -> bool:
    """Whether the manufacturer declares this TCP port; what is not declared is not opened (S1.1-13)."""
    listed = declarations.get("listeners")
    if not isinstance(listed, list) or len(listed) > MAX_DECLARED:
        return False
    return any(isinstance(one, dict) and one.get("proto") == "tcp" and one.get("port") == port for one in listed)


def require_tree(running: Running, leaves: bytes, digest: bytes) -> None:
    """Refuse a kept tree that is not the release's.

    Raises:
        FormatError: it is not.
    """
    if len(leaves) != running.tree_length_bytes() or digest != bytes.fromhex(running.tree_sha256):
        raise FormatError("the kept tree is not that of " + running.target)
