"""The time receipt: bytes to a value, nothing verified yet (that is `agent.core.receipt`).

`{"signed": {"_type": "receipt", "v": 1, "device": ID, "nonce": NONCE, "issued_at": "...Z"}, "signatures": [...]}`,
signed over the canonical form of `signed`. Members we do not know are kept there, as in TUF metadata.
"""

from agent.formats import canonical_json, fields, json, tuf, utc
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TYPE = "receipt"
VERSION = 1
NONCE_BYTES = 16  # 128 bits: no nonce is asked for twice
MAX_RECEIPT_BYTES = 8 * 1024  # as a timestamp: a few signatures are below 1 KB


class Receipt(Value):
    """What the operator's server says about the time, to one camera, in answer to one nonce.

    `message` is what the signatures are over.
    """

    FIELDS = ("device", "nonce", "issued_at", "signatures", "message")
    device: str
    nonce: str
    issued_at: int
    signatures: "tuple[tuf.Signature, ...]"
    message: bytes


def parse(body: bytes) -> Receipt:
    """Read a receipt.

    Raises:
        FormatError: it is none, or exceeds a limit.
    """
    top = json.parse_object(body, MAX_RECEIPT_BYTES)
    signed = fields.obj(top, "signed")
    if fields.text(signed, "_type") != TYPE:
        raise FormatError("this is no time receipt")
    fields.integer(signed, "v", VERSION, VERSION)
    return Receipt(
        device=fields.name(signed, "device"),
        nonce=fields.hexadecimal(signed, "nonce", NONCE_BYTES),
        issued_at=utc.parse(fields.text(signed, "issued_at")),
        signatures=tuf.signatures(top),
        message=canonical_json.encode(signed),
    )


def signed_part(device: str, nonce: str, issued_at: int) -> "dict[str, Any]":
    """What a server signs (in canonical form).

    Raises:
        FormatError: `issued_at` is outside 1970 to 9999.
    """
    return {"_type": TYPE, "v": VERSION, "device": device, "nonce": nonce, "issued_at": utc.render(issued_at)}
