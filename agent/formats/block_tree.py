"""The hash tree over a slot: one SHA-256 per 4 KiB block, folded like dm-verity does.

Leaf hashes are the *.tree file of a release, in block order. The root is that of a dm-verity format 1 tree without
salt, so `veritysetup format --no-superblock --salt=- --hash=sha256` computes the same. Levels: hashes are laid into
4096-byte nodes of 128, the last node zero-padded, and each node is hashed, until one node is left; its hash is the
root.
"""

from hashlib import sha256

from agent.formats.errors import FormatError

BLOCK_BYTES = 4096
HASH_BYTES = 32
_FANOUT = BLOCK_BYTES // HASH_BYTES


def leaf(block: bytes) -> bytes:
    """The SHA-256 of one block.

    Raises:
        FormatError: the block has not exactly 4096 bytes.
    """
    if len(block) != BLOCK_BYTES:
        raise FormatError("a block has 4096 bytes")
    return sha256(block).digest()


def leaves_of(data: "bytes | memoryview") -> bytes:
    """The SHA-256 of each block of `data`, one after the other.

    Raises:
        FormatError: the data are not whole blocks.
    """
    if len(data) % BLOCK_BYTES:
        raise FormatError("not whole blocks of 4096 bytes")
    return b"".join([sha256(data[at : at + BLOCK_BYTES]).digest() for at in range(0, len(data), BLOCK_BYTES)])


def with_leaves(data: bytes) -> "tuple[bytes, bytes]":
    """The same data, and `leaves_of` them: for a worker that hashes what it brings."""
    return data, leaves_of(data)


class TreeHasher:
    """Computes the root while leaf hashes stream by; holds one node per level (at most 4 KiB each)."""

    def __init__(self) -> None:
        self._levels: list[bytes] = []
        self._rest = b""
        self.count = 0

    def feed(self, leaves: bytes) -> None:
        """Take the next bytes of the leaf hashes, in pieces of any length."""
        data = self._rest + leaves
        whole = len(data) - len(data) % HASH_BYTES
        self._add(0, data[:whole])
        self.count += whole // HASH_BYTES
        self._rest = data[whole:]

    def root(self) -> bytes:
        """The root over what was fed so far; feeding may go on.

        Raises:
            FormatError: no leaf, or a piece of one, was fed.
        """
        if self._rest or not self.count:
            raise FormatError("the leaf hashes are no positive multiple of 32 bytes")
        if self.count == 1:
            # dm-verity: a device of one block has no tree, its root is the block's own hash.
            return self._levels[0]
        carry = b""
        level = 0
        while True:
            hashes = (self._levels[level] if level < len(self._levels) else b"") + carry
            if len(hashes) <= BLOCK_BYTES and level >= len(self._levels) - 1:
                return _node(hashes)
            carry = b"".join(_node(hashes[at : at + BLOCK_BYTES]) for at in range(0, len(hashes), BLOCK_BYTES))
            level += 1

    def _add(self, level: int, hashes: bytes) -> None:
        if level == len(self._levels):
            self._levels.append(b"")
        hashes = self._levels[level] + hashes
        at, nodes = 0, []
        while len(hashes) - at > BLOCK_BYTES:  # a full node waits for the next hash: it may be the root node
            nodes.append(_node(hashes[at : at + BLOCK_BYTES]))
            at += BLOCK_BYTES
        self._levels[level] = hashes[at:]
        if nodes:
            self._add(level + 1, b"".join(nodes))


def root_of(leaves: bytes) -> bytes:
    """The root over these leaf hashes.

    Raises:
        FormatError: they are no positive multiple of 32 bytes.
    """
    hasher = TreeHasher()
    hasher.feed(leaves)
    return hasher.root()


def _node(hashes: bytes) -> bytes:
    return sha256(hashes + bytes(BLOCK_BYTES - len(hashes))).digest()
