"""The files that the outbox lies in: records, one behind the other, appended and never changed.

Big endian: `MARK`, u8 kind, u32 number, u32 sequence number of the message, u32 time (Unix seconds), u32 length of the
body, u32 CRC-32 of the header before it and of the body; then the body, which is the message as the device's secret has
sealed it, under a name that holds number and kind.

The CRC finds what a power cut or bad flash has left of a file; it authenticates nothing, the sealing does. What is no
whole record is skipped up to the next one that is.

A file's name is `outbox/LANE-FIRST-THINNED`: which lane its records are of, the number of its first record (ten
digits), and how often it was thinned. A version that knew other names leaves these alone.
"""

import binascii

from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "outbox"
MARK = b"CWo1"
PROGRAM = "program"
KINDS = ("alarm", "evidence", "report", "telemetry", PROGRAM)
"""By the number that the header holds; new ones go to the end."""
LANES = ("alarm", "paper", "telemetry")
"""What is sent first comes first; what is given up first, last. Evidence and reports are the papers."""
HEADER_BYTES = 25
MAX_NUMBER = 0x7FFFFFFF  # a message each second for 68 years
MAX_BODY_BYTES = 300 * 1024  # an envelope of 256 KiB, sealed
MAX_FILE_BYTES = 512 * 1024  # a file is closed at 64 KiB, or holds one message that is longer
MAX_RECORDS = MAX_FILE_BYTES // HEADER_BYTES  # in one file
MAX_THINNED = 16  # half of the records went each time
_CRC_AT = HEADER_BYTES - 4
_DIGITS = 10


class Record(Value):
    """One record: `offset` and `end` are where it lies in its file, `at` when its message was made (Unix seconds)."""

    FIELDS = ("offset", "end", "kind", "number", "seq", "at")
    offset: int
    end: int
    kind: str
    number: int
    seq: int
    at: int


def lane(kind: str) -> str:
    """The lane that messages of this kind go by; those of programs lie apart (agent.app.shelf), and have none."""
    return kind if kind in LANES else "" if kind == PROGRAM else "paper"


def encode(kind: str, number: int, seq: int, at: int, body: bytes) -> bytes:
    """One record.

    Raises:
        FormatError: a number is out of range, the kind is unknown, or the body too long.
    """
    if kind not in KINDS or not 0 < number <= MAX_NUMBER or not 0 < seq <= MAX_NUMBER:
        raise FormatError("no such record")
    if not 0 <= at <= 0xFFFFFFFF or len(body) > MAX_BODY_BYTES:
        raise FormatError("a record is too long, or of no time")
    head = MARK + bytes([KINDS.index(kind)])
    for value in (number, seq, at, len(body)):
        head += value.to_bytes(4, "big")
    return head + binascii.crc32(body, binascii.crc32(head)).to_bytes(4, "big") + body


def scan(data: bytes) -> "Iterator[Record]":
    """Every whole record of a file, in order, whatever lies between them."""
    at = data.find(MARK)
    while at >= 0:
        found = _record(data, at)
        if found is not None:
            yield found
            at = found.end
        else:
            at += 1
        at = data.find(MARK, at)


def read(data: bytes) -> "tuple[Record, bytes]":
    """The one record that `data` begins with, and its body.

    Raises:
        FormatError: there is no whole one.
    """
    found = _record(data, 0) if data[: len(MARK)] == MARK else None
    if found is None:
        raise FormatError("no whole record")
    return found, data[HEADER_BYTES : found.end]


def sealed_name(record_kind: str, number: int) -> str:
    """What the record's body is sealed as: of another number or kind it does not open."""
    return FOLDER + "/" + record_kind + "/" + str(number)


def file_name(lane_name: str, first: int, thinned: int) -> str:
    """The name of a file."""
    digits = str(first)
    return FOLDER + "/" + lane_name + "-" + "0" * (_DIGITS - len(digits)) + digits + "-" + str(thinned)


def parse_name(name: str) -> "tuple[str, int, int] | None":
    """Lane, number of the first record, and how often it was thinned; None for a name of another form."""
    parts = name[len(FOLDER) + 1 :].split("-")
    if len(parts) != 3 or parts[0] not in LANES or len(parts[1]) != _DIGITS or not 1 <= len(parts[2]) <= 2:
        return None
    if any(character not in "0123456789" for character in parts[1] + parts[2]):
        return None
    first, thinned = int(parts[1]), int(parts[2])
    if file_name(parts[0], first, thinned) != name or not 0 < first <= MAX_NUMBER or thinned > MAX_THINNED:
        return None
    return parts[0], first, thinned


def _record(data: bytes, at: int) -> "Record | None":
    """The record at `at`, where `MARK` stands; None if it is not whole."""
    if at + HEADER_BYTES > len(data) or data[at + 4] >= len(KINDS):
        return None
    number, seq, made_at, length = (_u32(data, at + step) for step in (5, 9, 13, 17))
    end = at + HEADER_BYTES + length
    if not 0 < number <= MAX_NUMBER or not 0 < seq <= MAX_NUMBER or length > MAX_BODY_BYTES or end > len(data):
        return None
    view = memoryview(data)
    crc = binascii.crc32(view[at + HEADER_BYTES : end], binascii.crc32(view[at : at + _CRC_AT]))
    if crc != _u32(data, at + _CRC_AT):
        return None
    return Record(at, end, KINDS[data[at + 4]], number, seq, made_at)


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
