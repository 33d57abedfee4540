"""`update/running.json`: which release a slot has held since it was committed; for who is to serve it to the site."""

from agent.formats import fields
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 2048
MAX_IMAGE_BYTES = 0xFFFFFFFF  # as agent.formats.delivery


class Running(Value):
    """The release by the names under which targets are fetched; `slot` is where it lies."""

    FIELDS = ("slot", "target", "sha256", "length_bytes", "tree_name", "tree_sha256")
    slot: str
    target: str
    sha256: str
    length_bytes: int
    tree_name: str
    tree_sha256: str

    def image_path(self) -> str:
        """Where others ask for the slot's image."""
        return "/targets/" + self.sha256 + "." + self.target

    def tree_path(self) -> str:
        """Where others ask for its block tree."""
        return "/targets/" + self.tree_sha256 + "." + self.tree_name

    def tree_length_bytes(self) -> int:
        """Length of the block tree: a hash for each block."""
        return self.length_bytes // BLOCK_BYTES * HASH_BYTES


def encode(running: Running) -> bytes:
    """The stored form, for `parse`."""
    body = running.as_dict()
    body["length"] = body.pop("length_bytes")
    body["v"] = 1
    return dump(body)


def parse(body: bytes) -> Running:
    """Read the stored form.

    Raises:
        FormatError: it is damaged.
    """
    source: "dict[str, Any]" = parse_object(body, MAX_BYTES)
    fields.integer(source, "v", 1, 1)
    length_bytes = fields.integer(source, "length", BLOCK_BYTES, MAX_IMAGE_BYTES)
    return Running(
        slot=fields.choice(source, "slot", ("a", "b")),
        target=fields.name(source, "target"),
        sha256=fields.hexadecimal(source, "sha256", HASH_BYTES),
        length_bytes=length_bytes - length_bytes % BLOCK_BYTES,
        tree_name=fields.name(source, "tree_name"),
        tree_sha256=fields.hexadecimal(source, "tree_sha256", HASH_BYTES),
    )
