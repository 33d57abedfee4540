"""The factory voucher: bytes to a value, nothing verified yet (that is `agent.core.voucher`).

`{"signed": {"_type": "voucher", "v": 1, "serial": SERIAL, "token": "camward1....", "expires": "...Z"}, "signatures":
[...]}`, signed over the canonical form of `signed`. Members we do not know are kept there, as in TUF metadata. The
factory puts it at `/data/camward/factory/voucher.json` of the one camera with that serial number.
"""

from agent.formats import canonical_json, fields, json, token, tuf, utc
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TYPE = "voucher"
VERSION = 1
MAX_VOUCHER_BYTES = 8 * 1024  # a token of 3.5 KB and a few signatures


class Voucher(Value):
    """The manufacturer's word that the camera `serial` may enrol with `token` until `expires_at`.

    `message` is what the signatures are over.
    """

    FIELDS = ("serial", "token", "expires_at", "signatures", "message")
    serial: str
    token: token.Token
    expires_at: int
    signatures: "tuple[tuf.Signature, ...]"
    message: bytes


def parse(body: bytes) -> Voucher:
    """Read a voucher.

    Raises:
        FormatError: it is none, its token is none, or it exceeds a limit.
    """
    top = json.parse_object(body, MAX_VOUCHER_BYTES)
    signed = fields.obj(top, "signed")
    if fields.text(signed, "_type") != TYPE:
        raise FormatError("this is no voucher")
    fields.integer(signed, "v", VERSION, VERSION)
    return Voucher(
        serial=fields.name(signed, "serial", 64),
        token=token.parse(fields.text(signed, "token", token.MAX_TOKEN_CHARS)),
        expires_at=utc.parse(fields.text(signed, "expires")),
        signatures=tuf.signatures(top),
        message=canonical_json.encode(signed),
    )


def signed_part(serial: str, text: str, expires_at: int) -> "dict[str, Any]":
    """What is signed (in canonical form); `text` is the token as a person would paste it.

    Raises:
        FormatError: `expires_at` is outside 1970 to 9999.
    """
    return {"_type": TYPE, "v": VERSION, "serial": serial, "token": text, "expires": utc.render(expires_at)}
