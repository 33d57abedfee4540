"""TPM 2.0 commands and responses: the few that a camera's keys need (TPM 2.0 Library, parts 2 and 3, version 1.38).

Everything is big-endian; a TPM2B is a length of two bytes and so many bytes. All objects have an empty authorisation:
what protects them is that they leave this one chip never. Not here: sessions with encrypted parameters, and policies.
"""

from binascii import unhexlify

from agent.formats.errors import FormatError
from agent.formats.value import Value

MAX_BYTES = 4096  # of a command or response: what every TPM takes, and Linux' driver passes on
HEAD_BYTES = 10  # tag, length, code
NUMBER_BYTES = 32  # a coordinate of P-256, and a half of a signature
SECRET_BYTES = 32
MAX_PRIVATE_BYTES = 1024  # a wrapped P-256 key has 126 with SHA-256
MAX_BLOB_BYTES = 2048

OK = 0
NO_SUCH_HANDLE = 0x8B  # TPM_RC_HANDLE: also an NV index that is not defined
OTHER_SEED = 0x9F  # TPM_RC_INTEGRITY: what is loaded was wrapped by another storage root
UNWRITTEN = 0x14A  # TPM_RC_NV_UNINITIALIZED
TEXTS = {
    0x100: "the TPM has not been started",
    0x101: "the TPM is in failure mode",
    0x120: "the TPM's commands are disabled",
    0x14B: "the TPM has no room left",
    0x14C: "the TPM's index is taken",
    0x85: "the TPM's owner hierarchy is disabled",
    0x8E: "somebody has set a password on the TPM's owner hierarchy",
    0xA2: "somebody has set a password on the TPM's owner hierarchy",
    NO_SUCH_HANDLE: "the TPM has no such object",
    OTHER_SEED: "the key is another TPM's, or this TPM has been cleared",
    UNWRITTEN: "the TPM's index was never written",
    0x902: "the TPM has no room for objects",
    0x921: "the TPM is locked out after wrong passwords",
    0x90A: "the TPM is testing itself",
    0x920: "the TPM's memory needs a pause between writes",
    0x922: "the TPM is busy",
    0x923: "the TPM's memory cannot be written now",
}
"""Response codes without what varies in them (part 2, 6.6), in words."""
PASSING = (0x908, 0x90A, 0x920, 0x922, 0x923)
"""TPM_RC_YIELDED, _TESTING, _NV_RATE, _RETRY, _NV_UNAVAILABLE: nothing was done, and the same command may work soon."""

OWNER = 0x40000001
SECRET_INDEX = 0x0180CA3D
"""Where the device's secret lies: an NV index among those left to the owner (0x01800000 to 0x01BFFFFF)."""
PARTITION_INDEX = 0x0180CA3E
"""Where the secret of the encrypted data partition lies (docs/adr/0044-data-partition.md)."""
CARRIED_INDEX = 0x0180CA3F
"""Where the SHA-256 of what an erase keeps lies, until that is on the new partition (as long as a secret)."""

SIGNING = "signing"
UNSEALING = "unsealing"

_PLAIN, _AUTHORISED = 0x8001, 0x8002  # TPM_ST_NO_SESSIONS, TPM_ST_SESSIONS
_PASSWORD = unhexlify("00000009" + "40000009" + "0000" + "00" + "0000")  # one session: TPM_RS_PW with an empty password
_EMPTY = b"\0\0"
_CREATE_PRIMARY, _CREATE, _LOAD, _FLUSH, _SIGN, _ECDH_ZGEN = 0x131, 0x153, 0x157, 0x165, 0x15D, 0x154
_NV_DEFINE, _NV_UNDEFINE, _NV_WRITE, _NV_READ = 0x12A, 0x122, 0x137, 0x14E
# TPMT_PUBLIC up to the point: ECC, SHA-256, attributes, no policy, symmetric, scheme, P-256, no KDF.
# Storage root, as the TCG's provisioning guidance has it: restricted, decrypt, AES-128 in CFB mode; noDA.
_ROOT = unhexlify("0023" + "000b" + "00030472" + "0000" + "0006" + "0080" + "0043" + "0010" + "0003" + "0010")
# Each: made in this TPM and bound to it and its parent (fixedTPM, fixedParent, sensitiveDataOrigin), used by an empty
# password, out of the dictionary lock (noDA). One signs (ECDSA, SHA-256) and no more; the other does ECDH and no more.
_KINDS = {
    SIGNING: unhexlify("0023" + "000b" + "00040472" + "0000" + "0010" + "0018" + "000b" + "0003" + "0010"),
    UNSEALING: unhexlify("0023" + "000b" + "00020472" + "0000" + "0010" + "0010" + "0003" + "0010"),
}
_NV_ATTRIBUTES = 0x02020002  # written and read by the owner (OWNERWRITE, OWNERREAD), out of the dictionary lock (NO_DA)
_MAGIC = b"camward tpm key 1\n"


class Blob(Value):
    """A key as it is stored: `public` (TPMT_PUBLIC), `private` as the TPM has wrapped it, `point` of the public half.

    `kind` is `SIGNING` or `UNSEALING`, and follows from `public`.
    """

    FIELDS = ("kind", "public", "private", "point")
    kind: str
    public: bytes
    private: bytes
    point: bytes


# Commands


def create_primary() -> bytes:
    """TPM2_CreatePrimary of the storage root: the same key each time, until the TPM is cleared."""
    public = _ROOT + 2 * _sized(bytes(NUMBER_BYTES))
    return _command(_CREATE_PRIMARY, (OWNER,), _new(public))


def create(parent: int, kind: str) -> bytes:
    """TPM2_Create of a P-256 key."""
    return _command(_CREATE, (parent,), _new(_KINDS[kind] + 2 * _EMPTY))


def load(parent: int, blob: Blob) -> bytes:
    """TPM2_Load."""
    return _command(_LOAD, (parent,), _sized(blob.private) + _sized(blob.public))


def flush(handle: int) -> bytes:
    """TPM2_FlushContext."""
    return _head(_PLAIN, _FLUSH, 4) + _u32(handle)


def sign(handle: int, digest: bytes) -> bytes:
    """TPM2_Sign of a SHA-256 digest, by the key's own scheme."""
    no_ticket = unhexlify("8024" + "40000007" + "0000")
    return _command(_SIGN, (handle,), _sized(digest) + _u16(0x0010) + no_ticket)


def multiply(handle: int, point: bytes) -> bytes:
    """TPM2_ECDH_ZGen: the private number times this point (uncompressed, 65 bytes)."""
    both = _sized(point[1 : 1 + NUMBER_BYTES]) + _sized(point[1 + NUMBER_BYTES :])
    return _command(_ECDH_ZGEN, (handle,), _sized(both))


def define_secret(index: int = SECRET_INDEX) -> bytes:
    """TPM2_NV_DefineSpace for a secret."""
    public = _u32(index) + _u16(0x000B) + _u32(_NV_ATTRIBUTES) + _EMPTY + _u16(SECRET_BYTES)
    return _command(_NV_DEFINE, (OWNER,), _EMPTY + _sized(public))


def write_secret(secret: bytes, index: int = SECRET_INDEX) -> bytes:
    """TPM2_NV_Write of the whole secret."""
    return _command(_NV_WRITE, (OWNER, index), _sized(secret) + _u16(0))


def read_secret(index: int = SECRET_INDEX) -> bytes:
    """TPM2_NV_Read of the whole secret."""
    return _command(_NV_READ, (OWNER, index), _u16(SECRET_BYTES) + _u16(0))


def remove_secret(index: int = SECRET_INDEX) -> bytes:
    """TPM2_NV_UndefineSpace."""
    return _command(_NV_UNDEFINE, (OWNER, index), b"")


# Responses. All but `response_code` are for responses whose code is OK.


def response_code(response: bytes) -> int:
    """The code of a whole response, without the number of the parameter or handle that it is about.

    Raises:
        FormatError: it is no response, or not all of one.
    """
    if not HEAD_BYTES <= len(response) <= MAX_BYTES:
        raise FormatError("a TPM's response has " + str(len(response)) + " bytes")
    if _int(response[:2]) not in (_PLAIN, _AUTHORISED) or _int(response[2:6]) != len(response):
        raise FormatError("no response of a TPM")
    code = _int(response[6:HEAD_BYTES])
    return (code & 0x3F) | 0x80 if code & 0x80 else code


def describe(code: int) -> str:
    """A response code in words."""
    return TEXTS[code] if code in TEXTS else "the TPM answered " + hex(code)


def parse_handle(response: bytes) -> int:
    """Of what was created or loaded.

    Raises:
        FormatError: there is none.
    """
    return _Reader(response, HEAD_BYTES).u32()


def parse_created(response: bytes) -> Blob:
    """A response to TPM2_Create; what follows the two halves of the key is of no use here.

    Raises:
        FormatError: it is none, or the key is not of a kind that is made here.
    """
    reader = _Reader(_parameters(response), 0)
    private = reader.sized(MAX_PRIVATE_BYTES)
    return _blob(reader.sized(MAX_BLOB_BYTES), private)


def parse_signature(response: bytes) -> bytes:
    """r and s of 32 bytes each.

    Raises:
        FormatError: it is no ECDSA signature with SHA-256.
    """
    reader = _Reader(_parameters(response), 0)
    if reader.take(4) != unhexlify("0018000b"):
        raise FormatError("no ECDSA signature with SHA-256")
    r, s = reader.number(), reader.number()
    reader.end()
    return r + s


def parse_product(response: bytes) -> bytes:
    """The x coordinate (32 bytes) of a response to TPM2_ECDH_ZGen, which is what ECDH agrees on.

    Raises:
        FormatError: it is none.
    """
    reader = _Reader(_parameters(response), 0)
    inner = _Reader(reader.sized(MAX_BLOB_BYTES), 0)
    reader.end()
    x, _ = inner.number(), inner.number()
    inner.end()
    return x


def parse_secret(response: bytes) -> bytes:
    """The whole secret.

    Raises:
        FormatError: it is not of the right length.
    """
    reader = _Reader(_parameters(response), 0)
    secret = reader.sized(SECRET_BYTES)
    reader.end()
    if len(secret) != SECRET_BYTES:
        raise FormatError("the device's secret in the TPM is cut off")
    return secret


# Stored keys


def encode_blob(blob: Blob) -> bytes:
    """The document: a line of text, the public half and the wrapped private half, each as a TPM2B."""
    return _MAGIC + _sized(blob.public) + _sized(blob.private)


def parse_blob(body: bytes) -> Blob:
    """A stored key. That it belongs to this TPM, only loading it shows.

    Raises:
        FormatError: it is none, or the key is not of a kind that is made here.
    """
    if len(body) > MAX_BLOB_BYTES or body[: len(_MAGIC)] != _MAGIC:
        raise FormatError("no stored key of a TPM")
    reader = _Reader(body, len(_MAGIC))
    public = reader.sized(MAX_BLOB_BYTES)
    private = reader.sized(MAX_PRIVATE_BYTES)
    reader.end()
    return _blob(public, private)


def _blob(public: bytes, private: bytes) -> Blob:
    for kind, head in _KINDS.items():
        if public[: len(head)] == head:
            reader = _Reader(public, len(head))
            point = b"\x04" + reader.number() + reader.number()
            reader.end()
            return Blob(kind, bytes(public), bytes(private), point)
    raise FormatError("a TPM key of another kind")


def _parameters(response: bytes) -> bytes:
    """Of a response with one session."""
    reader = _Reader(response, HEAD_BYTES)
    if _int(response[:2]) != _AUTHORISED:
        raise FormatError("a TPM's response without a session")
    return reader.take(reader.u32())


def _command(code: int, handles: "tuple[int, ...]", parameters: bytes) -> bytes:
    body = b"".join([_u32(handle) for handle in handles]) + _PASSWORD + parameters
    return _head(_AUTHORISED, code, len(body)) + body


def _head(tag: int, code: int, body_bytes: int) -> bytes:
    return _u16(tag) + _u32(HEAD_BYTES + body_bytes) + _u32(code)


def _new(public: bytes) -> bytes:
    """What both ways of creating take: an empty password, no data, the template, nothing from outside, no PCRs."""
    return _sized(2 * _EMPTY) + _sized(public) + _EMPTY + _u32(0)


def _sized(body: bytes) -> bytes:
    return _u16(len(body)) + body


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _int(body: bytes) -> int:
    return int.from_bytes(body, "big")


class _Reader:
    """Takes pieces off the front."""

    def __init__(self, body: bytes, at: int) -> None:
        self._body = body
        self._at = at

    def take(self, count: int) -> bytes:
        piece = self._body[self._at : self._at + count]
        if len(piece) != count:
            raise FormatError("a TPM's structure is cut off")
        self._at += count
        return piece

    def u32(self) -> int:
        return _int(self.take(4))

    def sized(self, max_bytes: int) -> bytes:
        count = _int(self.take(2))
        if count > max_bytes:
            raise FormatError("a TPM's structure is too long")
        return self.take(count)

    def number(self) -> bytes:
        """32 bytes; some TPMs leave leading zeros out."""
        short = self.sized(NUMBER_BYTES)
        return bytes(NUMBER_BYTES - len(short)) + short

    def end(self) -> None:
        if self._at != len(self._body):
            raise FormatError("a TPM's structure is too long")
