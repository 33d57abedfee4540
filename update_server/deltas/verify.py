"""The camera's part, played before an artifact is published: decrypt and unpack every segment, check every block."""

import hashlib
from pathlib import Path

from backports import zstd
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.formats import segments
from agent.formats.block_tree import BLOCK_BYTES, leaf
from agent.formats.errors import FormatError
from update_server.deltas.encode import NONCE_BYTES
from update_server.deltas.slots import Reader
from update_server.errors import PublishRefused


def verify(old: Reader | None, new: Reader, artifact: Path, index_length_bytes: int, key: bytes = b"") -> None:
    """Make sure that a camera with `old` in its active slot comes to exactly `new`.

    Raises:
        PublishRefused: it would not.
        BadInput: the old slot is damaged.
        OSError: a file cannot be read.
    """
    with artifact.open("rb") as file:
        try:
            index = segments.parse(file.read(index_length_bytes))
        except FormatError as error:
            raise PublishRefused(f"A camera would refuse {artifact.name}: {error}.") from None
        if index.encrypted != bool(key):
            raise PublishRefused(f"{artifact.name} is {'' if index.encrypted else 'not '}encrypted.")
        for number in range(new.block_count):
            if index.segment_of(number) < 0 and (old is None or old.place(new.leaf(number)) is None):
                raise PublishRefused(f"{artifact.name} lacks block {number}, which no camera has.")
        for number in range(index.segment_count):
            segment = index.segment(number)
            file.seek(segment.offset)
            content = _unpacked(old, segment, file.read(segment.stored_bytes), key)
            blocks = (content[at : at + BLOCK_BYTES] for at in range(0, len(content), BLOCK_BYTES))
            for place, block in zip(index.blocks_of(number), blocks, strict=True):
                if leaf(block) != new.leaf(place):
                    raise PublishRefused(f"{artifact.name} unpacks to another block {place} than the release has.")


def _unpacked(old: Reader | None, segment: segments.Segment, stored: bytes, key: bytes) -> bytes:
    """What a segment holds.

    Raises:
        PublishRefused: it is not what the index says.
    """
    if hashlib.sha256(stored).digest() != segment.sha256:
        raise PublishRefused(f"Segment {segment.number} has another hash than its index says.")
    if key:
        try:
            stored = AESGCM(key).decrypt(segment.number.to_bytes(NONCE_BYTES, "big"), stored, segments.MAGIC)
        except InvalidTag:
            raise PublishRefused(f"Segment {segment.number} does not open with its key.") from None
    prefix = old.blocks(segment.source_first, segment.source_blocks) if old and segment.source_blocks else b""
    known = zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None
    try:
        content = zstd.decompress(stored, zstd_dict=known)
    except zstd.ZstdError as error:
        raise PublishRefused(f"Segment {segment.number} does not unpack: {error}.") from None
    if len(content) != segment.blocks * BLOCK_BYTES:
        raise PublishRefused(f"Segment {segment.number} unpacks to {len(content)} bytes.")
    return content
