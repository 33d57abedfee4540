"""The plain area in front of an encrypted data partition (docs/adr/0044-data-partition.md): what formatting needs.

Four records, none of which shares an erase block of the flash (at most 1 MiB) with another:

- FACTORY: the label and what else the factory put in for good. Never written again.
- STATES: two copies of one word. `new`: the partition is to be formatted, whatever it holds. `ready`: it was.
- CARRIED: documents that the next formatting puts in: a voucher by the factory, later what an erase keeps.

A record is a line of text, the length of its body (four bytes, big-endian), the body's SHA-256, the body. The hash
finds decay and half a write. It is no proof against who writes the flash: of what is carried, the TPM holds the hash.
"""

from hashlib import sha256

from agent.formats.errors import FormatError

BLOCK_BYTES = 1 << 20
FACTORY = 0
STATES = (1 * BLOCK_BYTES, 2 * BLOCK_BYTES)
CARRIED = 3 * BLOCK_BYTES
AREA_BYTES = 6 * BLOCK_BYTES
CARRIED_BYTES = AREA_BYTES - CARRIED
"""The metadata of an image repository is below 1 MiB (agent.core.trust_repository) as long as few roles delegate."""
NEW, READY = "new", "ready"

_MAGIC = b"camward data area 1\n"
HEAD_BYTES = len(_MAGIC) + 4 + 32
MAX_NAME_BYTES = 512
FS_BLOCK_BYTES = 4096
MAX_FS_BLOCKS = 1 << 24  # 64 GiB


def encode(body: bytes) -> bytes:
    """A record."""
    return _MAGIC + len(body).to_bytes(4, "big") + sha256(body).digest() + body


def record_bytes(head: bytes, room_bytes: int) -> int:
    """Length of a whole record, from its first HEAD_BYTES bytes.

    Raises:
        FormatError: there is none, or it is longer than its room.
    """
    if len(head) < HEAD_BYTES or head[: len(_MAGIC)] != _MAGIC:
        raise FormatError("no record of a data area")
    length = HEAD_BYTES + int.from_bytes(head[len(_MAGIC) : len(_MAGIC) + 4], "big")
    if length > room_bytes:
        raise FormatError("a record of a data area is too long")
    return length


def parse(record: bytes) -> bytes:
    """The body of a record; what follows it counts for nothing.

    Raises:
        FormatError: there is none, or it is damaged.
    """
    end = record_bytes(record[:HEAD_BYTES], len(record))
    body = record[HEAD_BYTES:end]
    if sha256(body).digest() != record[len(_MAGIC) + 4 : HEAD_BYTES]:
        raise FormatError("a record of a data area is damaged")
    return body


def encode_state(state: str) -> bytes:
    """Either copy of NEW or READY."""
    return encode(state.encode())


def parse_state(first: bytes, second: bytes) -> str:
    """NEW or READY. The first copy is written first, so it counts where both can be read.

    Raises:
        FormatError: neither can be read. No guess: `new` would format.
    """
    for copy in (first, second):
        try:
            body = parse(copy)
        except FormatError:
            continue
        for state in (NEW, READY):
            if body == state.encode():
                return state
    raise FormatError("both copies of the data area's state are damaged")


def encode_documents(documents: "dict[str, bytes]") -> bytes:
    """A record of documents by name."""
    parts = []
    for name in sorted(documents):
        encoded, body = name.encode(), documents[name]
        parts += [len(encoded).to_bytes(2, "big"), encoded, len(body).to_bytes(4, "big"), body]
    return encode(b"".join(parts))


def parse_documents(record: bytes) -> "dict[str, bytes]":
    """Documents by name. Whether a name is one that may be written, the caller checks.

    Raises:
        FormatError: it is no record, or not one of documents.
    """
    body = parse(record)
    found, at = {}, 0
    while at < len(body):
        encoded, at = _taken(body, at, 2)
        data, at = _taken(body, at, 4)
        try:
            name = encoded.decode()
        except UnicodeError:
            raise FormatError("a name in a data area is no text") from None
        if not 0 < len(encoded) <= MAX_NAME_BYTES or name in found:
            raise FormatError("a name in a data area is malformed")
        found[name] = data
    return found


def _taken(body: bytes, at: int, length_bytes: int) -> "tuple[bytes, int]":
    """What stands at `at` behind its length, and where it ends."""
    start = at + length_bytes
    end = start + int.from_bytes(body[at:start], "big")
    if start > len(body) or end > len(body):
        raise FormatError("a record of documents is cut off")
    return body[start:end], end


def encode_template(block_count: int, blocks: "dict[int, bytes]") -> bytes:
    """An empty file system as it is made once, in the factory's build: its size and those blocks that are not zeros."""
    parts = [block_count.to_bytes(4, "big")]
    for number in sorted(blocks):
        parts += [number.to_bytes(4, "big"), blocks[number]]
    return encode(b"".join(parts))


def parse_template(record: bytes) -> "tuple[int, dict[int, bytes]]":
    """Size in blocks of FS_BLOCK_BYTES, and the blocks by number.

    Raises:
        FormatError: it is no record, or not one of a file system.
    """
    body = parse(record)
    count = int.from_bytes(body[:4], "big")
    if not 0 < count <= MAX_FS_BLOCKS or (len(body) - 4) % (4 + FS_BLOCK_BYTES):
        raise FormatError("no template of a file system")
    blocks = {}
    for at in range(4, len(body), 4 + FS_BLOCK_BYTES):
        number = int.from_bytes(body[at : at + 4], "big")
        if number >= count or number in blocks:
            raise FormatError("a block of a file system's template lies nowhere")
        blocks[number] = body[at + 4 : at + 4 + FS_BLOCK_BYTES]
    return count, blocks
