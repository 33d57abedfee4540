"""TUF metadata: bytes to values, nothing verified yet (that is `agent.core.trust`).

The format is the TUF specification's JSON (1.0, section 4) as python-tuf writes it. Members we do not know are kept
where it matters: the signature is checked over the canonical form of everything under `signed`.

Which keys are understood is an argument (`read_key`). The product's is `read_p256_key`: ECDSA P-256 and nothing else.
Other keys are kept as unsupported, ignored and never counted.
"""

from binascii import unhexlify

from agent.formats import base64, canonical_json, fields, json, utc
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    ReadKey = Callable[[str, str, str, str], "Key"]

MAX_VERSION = 2**31 - 1  # one version per second for 68 years
MAX_SIGNATURES = 32  # each costs a verification, 0.1 s on a small camera
MAX_SIGNATURE_BYTES = 1024  # RSA with 8192 bits; a DER P-256 signature has at most 72
MAX_KEYS = 64
MAX_PUBLIC_CHARS = 8192  # an RSA key of 16384 bits in PEM has 2,900
MAX_THRESHOLD = 32
ROLES = ("root", "targets", "snapshot", "timestamp")
KEY_TYPE = "ecdsa"
KEY_SCHEME = "ecdsa-sha2-nistp256"

_PEM_HEAD = "-----BEGIN PUBLIC KEY-----"
_PEM_TAIL = "-----END PUBLIC KEY-----"
# SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480): everything before the 65 bytes of the point.
SPKI_P256 = unhexlify("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_POINT_BYTES = 65


class Signature(Value):
    """One signature: the key's id and the raw signature bytes."""

    FIELDS = ("keyid", "signature")
    keyid: str
    signature: bytes


class Key(Value):
    """A public key as one file names it.

    `public` is the text of `keyval.public`. `identity` is equal for equal keys however they are written, and different
    for different ones; empty for a key that is not supported. For P-256 it is the uncompressed point (65 bytes).
    """

    FIELDS = ("keyid", "scheme", "public", "identity")
    keyid: str
    scheme: str
    public: str
    identity: bytes


class RoleKeys(Value):
    """Which keys may sign a role, and how many distinct ones must."""

    FIELDS = ("keyids", "threshold")
    keyids: "tuple[str, ...]"
    threshold: int


class MetaFile(Value):
    """What one metadata file says about another.

    `length` and `sha256` may be None (the specification lets them be absent).
    """

    FIELDS = ("version", "length_bytes", "sha256")
    version: int
    length_bytes: "int | None"
    sha256: "bytes | None"


class Target(Value):
    """A target file as targets metadata describes it; `custom` is the parsed custom object ({} if absent).

    `path` is any text: who makes a file name or a URL of it checks or encodes it first. `hashes` has every announced
    hash by its algorithm, unchecked but for SHA-256; `sha256` is lower-case hexadecimal, or empty where it is absent:
    who compares it must refuse that.
    """

    FIELDS = ("path", "length_bytes", "sha256", "custom", "hashes")
    path: str
    length_bytes: int
    sha256: str
    custom: "dict[str, Any]"
    hashes: "dict[str, str]"

    def __init__(
        self,
        path: str,
        length_bytes: int,
        sha256: str,
        custom: "dict[str, Any]",
        hashes: "dict[str, str] | None" = None,
    ) -> None:
        Value.__init__(self, path, length_bytes, sha256, custom, {"sha256": sha256} if hashes is None else hashes)


class Metadata(Value):
    """A parsed metadata file. `message` is what the signatures are over, `signed` the object it was made from."""

    FIELDS = ("role", "version", "expires_at", "signatures", "message", "signed")
    role: str
    version: int
    expires_at: int
    signatures: "tuple[Signature, ...]"
    message: bytes
    signed: "dict[str, Any]"


class Root(Value):
    """What a root file adds: the keys by id, the four roles, and whether file names begin with their version (6.2)."""

    FIELDS = ("metadata", "keys", "roles", "consistent_snapshot")
    metadata: Metadata
    keys: "dict[str, Key]"
    roles: "dict[str, RoleKeys]"
    consistent_snapshot: bool


def parse(body: bytes, role: str, max_bytes: int) -> Metadata:
    """Read a metadata file of the given role.

    Raises:
        FormatError: it is not one, or exceeds a limit.
    """
    top = json.parse_object(body, max_bytes)
    signed = fields.obj(top, "signed")
    if fields.text(signed, "_type") != role:
        raise FormatError("this is no " + role + " metadata")
    specification = fields.text(signed, "spec_version").split(".")
    if specification[0] != "1" or len(specification) < 2:
        raise FormatError("spec_version is not 1.x")
    return Metadata(
        role=role,
        version=fields.integer(signed, "version", 1, MAX_VERSION),
        expires_at=utc.parse(fields.text(signed, "expires")),
        signatures=signatures(top),
        message=canonical_json.encode(signed),
        signed=signed,
    )


def read_p256_key(keyid: str, keytype: str, scheme: str, public: str) -> Key:
    """The key, supported if it is an ECDSA P-256 key in PEM; what the product gives as `read_key`."""
    if keytype != KEY_TYPE or scheme != KEY_SCHEME:
        return Key(keyid, scheme, public, b"")
    try:
        return Key(keyid, scheme, public, point_from_pem(public))
    except FormatError:
        return Key(keyid, scheme, public, b"")


def parse_root(body: bytes, max_bytes: int, read_key: "ReadKey" = read_p256_key) -> Root:
    """Read a root file.

    Raises:
        FormatError: it is not one, exceeds a limit, lacks a role, or has a threshold below 1.
    """
    metadata = parse(body, "root", max_bytes)
    signed = metadata.signed
    listed = fields.obj(signed, "roles")
    return Root(
        metadata=metadata,
        keys=parse_keys(signed, read_key),
        roles={name: role_keys(fields.obj(listed, name)) for name in ROLES},
        # Optional, for repositories older than the member (section 4.3).
        consistent_snapshot="consistent_snapshot" in signed and fields.boolean(signed, "consistent_snapshot"),
    )


def parse_keys(source: "dict[str, Any]", read_key: "ReadKey") -> "dict[str, Key]":
    """The member `keys` of a root file or of delegations, by key id.

    Raises:
        FormatError: it is malformed or has too many keys.
    """
    listed = fields.obj(source, "keys")
    if len(listed) > MAX_KEYS:
        raise FormatError("more than " + str(MAX_KEYS) + " keys")
    keys = {}
    for keyid in listed:
        entry = fields.obj(listed, keyid)
        # Of a kind of key that we do not know, `keyval` may hold anything.
        public = fields.obj(entry, "keyval").get("public")
        if not isinstance(public, str) or len(public) > MAX_PUBLIC_CHARS:
            public = ""
        keys[keyid] = read_key(keyid, fields.text(entry, "keytype"), fields.text(entry, "scheme"), public)
    return keys


def role_keys(source: "dict[str, Any]") -> RoleKeys:
    """Who may sign a role: `keyids` and `threshold` of a root's role or of a delegation.

    A key id without a key is kept; nobody can sign for it.

    Raises:
        FormatError: malformed, a key id repeats, or the threshold is below 1.
    """
    keyids = tuple(fields.as_text(keyid, "a keyid") for keyid in fields.array(source, "keyids", MAX_KEYS))
    if len(set(keyids)) != len(keyids):
        raise FormatError("a keyid repeats")
    return RoleKeys(keyids, fields.integer(source, "threshold", 1, MAX_THRESHOLD))


def snapshot_meta(timestamp: Metadata) -> MetaFile:
    """What a timestamp file says about the snapshot.

    Raises:
        FormatError: it says nothing, or more than that.
    """
    meta = fields.obj(timestamp.signed, "meta")
    if len(meta) != 1:
        raise FormatError("a timestamp names exactly one file")
    return _meta_file(fields.obj(meta, "snapshot.json"))


def targets_metas(snapshot: Metadata) -> "dict[str, MetaFile]":
    """What a snapshot file says about the targets files, by file name; `targets.json` is always among them.

    Raises:
        FormatError: malformed, or `targets.json` is missing.
    """
    meta = fields.obj(snapshot.signed, "meta")
    if "targets.json" not in meta:
        raise FormatError("the snapshot does not name targets.json")
    if len(meta) > fields.MAX_ITEMS:
        raise FormatError("the snapshot names too many files")
    return {name: _meta_file(fields.obj(meta, name)) for name in meta}


def targets_files(targets: Metadata) -> "dict[str, dict[str, Any]]":
    """The raw description of each target by path; `target_file` reads one.

    Raises:
        FormatError: there is no targets object.
    """
    return fields.obj(targets.signed, "targets")


def target_file(targets: Metadata, path: str) -> "Target | None":
    """The description of one target, or None if this file does not list it.

    Raises:
        FormatError: the description is malformed.
    """
    listed = targets_files(targets)
    if path not in listed:
        return None
    entry = fields.obj(listed, path)
    announced = fields.obj(entry, "hashes")
    return Target(
        path=fields.as_text(path, "the target's path"),
        length_bytes=fields.integer(entry, "length"),
        sha256=fields.hexadecimal(announced, "sha256", 32) if "sha256" in announced else "",
        custom=fields.obj(entry, "custom") if "custom" in entry else {},
        hashes={name: fields.text(announced, name) for name in announced},
    )


def has_delegations(targets: Metadata) -> bool:
    """Whether the targets file delegates to others.

    Raises:
        FormatError: `delegations` is no object.
    """
    return "delegations" in targets.signed and len(fields.obj(targets.signed, "delegations")) > 0


def signatures(top: "dict[str, Any]") -> "tuple[Signature, ...]":
    """The member `signatures` beside `signed`.

    Raises:
        FormatError: malformed, too many, or a key id signs twice.
    """
    found = []
    seen = set()
    for item in fields.array(top, "signatures", MAX_SIGNATURES):
        entry = fields.as_object(item, "a signature")
        keyid = fields.text(entry, "keyid", 128)
        if keyid in seen:
            raise FormatError("a key signs twice")
        seen.add(keyid)
        found.append(Signature(keyid, _unhex(fields.text(entry, "sig", 8192))))
    return tuple(found)


def point_from_pem(pem: str) -> bytes:
    """The 65 bytes of the uncompressed P-256 point in a PEM public key.

    One key has exactly one form here, so equal points mean equal keys: the compressed form, other curves, and
    parameters spelled out are refused. Whether the point lies on the curve is for the one who verifies.

    Raises:
        FormatError: anything else.
    """
    lines = [line for line in pem.replace("\r", "").split("\n") if line]
    if len(lines) < 3 or lines[0] != _PEM_HEAD or lines[-1] != _PEM_TAIL:
        raise FormatError("no PEM public key")
    der = base64.decode("".join(lines[1:-1]))
    point = der[len(SPKI_P256) :]
    if der[: len(SPKI_P256)] != SPKI_P256 or len(point) != _POINT_BYTES or point[0] != 4:
        raise FormatError("no uncompressed P-256 public key")
    return point


def _unhex(digits: str) -> bytes:
    """Signature bytes; empty (never valid) where they are longer than any signature or no lower-case hexadecimal.

    A signature by a key type that this agent does not support must not stop the others, hence no error.
    """
    if len(digits) % 2 or len(digits) > 2 * MAX_SIGNATURE_BYTES:
        return b""
    if any(character not in "0123456789abcdef" for character in digits):
        return b""
    return unhexlify(digits)


def _meta_file(entry: "dict[str, Any]") -> MetaFile:
    sha256 = None
    if "hashes" in entry:
        sha256 = unhexlify(fields.hexadecimal(fields.obj(entry, "hashes"), "sha256", 32))
    return MetaFile(
        version=fields.integer(entry, "version", 1, MAX_VERSION),
        length_bytes=fields.integer(entry, "length") if "length" in entry else None,
        sha256=sha256,
    )
