"""The envelope of every message between device and server: `{v, type, id, boot, seq, at, body}`, JSON.

Telemetry of several samples is a form of its own (agent.formats.samples), and read and written here as well: the body
is `{"samples": [...]}` then, and `at` the time of the last one.

(id, boot, seq) is unique, which makes ingest idempotent. Reports and evidence also carry `signature`, made by the
device's evidence key over the canonical JSON of the envelope without it; so their bodies hold no floats. Alarms carry
one where they are sealed (agent.formats.cose).
"""

from binascii import hexlify, unhexlify

from agent.formats import canonical_json, fields, samples
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TELEMETRY, SAMPLES = "telemetry", "samples"
TYPES = (TELEMETRY, "alarm", "evidence", "report")
SIGNED_TYPES = ("evidence", "report")
SIGNABLE_TYPES = ("evidence", "report", "alarm")
SEALED_TYPES = ("evidence", "report", "alarm")
"""What leaves sealed, and then signed as well, where the owner's record names a sealing key: what the camera found out
about itself, and all that is said of credentials. Telemetry stays in the clear (docs/threat-model.md)."""
MAX_ENVELOPE_BYTES = 256 * 1024  # evidence with its facts is about 20 KB
ID_CHARS = 26
SIGNATURE_BYTES = 64
_CBOR_MAP = 5  # the major type of a map (RFC 8949, 3.1)
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class Envelope(Value):
    """One message. `signature` is the raw r||s (64 bytes), or empty where it is not signed."""

    FIELDS = ("type", "id", "boot", "seq", "at", "body", "signature")
    type: str
    id: str
    boot: str
    seq: int
    at: int
    body: "dict[str, Any]"
    signature: bytes


def message(envelope: Envelope) -> bytes:
    """The bytes that the evidence key signs.

    Raises:
        FormatError: the body holds a float or something that JSON has not.
    """
    return canonical_json.encode(_members(envelope))


def encode(envelope: Envelope) -> bytes:
    """The message on the wire.

    Raises:
        FormatError: the body holds something that JSON has not, a signed type lacks its signature, or it is too long.
    """
    if envelope.type == TELEMETRY and SAMPLES in envelope.body:
        return samples.encode(envelope.id, envelope.boot, envelope.seq, envelope.body[SAMPLES])
    members = _members(envelope)
    signed = len(envelope.signature) == SIGNATURE_BYTES
    may, must = envelope.type in SIGNABLE_TYPES, envelope.type in SIGNED_TYPES
    if (signed and not may) or (must and not signed) or (envelope.signature and not signed):
        raise FormatError("a " + envelope.type + " with a missing or needless signature")
    if envelope.signature:
        members["signature"] = {"alg": "ES256", "sig": str(hexlify(envelope.signature), "utf-8")}
    wire = dump(members)
    if len(wire) > MAX_ENVELOPE_BYTES:
        raise FormatError("the message is too long")
    return wire


def parse(wire: bytes) -> Envelope:
    """Read a message. Whether the signature verifies, and whether `id` is the sender, is for the caller to check.

    Raises:
        FormatError: it is no message of version 1, nor telemetry of version 2.
    """
    if wire and wire[0] >> 5 == _CBOR_MAP:  # no JSON text begins so
        return _telemetry(samples.parse(wire))
    source = parse_object(wire, MAX_ENVELOPE_BYTES, floats=True)
    fields.integer(source, "v", 1, 1)
    kind = fields.choice(source, "type", TYPES)
    signature = b""
    if kind in SIGNED_TYPES or (kind in SIGNABLE_TYPES and "signature" in source):
        signed = fields.obj(source, "signature")
        fields.choice(signed, "alg", ("ES256",))
        signature = unhexlify(fields.hexadecimal(signed, "sig", SIGNATURE_BYTES))
    return Envelope(
        type=kind,
        id=device_id(source, "id"),
        boot=fields.name(source, "boot", 64),
        seq=fields.integer(source, "seq"),
        at=fields.integer(source, "at"),
        body=fields.obj(source, "body"),
        signature=signature,
    )


def device_id(source: "dict[str, Any]", name: str) -> str:
    """A member that is a device id: 26 characters of lower-case base32.

    Raises:
        FormatError: it is missing or something else.
    """
    found = fields.text(source, name, ID_CHARS)
    if len(found) != ID_CHARS or any(character not in _BASE32 for character in found):
        raise FormatError(name + " is no device id")
    return found


def _telemetry(source: "dict[str, Any]") -> Envelope:
    found = source[SAMPLES]
    at = found[-1][samples.AT]
    return Envelope(TELEMETRY, device_id(source, "id"), source["boot"], source["seq"], at, {SAMPLES: found}, b"")


def _members(envelope: Envelope) -> "dict[str, Any]":
    return {
        "v": 1,
        "type": envelope.type,
        "id": envelope.id,
        "boot": envelope.boot,
        "seq": envelope.seq,
        "at": envelope.at,
        "body": envelope.body,
    }
