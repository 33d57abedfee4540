"""What the operator's server says it has of a camera's messages: bytes to a value, nothing verified yet.

`{"signed": {"_type": "taken", "v": 1, "device": ID, "messages": [[SEQ, SHA256, CODE], ...]}, "signatures": [...]}`,
signed over the canonical form of `signed`; `agent.core.taken` verifies it. SHA256 is over the message as it was on the
wire, so it names one message and no other one of the same number. CODE is empty for a message that the database has, or
why it will never be taken.

It comes on `camward/1/ID/down/receipt`.
"""

from agent.formats import canonical_json, fields, json, tuf
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

TYPE = "taken"
VERSION = 1
MAX_BYTES = 8 * 1024  # the longest packet that a camera takes
MAX_MESSAGES = 64  # 5 KB
MAX_SIGNATURES = 8  # each may cost the camera a verification
MAX_CODE_CHARS = 32
HASH_BYTES = 32
TOPIC = "camward/1/{}/down/receipt"


class One(Value):
    """One message: its sequence number, the SHA-256 of its bytes (hexadecimal), and the code (empty: taken)."""

    FIELDS = ("seq", "sha256", "code")
    seq: int
    sha256: str
    code: str


class Taken(Value):
    """What is said to one camera. `message` is what the signatures are over."""

    FIELDS = ("device", "messages", "signatures", "message")
    device: str
    messages: "tuple[One, ...]"
    signatures: "tuple[tuf.Signature, ...]"
    message: bytes


def parse(body: bytes) -> Taken:
    """Read one.

    Raises:
        FormatError: it is none, or exceeds a limit.
    """
    top = json.parse_object(body, MAX_BYTES)
    signed = fields.obj(top, "signed")
    if fields.text(signed, "_type") != TYPE:
        raise FormatError("this is no receipt for messages")
    fields.integer(signed, "v", VERSION, VERSION)
    signatures = tuf.signatures(top)
    if len(signatures) > MAX_SIGNATURES:
        raise FormatError("too many signatures")
    return Taken(
        device=fields.name(signed, "device"),
        messages=tuple(_one(item) for item in fields.array(signed, "messages", MAX_MESSAGES)),
        signatures=signatures,
        message=canonical_json.encode(signed),
    )


def signed_part(device: str, messages: "Iterable[One]") -> "dict[str, Any]":
    """What a server signs (in canonical form); at most MAX_MESSAGES."""
    listed = [[one.seq, one.sha256, one.code] for one in messages]
    return {"_type": TYPE, "v": VERSION, "device": device, "messages": listed}


def _one(item: "Any") -> One:
    seq, sha256, code = fields.row(item, "a message", 3)
    return One(
        seq=fields.as_integer(seq, "a sequence number"),
        sha256=fields.as_hex(sha256, "a hash", HASH_BYTES),
        code=fields.as_text(code, "a code", MAX_CODE_CHARS),
    )
