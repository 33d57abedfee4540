"""One TUF repository as a conversation: the client workflow of the specification (1.0.34, section 5), sans-I/O.

Each method is a generator: it yields a `Request` and is sent the body, or None where the repository has no such file.
What it has verified it hands to `keep` at once, which the caller stores before answering the next request.

Decisions where the specification leaves room or we are stricter:

* Equal version, different `signed` content is refused as equivocation, for every role. (Fresh signatures over the same
  content are fine: ECDSA signatures differ each time they are made.)
* A version more than MAX_VERSION_STEP ahead of the stored one is refused as fast-forward.
* After a rotation that takes a key from timestamp or snapshot, every stored file but the root is deleted (5.3.11), so
  that versions forged with the stolen key bind nobody. A key that only joins a role deletes nothing.
* Stored timestamp, snapshot and targets count only while they are well formed and verify under the current root.
  Otherwise they are as good as absent: damaged or expired stored metadata never blocks fresh metadata.
* A stored snapshot or targets file that satisfies the new timestamp or snapshot is not fetched again.
"""

from agent.core import trust_threshold
from agent.core.trust_checks import matches, meta_not_older, not_older, same_version
from agent.core.trust_errors import (
    ArbitrarySoftware,
    DamagedRoot,
    EndlessData,
    FastForward,
    Freeze,
    MixAndMatch,
    RevokedKey,
    Rollback,
    TrustError,
)
from agent.formats import percent, tuf
from agent.formats.errors import FormatError, Unavailable
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeVar

    from agent.core.trust_threshold import VerifySignature

    T = TypeVar("T")
    Keep = Callable[[str, bytes], None]
    Conversation = Generator["Request", "bytes | None", T]

MAX_ROOT_BYTES = 64 * 1024  # 3-of-5 is 3 KB; room for 64 keys
MAX_TIMESTAMP_BYTES = 8 * 1024  # one file name and a few signatures are below 1 KB
MAX_SNAPSHOT_BYTES = 64 * 1024  # 256 hash bins are 7 KB
MAX_TARGETS_BYTES = 512 * 1024  # about 500 releases; delegations come before more
MAX_ROOT_ROTATIONS = 32  # per session; a camera that slept through more goes on next time


class Request(Value):
    """A file to fetch: `repository` is "image" or "director", `path` is relative to its metadata folder."""

    FIELDS = ("repository", "path", "max_bytes")
    repository: str
    path: str
    max_bytes: int


class Repository:
    """The trusted state of one repository, and the steps that advance it.

    Args:
        name: as the requests and the errors call it.
        stored: the files by role, None or empty where there is none.
        verify: called with key, signature and message; returns, or raises SignatureError.
        keep: called with role and body of whatever was verified; an empty body means that the stored file must go.
        read_key: which keys are supported.
        admit: called with validly signed timestamp, snapshot and targets files; raises for what is not meant for us.
            What it refuses is never kept, and what is stored counts only while it is admitted.

    Attributes:
        root: the trusted root.
        rotated: the roles that lost a key to a new root since this object was made.

    Raises:
        DamagedRoot: the stored root does not parse or verify.
    """

    def __init__(
        self,
        name: str,
        stored: "dict[str, bytes | None]",
        verify: "VerifySignature",
        keep: "Keep",
        read_key: "tuf.ReadKey" = tuf.read_p256_key,
        admit: "Callable[[tuf.Metadata], None] | None" = None,
    ) -> None:
        self.name = name
        self.read_key = read_key
        self._verify = verify
        self._keep = keep
        self._admit = admit or _everything
        self._retired: "dict[str, set[str]]" = {role: set() for role in tuf.ROLES}
        self.rotated: "set[str]" = set()
        self._stored = dict(stored)
        try:
            self.root = tuf.parse_root(stored.get("root") or b"", MAX_ROOT_BYTES, read_key)
            self.verify_role(self.root.metadata, self.root)
        except (FormatError, TrustError) as error:
            raise DamagedRoot(name + " root: " + str(error)) from None
        self._load()

    def _load(self) -> None:
        """Read the stored files that still verify."""
        self.old_timestamp = self._stored_top("timestamp", MAX_TIMESTAMP_BYTES)
        self.old_snapshot = self._stored_top("snapshot", MAX_SNAPSHOT_BYTES)
        self.old_targets = self._stored_top("targets", MAX_TARGETS_BYTES)

    def _stored_top(self, role: str, max_bytes: int) -> "tuf.Metadata | None":
        return self._usable(role, role, max_bytes, self.root.roles[role], self.root.keys)

    def _usable(
        self, role: str, kind: str, max_bytes: int, allowed: "tuf.RoleKeys", keys: "dict[str, tuf.Key]"
    ) -> "tuf.Metadata | None":
        """The stored file of a role, while it is well formed and verifies."""
        body = self._stored.get(role)
        if not body:
            return None
        try:
            metadata = tuf.parse(body, kind, max_bytes)
            self._verify_by(metadata, role, allowed, keys)
            if kind == "timestamp":
                tuf.snapshot_meta(metadata)
            elif kind == "snapshot":
                tuf.targets_metas(metadata)
            self._admit(metadata)
        except (FormatError, TrustError):
            return None
        return metadata

    def verify_role(self, metadata: "tuf.Metadata", root: "tuf.Root") -> None:
        """Check that the threshold of a top role's keys has signed.

        Raises:
            RevokedKey: too few have, and a key signed that this session's rotations took from the role.
            ArbitrarySoftware: too few have.
        """
        self._verify_by(metadata, metadata.role, root.roles[metadata.role], root.keys)

    def _verify_by(
        self, metadata: "tuf.Metadata", role: str, allowed: "tuf.RoleKeys", keys: "dict[str, tuf.Key]"
    ) -> None:
        found = trust_threshold.count(metadata.message, metadata.signatures, allowed, keys, self._verify)
        if found >= allowed.threshold:
            return
        detail = self.name + " " + role + " " + str(metadata.version) + ": "
        if any(signature.keyid in self._retired.get(role, ()) for signature in metadata.signatures):
            raise RevokedKey(detail + "signed by a key that the root has revoked")
        raise ArbitrarySoftware(detail + str(found) + " of " + str(allowed.threshold) + " needed signatures")

    def refresh_root(self, now: int) -> "Conversation[bool]":
        """Walk the root chain to its end and refuse an expired last root (5.3). Returns whether anything changed.

        Raises:
            TrustError: a link of the chain is refused, or the last root has expired.
            FormatError: a root is malformed.
        """
        moved = yield from self.walk_root()
        self.check_expiry(self.root.metadata, now)
        return moved

    def walk_root(self) -> "Conversation[bool]":
        """`refresh_root` without the last step: the caller must look at the last root's expiry.

        Raises:
            TrustError: a link of the chain is refused.
            FormatError: a root is malformed.
        """
        first = self.root.metadata.version
        for _ in range(MAX_ROOT_ROTATIONS):
            path = str(self.root.metadata.version + 1) + ".root.json"
            body = yield Request(self.name, path, MAX_ROOT_BYTES)
            if body is None:
                break
            self._rotate(body)
        if self.root.metadata.version != first:
            self._load()
        return self.root.metadata.version != first

    def _rotate(self, body: bytes) -> None:
        """One link: signed by the old root's keys and by its own, and exactly one version further (5.3.4, 5.3.5)."""
        new = tuf.parse_root(body, MAX_ROOT_BYTES, self.read_key)
        old = self.root
        self.verify_role(new.metadata, old)
        self.verify_role(new.metadata, new)
        if new.metadata.version <= old.metadata.version:
            raise Rollback(self.name + " root " + str(new.metadata.version) + " after " + str(old.metadata.version))
        if new.metadata.version != old.metadata.version + 1:
            raise FastForward(self.name + " root " + str(new.metadata.version) + " skips versions")
        for role in tuf.ROLES:
            before, after = old.roles[role], new.roles[role]
            self._retired[role].update(set(before.keyids) - set(after.keyids))
            self._retired[role].difference_update(after.keyids)
        lost = [role for role in tuf.ROLES if not _identities(old, role) <= _identities(new, role)]
        self.root = new
        self.rotated.update(lost)
        self._accept("root", body)
        if "timestamp" in lost or "snapshot" in lost:
            # Fast-forward recovery (5.3.11). Saved after the root: until then the old root's rollback protection holds.
            for role in sorted(self._stored, reverse=True):
                if role != "root" and self._stored[role]:
                    self._accept(role, b"")

    def _accept(self, role: str, body: bytes) -> None:
        self._stored[role] = body
        self._keep(role, body)

    def take_timestamp(self, body: bytes, now: int) -> "tuf.Metadata":
        """Verify a new timestamp against the stored one (5.4). The caller checks expiry and keeps it.

        Raises:
            TrustError: it is refused.
            FormatError: it is malformed.
        """
        new = tuf.parse(body, "timestamp", MAX_TIMESTAMP_BYTES)
        self.verify_role(new, self.root)
        named = tuf.snapshot_meta(new)
        self._admit(new)
        not_older(self.name, new, "timestamp", self.old_timestamp)
        if self.old_timestamp is not None:
            meta_not_older(self.name, "snapshot.json", named, tuf.snapshot_meta(self.old_timestamp))
        if self.old_snapshot is not None and named.version < self.old_snapshot.version:
            raise Rollback(self.name + " timestamp names snapshot " + str(named.version))
        self.check_expiry(new, now)
        return new

    def refresh_timestamp(self, now: int) -> "Conversation[tuple[tuf.Metadata, bytes]]":
        """Fetch and verify the timestamp (5.4); the caller may look further before it keeps it.

        Raises:
            TrustError: it is refused.
            FormatError: it is malformed.
            Unavailable: the repository has none.
        """
        body = yield from self._fetch("timestamp.json", MAX_TIMESTAMP_BYTES)
        return self.take_timestamp(body, now), body

    def keep_timestamp(self, timestamp: "tuf.Metadata", body: bytes) -> None:
        """Make a verified timestamp the trusted one."""
        self.old_timestamp = timestamp
        self._accept("timestamp", body)

    def refresh_snapshot(self, timestamp: "tuf.Metadata", now: int) -> "Conversation[tuf.Metadata]":
        """Bring the snapshot to what the timestamp names (5.5).

        Raises:
            TrustError: it is refused.
            FormatError: it is malformed.
            Unavailable: the repository has none.
        """
        named = tuf.snapshot_meta(timestamp)
        current = self.current_snapshot(timestamp, now)
        if current is not None:
            return current
        body = yield from self._fetch(self._path("snapshot", named), _limit(named, MAX_SNAPSHOT_BYTES))
        matches(self.name, body, named, "snapshot")
        new = tuf.parse(body, "snapshot", MAX_SNAPSHOT_BYTES)
        self.verify_role(new, self.root)
        same_version(self.name, new, "snapshot", named)
        not_older(self.name, new, "snapshot", self.old_snapshot)
        metas = tuf.targets_metas(new)
        self._admit(new)
        if self.old_snapshot is not None:
            old_metas = tuf.targets_metas(self.old_snapshot)
            for name in old_metas:
                if name not in metas:
                    raise Rollback(self.name + " snapshot no longer names " + name[:64])
                meta_not_older(self.name, name, metas[name], old_metas[name])
        self.check_expiry(new, now)
        self.old_snapshot = new
        self._accept("snapshot", body)
        return new

    def refresh_targets(self, snapshot: "tuf.Metadata", now: int) -> "Conversation[tuf.Metadata]":
        """Bring the top-level targets to what the snapshot names (5.6).

        Raises:
            TrustError: it is refused.
            FormatError: it is malformed.
            Unavailable: the repository has none.
        """
        named = tuf.targets_metas(snapshot)["targets.json"]
        role = self.root.roles["targets"]
        self.old_targets = yield from self._refresh("targets", role, self.root.keys, named, self.old_targets, now)
        return self.old_targets

    def refresh_delegated(
        self, role: str, allowed: "tuf.RoleKeys", keys: "dict[str, tuf.Key]", named: "tuf.MetaFile", now: int
    ) -> "Conversation[tuf.Metadata]":
        """Bring a delegated role to what the snapshot names, verified by the keys of the one who delegates (5.6.7).

        Raises:
            TrustError: it is refused.
            FormatError: it is malformed.
            Unavailable: the repository has none.
        """
        old = self._usable(role, "targets", MAX_TARGETS_BYTES, allowed, keys)
        return (yield from self._refresh(role, allowed, keys, named, old, now))

    def _refresh(
        self,
        role: str,
        allowed: "tuf.RoleKeys",
        keys: "dict[str, tuf.Key]",
        named: "tuf.MetaFile",
        old: "tuf.Metadata | None",
        now: int,
    ) -> "Conversation[tuf.Metadata]":
        """A targets file, top-level or delegated: the stored one if it is what the snapshot names, else fetched."""
        current = self._current(old, role, named, now)
        if current is not None:
            return current
        body = yield from self._fetch(self._path(role, named), _limit(named, MAX_TARGETS_BYTES))
        matches(self.name, body, named, role)
        new = tuf.parse(body, "targets", MAX_TARGETS_BYTES)
        self._verify_by(new, role, allowed, keys)
        tuf.targets_files(new)
        self._admit(new)
        same_version(self.name, new, role, named)
        not_older(self.name, new, role, old)
        self._check_expiry(new, role, now)
        self._accept(role, body)
        return new

    def current_snapshot(self, timestamp: "tuf.Metadata", now: int) -> "tuf.Metadata | None":
        """The stored snapshot, if it is exactly what the timestamp names and has not expired."""
        return self._current(self.old_snapshot, "snapshot", tuf.snapshot_meta(timestamp), now)

    def current_targets(self, snapshot: "tuf.Metadata", now: int) -> "tuf.Metadata | None":
        """The stored targets, if they are exactly what the snapshot names and have not expired."""
        return self._current(self.old_targets, "targets", tuf.targets_metas(snapshot)["targets.json"], now)

    def _current(
        self, stored: "tuf.Metadata | None", role: str, named: "tuf.MetaFile", now: int
    ) -> "tuf.Metadata | None":
        if stored is None or stored.version != named.version or stored.expires_at <= now:
            return None
        try:
            matches(self.name, self._stored.get(role) or b"", named, role)
        except MixAndMatch:
            return None
        return stored

    def _path(self, role: str, named: "tuf.MetaFile") -> str:
        """The file name of a role (5.5.1, 5.6.1, 6.2). A delegated role may be called anything, so it is encoded."""
        return (str(named.version) + "." if self.root.consistent_snapshot else "") + percent.encode(role) + ".json"

    def _fetch(self, path: str, max_bytes: int) -> "Conversation[bytes]":
        body = yield Request(self.name, path, max_bytes)
        if body is None:
            raise Unavailable(self.name + "/" + path + " is missing from the repository")
        return body

    def check_expiry(self, metadata: "tuf.Metadata", now: int) -> None:
        """Refuse expired metadata of a top role (5.3.10, 5.4.4, 5.5.6, 5.6.5).

        Raises:
            Freeze: it has expired.
        """
        self._check_expiry(metadata, metadata.role, now)

    def _check_expiry(self, metadata: "tuf.Metadata", role: str, now: int) -> None:
        if metadata.expires_at <= now:
            raise Freeze(self.name + " " + role + " " + str(metadata.version) + " has expired")


def _everything(metadata: "tuf.Metadata") -> None:
    """Admits all that is signed: who makes repositories for everybody does not say for whom."""


def check_length(request: Request, body: bytes) -> None:
    """Refuse a body longer than its request allows.

    Raises:
        EndlessData: it is longer.
    """
    if len(body) > request.max_bytes:
        raise EndlessData(request.repository + "/" + request.path + " exceeds " + str(request.max_bytes) + " bytes")


def _limit(named: "tuf.MetaFile", most: int) -> int:
    if named.length_bytes is None:
        return most
    if named.length_bytes > most:
        raise EndlessData(
            "a file of " + str(named.length_bytes) + " bytes is announced, at most " + str(most) + " are taken"
        )
    return named.length_bytes


def _identities(root: "tuf.Root", role: str) -> "set[bytes]":
    """The supported keys of a role; by the keys themselves, so that a renamed key is no rotation."""
    return {root.keys[keyid].identity for keyid in root.roles[role].keyids if keyid in root.keys} - {b""}
