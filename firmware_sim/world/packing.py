"""Packed segments of the world: the port Unpacker with toy codecs, and what makes such segments.

A "frame" is a tag over prefix and content, and the content as it is: wrong prefixes and damage are noticed as a real
codec would notice them, and the world needs no library that is not on every interpreter.
"""

from binascii import hexlify
from hashlib import sha256

from agent.formats import segments
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.errors import Rejected
from firmware_sim.world.chance import Chance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

TAG_BYTES = 16


def pack(content: bytes, prefix: bytes) -> bytes:
    """The frame of some content behind a prefix."""
    return sha256(prefix + content).digest()[:TAG_BYTES] + content


def unsafe_encrypt(key: bytes, number: int, frame: bytes) -> bytes:
    """A frame under a key, as `UnsafeWorldUnpacker.decrypt` reads it: a toy, good for nothing but these tests."""
    tag = sha256(key + number.to_bytes(4, "big") + frame).digest()[:TAG_BYTES]
    stream = _stream(key, number, len(frame))
    return _mixed(frame, stream) + tag


def _stream(key: bytes, number: int, length: int) -> bytes:
    return Chance(hexlify(key).decode() + str(number)).bytes(length)


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(one[at] ^ other[at] for at in range(len(one)))


class UnsafeWorldUnpacker:
    """Implements the port Unpacker."""

    def plain(self, content: bytes) -> bytes:
        """The content."""
        return content

    def decrypt(self, key: bytes, number: int, stored: bytes) -> bytes:
        """The frame.

        Raises:
            Rejected: the tag does not fit.
        """
        body, tag = stored[:-TAG_BYTES], stored[-TAG_BYTES:]
        frame = _mixed(body, _stream(key, number, len(body)))
        if sha256(key + number.to_bytes(4, "big") + frame).digest()[:TAG_BYTES] != tag:
            raise Rejected("an encrypted segment does not open")
        return frame

    def unpack(self, frame: bytes, prefix: bytearray, length_bytes: int) -> bytes:
        """The content.

        Raises:
            Rejected: the tag does not fit, or the length is another one.
        """
        content = bytes(frame[TAG_BYTES:])
        tag = sha256(bytes(prefix) + content).digest()[:TAG_BYTES]
        prefix[:] = b""  # nobody may count on it any more
        if tag != frame[:TAG_BYTES] or len(content) != length_bytes:
            raise Rejected("a segment does not unpack")
        return content


class UnsafeWorldUnsealer:
    """Implements the port Unsealer: a "sealed" key is the key behind a tag that names this camera's seed."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def public(self) -> bytes:
        """What `unsafe_seal` takes."""
        return self._seed

    def open(self, enc: bytes, sealed: bytes, info: bytes) -> bytes:
        """The key.

        Raises:
            Rejected: it was sealed for another camera or purpose.
        """
        if enc != sha256(self._seed + info).digest():
            raise Rejected("sealed for another camera")
        return sealed


def unsafe_seal(public: bytes, key: bytes, info: bytes) -> "tuple[bytes, bytes]":
    """A key "for" the camera with this public half: (enc, sealed)."""
    return sha256(public + info).digest(), key


def artifact(
    old: bytes, new: bytes, blocks: "Sequence[int]", segment_blocks: int = 4, key: bytes = b""
) -> "tuple[bytes, int]":
    """A segment artifact that holds these blocks of `new`, each segment behind the blocks of `old` at its place.

    Returns:
        The file, and the length of its index.
    """
    runs: list[tuple[int, int]] = []
    for block in blocks:
        if runs and runs[-1][0] + runs[-1][1] == block:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((block, 1))
    rows: list[tuple[int, int, int, int, bytes]] = []
    bodies = []
    for at in range(0, len(blocks), segment_blocks):
        part = blocks[at : at + segment_blocks]
        content = b"".join(new[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES] for block in part)
        first, count = (part[0], len(part)) if old else (0, 0)
        prefix = old[first * BLOCK_BYTES : (first + count) * BLOCK_BYTES]
        body = pack(content, prefix)
        if key:
            body = unsafe_encrypt(key, len(rows), body)
        bodies.append(body)
        rows.append((len(part), len(body), first, count, sha256(body).digest()))
    index = segments.encode(runs, rows, bool(key))
    return index + b"".join(bodies), len(index)
