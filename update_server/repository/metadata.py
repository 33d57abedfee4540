"""Small pure helpers over python-tuf's metadata: make, sign, serialise, describe."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from securesystemslib.signer import Signer
from tuf.api.metadata import (
    TOP_LEVEL_ROLE_NAMES,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from update_server.errors import Misconfigured

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)
SPEC = "1.0.31"
ISSUED_AT, DEVICE = "x-camward-issued-at", "x-camward-device"
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
        metadata.sign(signer, append=True)
    return metadata.to_bytes(_SERIALIZER)


def parse(body: bytes, kind: type[S]) -> S:
    """The signed part of metadata that this server wrote itself.

    Raises:
        Misconfigured: it is damaged.
    """
    try:
        parsed: Metadata[S] = Metadata.from_bytes(body)
    except DeserializationError:
        raise Misconfigured(
            f"The {kind.__name__.lower()} metadata is damaged.", "Restore the 'tuf' folder from your backup."
        ) from None
    if not isinstance(parsed.signed, kind):
        raise TypeError(f"{kind.__name__} expected")
    return parsed.signed


def root(keys: dict[str, tuple[Sequence[Signer], int]], expires_at: int, version: int = 1) -> Root:
    """A root role; `keys` gives signers and threshold of each of the four roles."""
    if set(keys) != TOP_LEVEL_ROLE_NAMES:
        raise ValueError("all four roles are needed")
    roles = {
        name: Role([s.public_key.keyid for s in signers], threshold) for name, (signers, threshold) in keys.items()
    }
    public = {s.public_key.keyid: s.public_key for signers, _ in keys.values() for s in signers}
    return Root(version, SPEC, when(expires_at), public, roles, consistent_snapshot=True)


def targets(
    files: dict[str, TargetFile], version: int, expires_at: int, extra: dict[str, str] | None = None
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


def _meta(version: int, body: bytes) -> MetaFile:
    return MetaFile(version, len(body), {"sha256": hashlib.sha256(body).hexdigest()})
