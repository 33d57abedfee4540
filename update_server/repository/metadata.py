"""Small pure helpers over python-tuf's metadata: make, sign, serialise, describe."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Key, Signer
from tuf.api.metadata import (
    TOP_LEVEL_ROLE_NAMES,
    Metadata,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from agent.formats import tuf
from update_server.errors import Misconfigured

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)
SPEC = "1.0.31"
SANE_VERSIONS = tuf.MAX_VERSION // 2  # no honest server gets there: one version a second for 34 years
ISSUED_AT, DEVICE = "x-camward-issued-at", "x-camward-device"
ALLOW_OLDER = "x-camward-allow-older"  # true in a director's targets: the camera may go back within the epoch
NOT_VERIFIED = (UnverifiedSignatureError, VerificationError)  # what a bad signature or key raises
_SERIALIZER = JSONSerializer(compact=True)


def when(at: int) -> datetime:
    """Unix seconds as TUF's datetime."""
    return datetime.fromtimestamp(at, UTC)


def iso(at: int) -> str:
    """Unix seconds as TUF writes times."""
    return when(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def sign(signed: S, signers: Sequence[Signer]) -> bytes:
    """`signed` with one signature of each signer, serialised."""
    metadata = Metadata(signed)
    for signer in signers:
        add_signature(metadata, signer)
    return encode(metadata)


def add_signature(metadata: Metadata[Any], signer: Signer) -> None:
    """Sign, beside the signatures that are there. (python-tuf's own way hides why a signer failed.)

    Raises:
        SigningFailed: the key is out of reach.
        BadInput: its PIN is not known.
    """
    signature = signer.sign(metadata.signed_bytes)
    metadata.signatures[signature.keyid] = signature


def root(roles: Mapping[str, tuple[Sequence[Key], int]], issued_at: int, expires_at: int, version: int = 1) -> Root:
    """A root role; `roles` gives public keys and threshold of each of the four. It says when it was made, signed."""
    if set(roles) != TOP_LEVEL_ROLE_NAMES:
        raise ValueError("all four roles are needed")
    named = {name: Role([key.keyid for key in keys], threshold) for name, (keys, threshold) in roles.items()}
    public = {key.keyid: key for keys, _ in roles.values() for key in keys}
    extra = {ISSUED_AT: iso(issued_at)}
    return Root(version, SPEC, when(expires_at), public, named, consistent_snapshot=True, unrecognized_fields=extra)


def envelope(body: bytes, kind: type[S]) -> Metadata[S]:
    """Metadata with its signatures.

    Raises:
        Misconfigured: it is damaged, or another role's.
    """
    try:
        parsed: Metadata[S] = Metadata.from_bytes(body)
    except DeserializationError:
        raise _damaged(kind) from None
    if not isinstance(parsed.signed, kind):
        raise _damaged(kind)
    return parsed


def parse(body: bytes, kind: type[S]) -> S:
    """The signed part of metadata that this server wrote itself.

    Raises:
        Misconfigured: it is damaged, or another role's.
    """
    return envelope(body, kind).signed


def _damaged(kind: type[Signed]) -> Misconfigured:
    return Misconfigured(
        f"The {kind.__name__.lower()} metadata is damaged.", "Restore the 'tuf' folder from your backup."
    )


def encode(metadata: Metadata[S]) -> bytes:
    """The file that is served."""
    return metadata.to_bytes(_SERIALIZER)


def signatures(root: Root, role: str, metadata: Metadata[Any]) -> set[str]:
    """The ids of the role's keys whose signature over `metadata` is valid."""
    message, found = metadata.signed_bytes, set()
    for keyid in root.roles[role].keyids:
        signature = metadata.signatures.get(keyid)
        if signature is None:
            continue
        try:
            root.keys[keyid].verify_signature(signature, message)
        except NOT_VERIFIED:
            continue
        found.add(keyid)
    return found


def keyids(body: bytes) -> set[str]:
    """The ids of the keys that have signed a file of ours; the signatures are not looked at. Empty if it is damaged."""
    try:
        return {str(one["keyid"]) for one in json.loads(body)["signatures"]}
    except (ValueError, KeyError, TypeError):
        return set()


def trusted(root: Root, role: str, body: bytes) -> bool:
    """Whether the file is a role's metadata with enough valid signatures of the keys that `root` names."""
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(body)
    except DeserializationError:
        return False
    return bool(metadata.signed.type == role and len(signatures(root, role, metadata)) >= root.roles[role].threshold)


def targets(
    files: dict[str, TargetFile], version: int, expires_at: int, extra: Mapping[str, Any] | None = None
) -> Targets:
    """A targets role without delegations."""
    return Targets(version, SPEC, when(expires_at), files, unrecognized_fields=dict(extra or {}))


def snapshot(targets_version: int, targets_body: bytes, version: int, expires_at: int) -> Snapshot:
    """A snapshot that pins one targets file by version, length and hash."""
    return Snapshot(version, SPEC, when(expires_at), {"targets.json": _meta(targets_version, targets_body)})


def timestamp(snapshot_version: int, version: int, expires_at: int, extra: dict[str, str] | None = None) -> Timestamp:
    """A timestamp that pins one snapshot by its version alone.

    The specification lets length and hashes be absent (4.6), and an idle check is this file: 100 bytes less each. The
    snapshot's own signature vouches for its bytes, and snapshot to targets keeps length and hash.
    """
    return Timestamp(version, SPEC, when(expires_at), MetaFile(snapshot_version), unrecognized_fields=dict(extra or {}))


def version_after(version: int) -> int:
    """The next version of online metadata.

    It begins anew where a thief of the key has counted it up so far that cameras would soon refuse more. They then take
    the low number only after a root that changed the keys of snapshot or timestamp, which is what the thief's end needs
    anyway (fast-forward recovery, 5.3.11).
    """
    return version + 1 if version < SANE_VERSIONS else 1


def _meta(version: int, body: bytes) -> MetaFile:
    return MetaFile(version, len(body), {"sha256": hashlib.sha256(body).hexdigest()})
