"""Make a segment artifact from two slots and their trees, in bounded memory.

What the old slot has anywhere is left out: the camera copies it. The rest is cut into segments, and for each some
windows of the old slot are tried as its prefix: where its content was found (`search`), the same position, and the
positions that unchanged neighbours imply. What is tried is compressed fast; the best is compressed well.
"""

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backports import zstd
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.formats import segments
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.errors import FormatError
from agent.formats.segments import MAX_SEGMENT_BLOCKS, MAX_SOURCE_BLOCKS
from update_server.deltas import search
from update_server.deltas.slots import Reader
from update_server.errors import BadInput

RECIPE = 1  # raised when the same pair would make other bytes: what was made by an older recipe is made anew

BATCH_BLOCKS = 4 * MAX_SEGMENT_BLOCKS  # 4 MiB of the new slot in memory at a time
NONCE_BYTES = 12
READ_BLOCKS = MAX_SEGMENT_BLOCKS  # of the old slot, while its anchors are collected
TRIED_WINDOWS = 3  # by content, beside those by position
LEAST_BLOCKS = 16  # shorter segments lose more by what they cannot see of each other than a better window wins
LEAST_GAIN = 64  # votes: about one block's worth of anchors
NEAR_BLOCKS = 64  # how far away a neighbour may be that implies a position
WINDOW_LOG = 22  # 4 MiB: prefix and content together; a larger window would only cost memory
TRIAL_TABLE_LOG = 21  # entries for every byte of a window
TRIAL_LEVEL, FINAL_LEVEL = 5, 19  # 22 finds no byte more in so small a window, and takes 16 MB more

Progress = Callable[[int, int], None]  # blocks done, blocks in all
Packed = tuple[int, int, int, int, bytes]  # blocks, stored bytes, first source block, source blocks, SHA-256


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        from_root: tree root of the old release, empty for none.
        to_root: tree root of the new one.
        length_bytes: of the artifact.
        sha256: of the artifact.
        index_length_bytes: of its index.
        index_sha256: of its index.
        blocks: of the new slot.
        sent_blocks: how many of them the artifact holds; the camera copies the others.
        segments: how many segments.
    """

    from_root: str
    to_root: str
    length_bytes: int
    sha256: str
    index_length_bytes: int
    index_sha256: str
    blocks: int
    sent_blocks: int
    segments: int


def make(old: Reader | None, new: Reader, target: Path, progress: Progress, key: bytes = b"") -> Made:
    """Write the artifact to `target`; without `old`, one that builds on nothing; with `key`, encrypted.

    The key must never have been used before: nonces are the numbers of segments.

    Raises:
        BadInput: a file contradicts its tree, or the slots differ in so many places that no index holds them.
        OSError: a file cannot be read or written.
    """
    sent = missing(old, new)
    body = target.with_name(target.name + ".segments")
    try:
        with body.open("w+b") as file:
            packed = list(_Packer(old, new, sent, key).pack(file, progress))
            try:
                index = segments.encode(search.runs_of(sent), packed, bool(key))
            except FormatError as error:
                raise BadInput(f"No artifact can hold these differences: {error}.") from None
            digest, length = _join(index, file, target)
    finally:
        body.unlink(missing_ok=True)
    return Made(
        old.root if old else "", new.root, length, digest, len(index), hashlib.sha256(index).hexdigest(),
        new.block_count, len(sent), len(packed),
    )  # fmt: skip


def missing(old: Reader | None, new: Reader) -> "array[int]":
    """The blocks of the new slot that the old one has nowhere; never none, for an artifact holds at least one."""
    numbers = range(new.block_count)
    found = array("I", (number for number in numbers if old is None or old.place(new.leaf(number)) is None))
    return found or array("I", (0,))


def options(level: int) -> dict[int, int]:
    """How frames are made: with their content size, and without the checksum that every segment has outside."""
    parameter = zstd.CompressionParameter
    found: dict[int, int] = {
        parameter.compression_level: level,
        parameter.window_log: WINDOW_LOG,
        parameter.content_size_flag: 1,
        parameter.checksum_flag: 0,
        parameter.dict_id_flag: 0,
    }
    if level == TRIAL_LEVEL:  # whose own tables would hold only the end of so long a prefix
        found |= {parameter.hash_log: TRIAL_TABLE_LOG, parameter.chain_log: TRIAL_TABLE_LOG}
    return found


class _Packer:
    """Cuts what is sent into segments and compresses them."""

    def __init__(self, old: Reader | None, new: Reader, sent: "array[int]", key: bytes) -> None:
        self._cipher = AESGCM(key) if key else None
        self._old = old
        self._new = new
        self._sent = sent
        self._anchors = _collect(old)

    def pack(self, file: BinaryIO, progress: Progress) -> Iterator[Packed]:
        """Write the segments; yields what the index says of each."""
        done = number = 0
        for start in range(0, len(self._sent), BATCH_BLOCKS):
            numbers = self._sent[start : start + BATCH_BLOCKS]
            blocks = [self._new.blocks(number, 1) for number in numbers]
            votes = [self._anchors.votes(block) for block in blocks]
            at = 0
            for length in search.cut(votes, MAX_SEGMENT_BLOCKS, LEAST_BLOCKS, LEAST_GAIN):
                part = slice(at, at + length)
                first, count, frame = self._segment(numbers[part], b"".join(blocks[part]), votes[part])
                stored = self._stored(number, frame)
                file.write(stored)
                yield length, len(stored), first, count, hashlib.sha256(stored).digest()
                number += 1
                at += length
                done += length
                progress(done, len(self._sent))

    def _stored(self, number: int, frame: bytes) -> bytes:
        if self._cipher is None:
            return frame
        return self._cipher.encrypt(number.to_bytes(NONCE_BYTES, "big"), frame, segments.MAGIC)

    def _segment(self, numbers: Sequence[int], content: bytes, votes: search.Votes) -> tuple[int, int, bytes]:
        """First source block, source blocks, and the frame."""
        best = len(zstd.compress(content, options=options(TRIAL_LEVEL)))
        first, source = 0, b""
        for candidate in self._candidates(numbers, votes):
            prefix = self._window(candidate)
            size = len(_compress(content, prefix, TRIAL_LEVEL))
            if size < best:
                best, first, source = size, candidate, prefix
        return first, len(source) // BLOCK_BYTES, _compress(content, source, FINAL_LEVEL)

    def _candidates(self, numbers: Sequence[int], votes: search.Votes) -> list[int]:
        if self._old is None:
            return []
        count = self._old.block_count
        found = [first for _, first in search.best_windows(votes, count, TRIED_WINDOWS)]
        span = min(MAX_SOURCE_BLOCKS, numbers[-1] - numbers[0] + 1)
        positions = [numbers[0], *self._implied(numbers[0], -1), *self._implied(numbers[-1], 1)]
        found += [search.centred(min(position, count), span, count) for position in positions]
        return list(dict.fromkeys(found))

    def _implied(self, number: int, step: int) -> list[int]:
        """Where a block would lie in the old slot if it had moved like its next unchanged neighbour."""
        for distance in range(1, NEAR_BLOCKS + 1):
            neighbour = number + step * distance
            if not 0 <= neighbour < self._new.block_count or self._old is None:
                break
            place = self._old.place(self._new.leaf(neighbour))
            if place is not None:
                return [max(0, place - step * distance)]
        return []

    def _window(self, first: int) -> bytes:
        if self._old is None:
            return b""
        return self._old.blocks(first, min(MAX_SOURCE_BLOCKS, self._old.block_count - first))


def _collect(old: Reader | None) -> search.Anchors:
    count = old.block_count if old else 0
    anchors = search.Anchors(count * BLOCK_BYTES)
    for first in range(0, count, READ_BLOCKS):
        if old:
            anchors.add(old.blocks(first, min(READ_BLOCKS, count - first)))
    anchors.seal()
    return anchors


def _compress(content: bytes, prefix: bytes, level: int) -> bytes:
    if not prefix:
        return zstd.compress(content, options=options(level))
    return zstd.compress(content, options=options(level), zstd_dict=zstd.ZstdDict(prefix, is_raw=True).as_prefix)


def _join(index: bytes, body: BinaryIO, target: Path) -> tuple[str, int]:
    """Write index and segments durably; SHA-256 and length of the whole."""
    digest, length = hashlib.sha256(index), len(index)
    body.seek(0)
    with target.open("xb") as file:
        file.write(index)
        while chunk := body.read(READ_BLOCKS * BLOCK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            length += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), length
