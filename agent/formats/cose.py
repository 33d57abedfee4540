"""A sealed message: an envelope that only the operator's server opens, as COSE_Encrypt (RFC 9052, 5.1) in CBOR.

The content is encrypted with AES-256-GCM under a key of the sender's session; that key is encrypted for the recipient
with HPKE (RFC 9180: P-256, HKDF-SHA256, AES-256-GCM, base mode), in the form of "Key Encryption" that
draft-ietf-cose-hpke gives it. Each message carries this encryption of its key, so that it opens alone.

What the draft calls HPKE-7-KE and `ek` has no final numbers yet. The numbers here are from the ranges for private use
and do not change when the draft's do (docs/adr/0032-sealed-messages.md).
"""

from hashlib import sha256

from agent.formats import cbor, fields
from agent.formats.envelope import MAX_ENVELOPE_BYTES
from agent.formats.errors import FormatError
from agent.formats.tuf import SPKI_P256
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TAG = 96  # COSE_Encrypt (RFC 9052, table 1)
ALG, KID, IV = 1, 4, 5  # header parameters (RFC 9052, 3.1)
A256GCM = 3  # RFC 9053, 4.1
SEALING, EK, BOOT, SEQ = -70_001, -70_002, -70_003, -70_004
"""Our own, below -65536: the algorithm that the draft calls HPKE-7-KE; its header parameter `ek`; and the two header
parameters that number a message, `boot` (text) and `seq` (integer) as in the envelope."""

INFO = b"camward sealed message 1"
KID_BYTES = 8  # tells an operator's keys apart; whether it is the right one, the decryption says
ENC_BYTES = 65  # RFC 9180, 7.1: an uncompressed point
CONTENT_KEY_BYTES = 32
TAG_BYTES = 16
WRAPPED_BYTES = CONTENT_KEY_BYTES + TAG_BYTES
IV_BYTES = 12
MAX_BOOT_CHARS = 64  # as in the envelope
OVERHEAD_BYTES = 512  # all that is not the envelope takes less
MAX_SEALED_BYTES = MAX_ENVELOPE_BYTES + OVERHEAD_BYTES
_BEGIN = b"\xd8\x60"  # the tag; no JSON text begins so


class Session(Value):
    """How one content key was encrypted: `kid` of whose key, `enc` and `wrapped` as HPKE gives them."""

    FIELDS = ("kid", "enc", "wrapped")
    kid: bytes
    enc: bytes
    wrapped: bytes


class Sealed(Value):
    """A sealed message. `ciphertext` ends with the tag of GCM."""

    FIELDS = ("session", "boot", "seq", "iv", "ciphertext")
    session: Session
    boot: str
    seq: int
    iv: bytes
    ciphertext: bytes


def key_id(point: bytes) -> bytes:
    """The name of a P-256 public key: the first bytes of the SHA-256 of its SubjectPublicKeyInfo (DER)."""
    return sha256(SPKI_P256 + point).digest()[:KID_BYTES]


def info(kid: bytes) -> bytes:
    """HPKE's `info` when a content key is encrypted: the draft's Recipient_structure."""
    return recipient_structure(A256GCM, _recipient(kid), INFO)


def recipient_structure(content_alg: int, protected: bytes, extra: bytes) -> bytes:
    """Recipient_structure of draft-ietf-cose-hpke, for any algorithm."""
    return cbor.encode(["HPKE Recipient", content_alg, protected, extra])


def associated(topic: str, boot: str, seq: int) -> bytes:
    """What is authenticated with the content: Enc_structure (RFC 9052, 5.3).

    `topic` is the whole topic, with the device's id and the kind of message. It does not travel in the message:
    whoever opens it says where it came from.
    """
    return cbor.encode(["Encrypt", _content(boot, seq), topic.encode()])


def is_sealed(payload: bytes) -> bool:
    """Whether a payload is to be read by `parse`; any other is an envelope in the clear, or nothing."""
    return payload[: len(_BEGIN)] == _BEGIN


def encode(sealed: Sealed) -> bytes:
    """The message on the wire.

    Raises:
        FormatError: a part has another length than it must have.
    """
    session = sealed.session
    recipient = [_recipient(session.kid), {EK: session.enc}, session.wrapped]
    whole = [_content(sealed.boot, sealed.seq), {IV: sealed.iv}, sealed.ciphertext, [recipient]]
    wire = cbor.encode(cbor.Tag(TAG, whole))
    parse(wire)
    return wire


def parse(wire: bytes) -> Sealed:
    """Read a message; nothing is decrypted. `boot` and `seq` are true only if it opens with them.

    Raises:
        FormatError: it is no sealed message in its one form.
    """
    top = cbor.parse(wire, MAX_SEALED_BYTES, (TAG,))
    if not isinstance(top, cbor.Tag):
        raise FormatError("this is no COSE_Encrypt")
    protected, unprotected, ciphertext, recipients = fields.row(top.value, "COSE_Encrypt", 4)
    header = _header(protected, (ALG, BOOT, SEQ))
    if header[ALG] != A256GCM:
        raise FormatError("the content is encrypted otherwise than with A256GCM")
    iv = _sized(_members(unprotected, (IV,))[IV], IV_BYTES, "the IV")
    if not isinstance(ciphertext, bytes) or len(ciphertext) < TAG_BYTES:
        raise FormatError("the content is cut off")
    (recipient,) = fields.row(recipients, "recipients", 1)
    protected, unprotected, wrapped = fields.row(recipient, "a recipient", 3)
    how = _header(protected, (ALG, KID))
    if how[ALG] != SEALING:
        raise FormatError("the content key is encrypted in a way that is not known here")
    return Sealed(
        session=Session(
            kid=_sized(how[KID], KID_BYTES, "kid"),
            enc=_sized(_members(unprotected, (EK,))[EK], ENC_BYTES, "ek"),
            wrapped=_sized(wrapped, WRAPPED_BYTES, "the content key"),
        ),
        boot=fields.as_name(header[BOOT], "boot", MAX_BOOT_CHARS),
        seq=fields.as_integer(header[SEQ], "seq"),
        iv=iv,
        ciphertext=ciphertext,
    )


def _content(boot: str, seq: int) -> bytes:
    return cbor.encode({ALG: A256GCM, BOOT: boot, SEQ: seq})


def _recipient(kid: bytes) -> bytes:
    return cbor.encode({ALG: SEALING, KID: kid})


def _header(protected: "Any", names: "tuple[int, ...]") -> "dict[Any, Any]":
    """A protected header: a map inside a byte string."""
    if not isinstance(protected, bytes):
        raise FormatError("a protected header is no byte string")
    return _members(cbor.parse(protected, OVERHEAD_BYTES), names)


def _members(value: "Any", names: "tuple[int, ...]") -> "dict[Any, Any]":
    """A map with exactly these members: what is not known here might have to be obeyed."""
    if not isinstance(value, dict) or len(value) != len(names) or any(name not in value for name in names):
        raise FormatError("a header has other members than " + ", ".join(str(name) for name in names))
    return value


def _sized(value: "Any", size_bytes: int, what: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != size_bytes:
        raise FormatError(what + " is no byte string of " + str(size_bytes))
    return value
