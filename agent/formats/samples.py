"""Telemetry on the wire: a few samples in one message, in deterministic CBOR (docs/schema/telemetry.cddl).

The first sample of a message is whole; each of the others holds what has changed since the one before: of a number the
difference, of a text the new one, null for a member that is not known any more. No message needs another one, so what
is lost, thinned or comes twice damages nothing else.

Version 1 of telemetry is the JSON envelope with the members of one sample in its body (agent.formats.messages). Here is
version 2. Members have numbers, which are never given twice; those that are not known here are ignored: a newer camera
may say more.
"""

from agent.formats import cbor, fields
from agent.formats.errors import FormatError
from agent.formats.messages import MAX_AT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 2
MAX_SAMPLES = 32  # gauges alone have 120 bytes at most in each, so that a message of them stays below 4 KiB
MAX_MESSAGE_BYTES = 8 * 1024  # what the server stores of one
AT = "at"  # Unix seconds, in every sample

NUMBER, TENTHS, TEXT = 0, 1, 2
MEMBERS = (
    (0, AT, NUMBER),
    (1, "version", TEXT),
    (2, "slot", TEXT),
    (3, "phase", TEXT),
    (4, "uptime_s", NUMBER),
    (5, "rss_bytes", NUMBER),
    (6, "mem_available_bytes", NUMBER),
    (7, "disk_free_bytes", NUMBER),
    (8, "outbox_count", NUMBER),
    (9, "outbox_lost", NUMBER),
    (10, "outbox_written_bytes", NUMBER),
    (11, "listeners_count", NUMBER),
    (12, "cpu_percent", TENTHS),
    (13, "temperature_c", TENTHS),
    (14, "problems", TEXT),
    (15, "address", TEXT),
    (16, "serves", TEXT),
    (17, "serves_port", NUMBER),
    (18, "password_age_days", NUMBER),
    (19, "password_policy", TEXT),
    (20, "password_stage", TEXT),
    (21, "passwords_behind", NUMBER),
    (22, "certificate_ends_at", NUMBER),
    (23, "quarantined_at", NUMBER),
    (24, "outage", TEXT),
    (25, "outage_since_at", NUMBER),
    (26, "outage_until_at", NUMBER),
)
"""Number on the wire, name, and how the value is written: `TENTHS` as an integer number of tenths."""
GAUGES = (
    AT, "uptime_s", "rss_bytes", "mem_available_bytes", "disk_free_bytes", "outbox_count", "outbox_written_bytes",
    "cpu_percent", "temperature_c", "password_age_days",
)  # fmt: skip
"""What changes all the time by itself. Anything else that changes is news."""
_BY_NUMBER = {number: (name, kind) for number, name, kind in MEMBERS}
_V, _ID, _BOOT, _SEQ, _SAMPLES = 0, 1, 2, 3, 4


def is_news(before: "dict[str, Any]", after: "dict[str, Any]") -> bool:
    """Whether somebody would want to know what is new in the second of two samples before a while is over."""
    return any(before.get(name) != after.get(name) for _, name, _ in MEMBERS if name not in GAUGES)


def encode(device: str, boot: str, seq: int, samples: "list[dict[str, Any]]") -> bytes:
    """One message. A sample has the members of telemetry (agent.formats.messages) and `at`; others are left out.

    Raises:
        FormatError: there are none, too many, or they are too long together; a value is none of its kind.
    """
    if not 0 < len(samples) <= MAX_SAMPLES:
        raise FormatError("no samples, or too many")
    rows = []
    known: "dict[int, Any]" = {}
    for sample in samples:
        plain = _plain(sample)
        rows.append(_change(known, plain))
        known = plain
    wire = cbor.encode({_V: VERSION, _ID: device, _BOOT: boot, _SEQ: seq, _SAMPLES: rows})
    if len(wire) > MAX_MESSAGE_BYTES:
        raise FormatError("the samples are too long")
    return wire


def parse(wire: bytes) -> "dict[str, Any]":
    """Read a message: `id`, `boot`, `seq`, and `samples`, each whole, the oldest first.

    The samples have the right shape; their values are for `messages.parse_telemetry` to judge.

    Raises:
        FormatError: it is no message of version 2.
    """
    source = cbor.parse(wire, MAX_MESSAGE_BYTES)
    if not isinstance(source, dict) or not fields.is_integer(source.get(_V)) or source[_V] != VERSION:
        raise FormatError("no telemetry of version 2")
    named = {name: source.get(number) for number, name in ((_ID, "id"), (_BOOT, "boot"), (_SEQ, "seq"))}
    rows = fields.array({"samples": source.get(_SAMPLES)}, "samples", MAX_SAMPLES)
    if not rows:
        raise FormatError("samples: there are none")
    found = []
    known: "dict[int, Any]" = {}
    for row in rows:
        known = _changed(known, fields.as_object(row, "a sample"))
        found.append(_named(known))
    return {
        "id": fields.text(named, "id"),
        "boot": fields.name(named, "boot", 64),
        "seq": fields.integer(named, "seq"),
        "samples": found,
    }


def _plain(sample: "dict[str, Any]") -> "dict[int, Any]":
    """Numbers of members, and values as they are written."""
    found: "dict[int, Any]" = {}
    for number, name, kind in MEMBERS:
        value = sample.get(name)
        if value is None:
            continue
        if kind == TENTHS and isinstance(value, (int, float)):
            value = int(value * 10 + (0.5 if value >= 0 else -0.5))
        _check(value, name, kind)
        found[number] = value
    return found


def _change(before: "dict[int, Any]", after: "dict[int, Any]") -> "dict[int, Any]":
    """What has to be said for `before` to become `after`."""
    found: "dict[int, Any]" = {number: None for number in before if number not in after}
    for number, value in after.items():
        if number not in before:
            found[number] = value
        elif before[number] != value:
            found[number] = value if _BY_NUMBER[number][1] == TEXT else value - before[number]
    return found


def _changed(before: "dict[int, Any]", row: "dict[Any, Any]") -> "dict[int, Any]":
    """`before` with what a row says."""
    found = dict(before)
    for number, value in row.items():
        if number not in _BY_NUMBER:
            continue
        name, kind = _BY_NUMBER[number]
        if value is None:
            found.pop(number, None)
            continue
        _check(value, name, kind)
        found[number] = found[number] + value if kind != TEXT and number in found else value
    return found


def _check(value: "Any", name: str, kind: int) -> None:
    if not (isinstance(value, str) if kind == TEXT else fields.is_integer(value)):
        raise FormatError(name + " is of another kind")


def _named(known: "dict[int, Any]") -> "dict[str, Any]":
    """A sample as everything else has it."""
    found = {}
    for number, value in known.items():
        name, kind = _BY_NUMBER[number]
        found[name] = value / 10 if kind == TENTHS else value
    fields.integer(found, AT, 0, MAX_AT)
    return found
