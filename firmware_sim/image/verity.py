"""dm-verity hash trees, format 1, SHA-256, no salt: what `veritysetup format --no-superblock --salt=-` makes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.image.model import BLOCK_BYTES


@dataclass(frozen=True)
class HashTree:
    """A tree over a file.

    Attributes:
        root: hash of the top node.
        nodes: the tree as it lies on the disk, top level first.
        leaves: SHA-256 of every block, in order.
    """

    root: bytes
    nodes: bytes
    leaves: bytes


def hash_tree(path: Path) -> HashTree:
    """The tree over a file whose length is a positive multiple of the block size.

    Raises:
        ValueError: it is not.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    if size == 0 or size % BLOCK_BYTES:
        raise ValueError(f"{path.name}: {size} bytes are no whole blocks")
    leaves = b"".join(hashlib.sha256(block).digest() for block in _blocks(path))
    levels: list[bytes] = []
    hashes = leaves
    while len(hashes) > hashlib.sha256().digest_size:
        nodes = hashes + bytes(-len(hashes) % BLOCK_BYTES)
        levels.append(nodes)
        hashes = b"".join(
            hashlib.sha256(nodes[at : at + BLOCK_BYTES]).digest() for at in range(0, len(nodes), BLOCK_BYTES)
        )
    return HashTree(hashes, b"".join(reversed(levels)), leaves)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
