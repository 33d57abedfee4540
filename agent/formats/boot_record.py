"""The boot record: which slot boots, shared with the boot script (agent/boot/boot.cmd).

One copy is one 512-byte sector in U-Boot's environment format: the CRC-32 of the rest (little endian), then
NAME=VALUE texts, each ended by a NUL, one more NUL, and zeros. There are two copies; the valid one with the higher
generation counts, and the other one is written next, so that a power cut while writing leaves a valid copy.

The CRC finds damage. It is no authentication: what may boot is decided by signatures and by the rollback index in the
FIT.
"""

import binascii

from agent.formats.errors import FormatError
from agent.formats.value import Value

RECORD_BYTES = 512
"""One sector of the disk: written whole or not at all."""
COUNT_MAX = 10
"""Every count is one hexadecimal digit, because the boot script compares digits; ten is the most that is asked for."""
NUMBER_MAX = 0xFFFFFFFF
"""Generations and rollback indexes are 32 bits: one generation per boot lasts longer than any camera."""
NO_TRIAL = "-"

_NAMES = ("gen", "act", "try", "left", "fails", "tries", "resets", "gave", "said", "ridx")
_HEX = "0123456789abcdefABCDEF"
_COUNTS = "0123456789a"
GAVE_WAY = ("-", "r", "s")
"""Why the committed slot gave way: it did not; recorded resets; silent ends."""


class BootRecord(Value):
    """One copy of the boot record.

    Fields:
        generation: 0..2**32-1; each write adds one.
        active: `a` or `b`, the committed slot.
        trial: `a` or `b`, the slot on trial, or `-`.
        left: 0..10, ends without a recorded cause that the trial has left.
        fails: 0..10, recorded failures of the trial: a health check, or a reset that nobody announced.
        tries: 0..10, silent ends of the committed slot since it was last seen healthy, the present boot included.
        resets: 0..10, resets of the committed slot that nobody announced, since its last long quiet time.
        gave: one of GAVE_WAY, why the slot committed before gave way to `active`; the agent reports and clears it.
        said: 0 or 1, whether the agent has announced how the present boot ends: the reset that follows is no failure,
            or one that is counted already.
        rollback_index: 0..2**32-1, the lowest security epoch that may boot.
    """

    FIELDS = (
        "generation", "active", "trial", "left", "fails", "tries", "resets", "gave", "said", "rollback_index",
    )  # fmt: skip
    generation: int
    active: str
    trial: str
    left: int
    fails: int
    tries: int
    resets: int
    gave: str
    said: int
    rollback_index: int


FRESH = BootRecord(0, "a", NO_TRIAL, 0, 0, 0, 0, "-", 0, 0)
"""What the boot script takes where both copies are damaged: slot A, nothing on trial, nothing counted."""


def encode(record: BootRecord) -> bytes:
    """The 512 bytes of one copy.

    Raises:
        FormatError: a field is out of its range.
    """
    _check(record)
    values = {
        "gen": hex(record.generation),
        "act": record.active,
        "try": record.trial,
        "left": _COUNTS[record.left],
        "fails": _COUNTS[record.fails],
        "tries": _COUNTS[record.tries],
        "resets": _COUNTS[record.resets],
        "gave": record.gave,
        "said": str(record.said),
        "ridx": hex(record.rollback_index),
    }
    # Sorted, as U-Boot writes them.
    text = b"".join((name + "=" + values[name]).encode() + b"\0" for name in sorted(_NAMES))
    data = text + bytes(RECORD_BYTES - 4 - len(text))
    return binascii.crc32(data).to_bytes(4, "little") + data


def decode(sector: bytes) -> BootRecord:
    """Read one copy.

    Raises:
        FormatError: wrong length, wrong CRC, or a value missing, repeated, unknown or out of range.
    """
    if len(sector) != RECORD_BYTES:
        raise FormatError("boot record: " + str(len(sector)) + " bytes")
    data = bytes(sector[4:])
    if binascii.crc32(data) != int.from_bytes(sector[:4], "little"):
        raise FormatError("boot record: checksum")
    found: "dict[str, str]" = {}
    for item in data[: data.find(b"\0\0") + 1].split(b"\0"):
        if not item:
            continue
        name, _, value = _text(item).partition("=")
        if name not in _NAMES or name in found:
            raise FormatError("boot record: unexpected " + name)
        found[name] = value
    for name in _NAMES:
        if name not in found:
            raise FormatError("boot record: no " + name)
    record = BootRecord(
        _number(found["gen"]),
        found["act"],
        found["try"],
        _count(found["left"]),
        _count(found["fails"]),
        _count(found["tries"]),
        _count(found["resets"]),
        found["gave"],
        _count(found["said"]),
        _number(found["ridx"]),
    )
    _check(record)
    return record


def newer(first: bytes, second: bytes) -> "tuple[BootRecord | None, int]":
    """Choose between the two copies, as the boot script does.

    Returns:
        The record that counts (None when both copies are damaged), and the index, 0 or 1, of the copy to write next.
    """
    records: "list[BootRecord | None]" = []
    for sector in (first, second):
        try:
            records.append(decode(sector))
        except FormatError:
            records.append(None)
    one, two = records
    if one is None:
        return two, 0
    if two is not None and two.generation > one.generation:
        return two, 0
    return one, 1


def _text(item: bytes) -> str:
    for byte in item:
        if not 0x20 <= byte <= 0x7E:
            raise FormatError("boot record: not ASCII")
    return item.decode()


def _number(text: str) -> int:
    digits = text[2:]
    if text[:2] != "0x" or not 1 <= len(digits) <= 8:
        raise FormatError("boot record: number " + text[:20])
    for char in digits:
        if char not in _HEX:
            raise FormatError("boot record: number " + text[:20])
    return int(digits, 16)


def _count(text: str) -> int:
    if len(text) != 1 or text not in _COUNTS:
        raise FormatError("boot record: count " + text[:20])
    return _COUNTS.index(text)


def _check(record: BootRecord) -> None:
    if record.active not in ("a", "b") or record.trial not in ("a", "b", NO_TRIAL):
        raise FormatError("boot record: slot")
    if record.gave not in GAVE_WAY or record.said not in (0, 1):
        raise FormatError("boot record: gave, said")
    for count in (record.left, record.fails, record.tries, record.resets):
        if not 0 <= count <= COUNT_MAX:
            raise FormatError("boot record: count")
    for number in (record.generation, record.rollback_index):
        if not 0 <= number <= NUMBER_MAX:
            raise FormatError("boot record: number")
