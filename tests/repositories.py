"""Real TUF repositories for tests, made with python-tuf and keys that live only as long as the test.

`Repository` holds the four roles and their signers; change them freely, then `publish()`. `World` holds an image and a
director repository that agree, and drives an `agent.core.trust.Check` against what they published.
"""

import copy
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

from agent.core.clock import Time
from agent.core.trust import Check, Device, Request, SignatureError
from agent.formats import block_tree, release
from agent.formats.tuf import Key

NOW = 1_800_000_000
"""The tests' present: 2027-01-15."""
DEVICE_ID = "abcdefghijklmnopqrstuvwxyz"
DEVICE = Device(id=DEVICE_ID, model="kawa-1", hardware="a", version="1.0.0", rollback_index=1)
SLOT = b"".join(bytes([n]) * 4096 for n in range(3))


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def verify_signature(key: Key, signature: bytes, message: bytes) -> None:
    """What the Linux adapter does: verify by `cryptography`."""
    public = load_pem_public_key(key.public.encode())
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise SignatureError("no EC key")
    try:
        public.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise SignatureError("the signature does not verify") from None


class Repository:
    """One repository: metadata objects, signers by role, and `files`, what a mirror would serve."""

    def __init__(self, root_keys: tuple[int, int], targets_keys: tuple[int, int], now: int = NOW) -> None:
        later = moment(now) + timedelta(days=365)
        self.root = Root(consistent_snapshot=True, expires=later)
        self.timestamp = Timestamp(expires=moment(now) + timedelta(days=1))
        self.snapshot = Snapshot(expires=moment(now) + timedelta(days=7))
        self.targets = Targets(expires=later)
        self.signers: dict[str, list[Signer]] = {}
        counts = {"root": root_keys, "targets": targets_keys, "snapshot": (1, 1), "timestamp": (1, 1)}
        for role, (threshold, count) in counts.items():
            self.signers[role] = []
            for _ in range(count):
                self.add_key(role)
            self.root.roles[role].threshold = threshold
        self.delegated: dict[str, Targets] = {}
        self.files: dict[str, bytes] = {}

    def add_key(self, role: str) -> Signer:
        signer = CryptoSigner.generate_ecdsa()
        self.root.add_key(signer.public_key, role)
        self.signers[role].append(signer)
        return signer

    def replace_key(self, role: str) -> Signer:
        """Revoke the role's first key and give it a new one. The caller bumps and publishes the root."""
        old = self.signers[role].pop(0)
        self.root.revoke_key(old.public_key.keyid, role)
        self.add_key(role)
        return old

    def sign(self, role: str, signed: Signed, extra: tuple[Signer, ...] = ()) -> bytes:
        metadata: Metadata[Any] = Metadata(copy.deepcopy(signed))
        for signer in (*self.signers[role], *extra):
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def role(self, name: str) -> Targets:
        """The top-level targets or a delegated role."""
        return self.targets if name == "targets" else self.delegated[name]

    def delegate(
        self,
        parent: str,
        name: str,
        paths: list[str] | None = None,
        *,
        terminating: bool = False,
        keys: int = 1,
        **how: Any,
    ) -> Targets:
        """Let a role delegate to another, by default for every path without a slash; all of `keys` must sign.

        A role that is there already gets a second parent and further keys. Publish yourself.
        """
        delegator = self.role(parent)
        if delegator.delegations is None:
            delegator.delegations = Delegations({}, roles={})
        if paths is None and "path_hash_prefixes" not in how:
            paths = ["*"]
        assert delegator.delegations.roles is not None
        delegator.delegations.roles[name] = DelegatedRole(name, [], keys, terminating, paths, **how)
        self._join(delegator, name, keys)
        return self.delegated[name]

    def delegate_bins(self, parent: str, bit_length: int, prefix: str = "bin") -> None:
        """Let a role delegate succinctly to bins that one key signs."""
        delegator = self.role(parent)
        succinct = SuccinctRoles([], 1, bit_length, prefix)
        delegator.delegations = Delegations({}, succinct_roles=succinct)
        signer = CryptoSigner.generate_ecdsa()
        delegator.add_key(signer.public_key)
        for name in succinct.get_roles():
            self.delegated[name] = Targets(expires=self.targets.expires)
            self.signers[name] = [signer]

    def _join(self, delegator: Targets, name: str, keys: int) -> None:
        self.delegated.setdefault(name, Targets(expires=self.targets.expires))
        for _ in range(keys):
            signer = CryptoSigner.generate_ecdsa()
            delegator.add_key(signer.public_key, name)
            self.signers.setdefault(name, []).append(signer)

    def file_name(self, role: str, version: int) -> str:
        prefix = f"{version}." if self.root.consistent_snapshot else ""
        return f"{prefix}{quote(role, safe='')}.json"

    def publish_root(self, extra: tuple[Signer, ...] = ()) -> None:
        self.files[f"{self.root.version}.root.json"] = self.sign("root", self.root, extra)

    def next_root(self, extra: tuple[Signer, ...] = ()) -> None:
        self.root.version += 1
        self.publish_root(extra)

    def publish(self) -> None:
        """Sign targets, snapshot and timestamp as they are, with lengths and hashes that fit."""
        for name in (*self.delegated, "targets"):
            self.publish_targets(name)
        self.publish_snapshot()

    def publish_targets(self, name: str) -> None:
        body = self.sign(name, self.role(name))
        self.files[self.file_name(name, self.role(name).version)] = body
        self.snapshot.meta[f"{name}.json"] = meta_file(self.role(name).version, body)

    def publish_snapshot(self) -> None:
        body = self.sign("snapshot", self.snapshot)
        self.files[self.file_name("snapshot", self.snapshot.version)] = body
        self.timestamp.snapshot_meta = meta_file(self.snapshot.version, body)
        self.publish_timestamp()

    def publish_timestamp(self) -> None:
        self.files["timestamp.json"] = self.sign("timestamp", self.timestamp)

    def next(self) -> None:
        """One version further for everything but the root."""
        self.targets.version += 1
        self.snapshot.version += 1
        self.timestamp.version += 1
        self.publish()

    def next_timestamp(self) -> None:
        self.timestamp.version += 1
        self.publish_timestamp()


def meta_file(version: int, body: bytes) -> MetaFile:
    return MetaFile(version, len(body), {"sha256": hashlib.sha256(body).hexdigest()})


def target_file(name: str, content: bytes, custom: dict[str, Any] | None = None) -> TargetFile:
    extra = {} if custom is None else {"custom": custom}
    return TargetFile(len(content), {"sha256": hashlib.sha256(content).hexdigest()}, name, extra)


def make_release(version: str = "1.1.0", slot: bytes = SLOT, **changes: Any) -> release.Release:
    """A consistent release of the content, with some fields changed."""
    blocks = [slot[at : at + 4096] for at in range(0, len(slot), 4096)]
    leaves = b"".join(block_tree.leaf(block) for block in blocks)
    made = release.Release(
        target=f"kawa-1-{version}.slot",
        length_bytes=len(slot),
        sha256=hashlib.sha256(slot).hexdigest(),
        model="kawa-1",
        hardware=("a",),
        version=version,
        security_epoch=1,
        severity="high",
        support_ends="2031-12-31",
        block_count=len(blocks),
        block_bytes=4096,
        tree_root=block_tree.root_of(leaves).hex(),
        tree_name=f"kawa-1-{version}.tree",
        tree_length_bytes=len(leaves),
        tree_sha256=hashlib.sha256(leaves).hexdigest(),
        layout="ab-1",
        requires=(),
        fixed=(release.BOOTLOADER,),
        notes_en="Fixes.",
        notes_ja="修正。",
    )
    return made.replace(**changes)


def slot_target(made: release.Release) -> TargetFile:
    extra = {"custom": release.custom(made)}
    return TargetFile(made.length_bytes, {"sha256": made.sha256}, made.target, extra)


def tree_target(made: release.Release) -> TargetFile:
    return TargetFile(made.tree_length_bytes, {"sha256": made.tree_sha256}, made.tree_name, {})


class World:
    """Image and director repositories, one device's stored trust state, and what it asked for."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now
        self.image = Repository((3, 5), (2, 3), now)
        self.director = Repository((2, 3), (1, 1), now)
        for signed in (self.director.timestamp, self.director.snapshot, self.director.targets):
            signed.unrecognized_fields["x-camward-device"] = DEVICE_ID
        self.issue(now)
        for repository in (self.image, self.director):
            repository.publish_root()
            repository.publish()
        self.stored: dict[str, dict[str, bytes | None]] = {
            "image": {"root": self.image.files["1.root.json"]},
            "director": {"root": self.director.files["1.root.json"]},
        }
        self.asked: list[str] = []
        self.events: list[str] = []

    def repository(self, name: str) -> Repository:
        return self.image if name == "image" else self.director

    def issue(self, at: int) -> None:
        """Set the director's issued_at; publish yourself."""
        self.director.timestamp.unrecognized_fields["x-camward-issued-at"] = moment(at).strftime("%Y-%m-%dT%H:%M:%SZ")

    def add_release(self, made: release.Release) -> release.Release:
        """List a release in the image repository."""
        self.image.targets.targets[made.target] = slot_target(made)
        self.image.targets.targets[made.tree_name] = tree_target(made)
        self.image.next()
        return made

    def assign(self, made: release.Release | None) -> None:
        """Let the director assign this release, or nothing."""
        self.director.targets.targets.clear()
        if made is not None:
            self.director.targets.targets[made.target] = slot_target(made)
        self.director.next()

    def offer(self, made: release.Release) -> release.Release:
        self.add_release(made)
        self.assign(made)
        return made

    def check(self, device: Device = DEVICE, now: int | None = None, time: Time | None = None) -> Check:
        """Start a check with copies of the stored files; `now` alone is what the wall clock says."""
        known = Time(self.now if now is None else now, 0, 0) if time is None else time
        return Check(device, copy.deepcopy(self.stored), known, verify_signature)

    def answer(self, request: Request) -> bytes | None:
        """What the mirror answers; tests override it to attack."""
        return self.repository(request.repository).files.get(request.path)

    def run(self, device: Device = DEVICE, now: int | None = None, time: Time | None = None) -> Check:
        """Drive a check to its end, storing what it accepts. Errors come out after storing."""
        self.asked = []
        self.events = []
        check = self.check(device, now, time)
        while (request := check.wants()) is not None:
            self.asked.append(f"{request.repository}/{request.path}")
            body = self.answer(request)
            try:
                if body is None:
                    check.absent()
                else:
                    check.feed(body)
            finally:
                self.store(check)
        return check

    def store(self, check: Check) -> None:
        for name, body in check.accepted():
            self.events.append(name if body else "-" + name)
            repository, role = name.split("/")
            self.stored[repository][role] = body
