"""The director: per camera, which release it shall install. Root offline (one for the fleet), the other roles online.

Metadata lives in the database as signed bytes, so any server process can answer. It is made when it is first asked for,
when the assignment changes, when it gets old, and when a new root no longer trusts the keys that signed it; an idle
fleet costs nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from tuf.api.metadata import Root, TargetFile, Targets

from agent.formats import canonical_json, receipt, required_change, taken
from update_server.db.models import Device, DirectorMetadata, RequiredChange
from update_server.errors import NotFound
from update_server.files import locked
from update_server.repository import delivery, metadata, signers, verifier
from update_server.repository.image import ROOT_VALID_S, Lifetimes, Published
from update_server.repository.online import Online
from update_server.repository.quorum import Quorum
from update_server.repository.roots import Roots

ROOT = Quorum(2, 3)
ROOT_PREFIX = "director-root"
KEPT_VERSIONS = 3  # a camera in the middle of a check still finds the files its timestamp named
ONLINE_ROLES = ("targets", "snapshot", "timestamp")

Versions = tuple[int, int, int]  # of targets, snapshot, timestamp
How = Mapping[str, Any] | None  # how the files may be fetched and installed (`delivery`)


class Director:
    """Signs and serves director metadata. `folder` holds `N.root.json`, `keys` is the folder of the online keys."""

    def __init__(self, folder: Path, keys: Path, lifetimes: Lifetimes, timestamp_age_s: int) -> None:
        self.folder = folder
        self.roots = Roots(folder, "director")
        self.online = Online(keys)
        self._lifetimes = lifetimes
        self._timestamp_age_s = timestamp_age_s

    def lock(self) -> AbstractContextManager[None]:
        """Exclude others who publish a root, also in other processes."""
        return locked(self.folder.parent / "director.lock")

    def root(self, version: int = 1) -> bytes:
        """Root metadata of `version`.

        Raises:
            NotFound: there is no such version (which is how a client learns that it has the newest).
        """
        return self.roots.body(version)

    def latest_root(self) -> bytes:
        """The newest root metadata.

        Raises:
            Misconfigured: there is none.
        """
        return self.roots.body(self.roots.newest().version)

    def publish_root(self, body: bytes, sample: Published, now: int) -> None:
        """Write the next root durably, after the device's own verifier has accepted it together with `sample`.

        From then on whatever older keys signed is made anew before it is served (`timestamp`).

        Raises:
            PublishRefused: a camera somewhere on the chain of roots would refuse it. Nothing is written.
            OSError: it cannot be written.
        """
        roots = [*self.roots.chain(), body]
        verifier.verify("director", roots, sample.files(), now, {})
        self.roots.publish(len(roots), body)

    def sign_receipt(self, device_id: str, nonce: str, now: int) -> bytes:
        """A signed statement of the time, for the camera that asked with `nonce`, by the timestamp role.

        Raises:
            SigningFailed: the key is out of reach.
        """
        return self._signed(receipt.signed_part(device_id, nonce, now))

    def sign_taken(self, device_id: str, messages: Iterable[taken.One]) -> bytes:
        """A signed statement of what was taken of a camera's messages, by the timestamp role; MAX_MESSAGES at most.

        Raises:
            SigningFailed: the key is out of reach.
        """
        return self._signed(taken.signed_part(device_id, messages))

    def _signed(self, signed: dict[str, Any]) -> bytes:
        message = canonical_json.encode(signed)
        made = [signer.sign(message) for signer in self.online.for_role(self.roots.newest(), "timestamp")]
        signatures = [{"keyid": one.keyid, "sig": one.signature} for one in made]
        return json.dumps({"signed": signed, "signatures": signatures}, separators=(",", ":")).encode()

    def assign(
        self, session: Session, device_id: str, files: dict[str, TargetFile], now: int, how: How = None
    ) -> Published:
        """Sign and store that the camera shall have exactly `files` (none or one), and how it may fetch them.

        Raises:
            PublishRefused: a camera at the newest root would refuse what was signed.
        """
        targets, snapshot, timestamp = (self._next(session, device_id, role) for role in ONLINE_ROLES)
        versions = (targets, snapshot, timestamp)
        device = session.get(Device, device_id)
        allow_older = device is not None and device.allow_older
        change = _change(session, device_id)
        signed = self.compose(device_id, files, versions, now, allow_older=allow_older, how=how, change=change)
        self._verify(signed.files(), now)
        expires_at = now + self._lifetimes.snapshot_s
        self._store(session, device_id, "targets", versions[0], signed.targets, now, expires_at)
        self._store(session, device_id, "snapshot", versions[1], signed.snapshot, now, expires_at)
        stamp_expires_at = now + self._lifetimes.timestamp_s
        self._store(session, device_id, "timestamp", versions[2], signed.timestamp, now, stamp_expires_at)
        return signed

    def compose(
        self,
        device_id: str,
        files: dict[str, TargetFile],
        versions: Versions,
        now: int,
        *,
        allow_older: bool = False,
        how: How = None,
        change: How = None,
    ) -> Published:
        """Sign a whole set for a camera (versions of targets, snapshot, timestamp). Stores nothing.

        With `allow_older` the camera may go back to `files`, within the security epoch. `how` is the delivery, and
        `change` an order to change passwords.
        """
        options: dict[str, Any] = {"allow_older": allow_older, "how": how, "change": change}
        return self.compose_under(self.roots.newest(), device_id, files, versions, now, **options)

    def compose_under(
        self,
        root: Root,
        device_id: str,
        files: dict[str, TargetFile],
        versions: Versions,
        now: int,
        *,
        allow_older: bool = False,
        how: How = None,
        change: How = None,
    ) -> Published:
        """As `compose`, with the online keys that `root` names, which may not be published yet.

        Raises:
            Misconfigured: the server does not have those keys.
            SigningFailed: a token or service is out of reach.
        """
        expires_at = now + self._lifetimes.snapshot_s
        extra: dict[str, Any] = {metadata.DEVICE: device_id}
        if allow_older:
            extra[metadata.ALLOW_OLDER] = True
        if how:
            extra[delivery.DELIVERY] = dict(how)
        if change:
            extra[required_change.MEMBER] = dict(change)
        role = metadata.targets(files, versions[0], expires_at, extra)
        targets = metadata.sign(role, self.online.for_role(root, "targets"))
        pinned = metadata.snapshot(versions[0], targets, versions[1], expires_at)
        pinned.unrecognized_fields[metadata.DEVICE] = device_id
        snapshot = metadata.sign(pinned, self.online.for_role(root, "snapshot"))
        stamp = self._sign_stamp(root, device_id, versions[1], versions[2], now)
        return Published(versions[0], targets, versions[1], snapshot, versions[2], stamp)

    def timestamp(self, session: Session, device_id: str, now: int) -> bytes | None:
        """The camera's timestamp if it is fresh, else None: then call `refresh` in a write transaction."""
        newest = self._newest(session, device_id, "timestamp")
        # Older than this, or from the future: then our clock was ahead, and has been put right.
        if newest is None or not newest.signed_at <= now < newest.signed_at + self._timestamp_age_s:
            return None
        if not self._stands(newest):
            return None
        return newest.body

    def refresh(
        self, session: Session, device_id: str, files: dict[str, TargetFile], now: int, how: How = None
    ) -> bytes:
        """A fresh timestamp.

        Snapshot and targets are signed again as well when half of their life is over, when the root has changed their
        keys, or when there is another delivery or order to change passwords.

        Raises:
            PublishRefused: a camera at the newest root would refuse it, say because that root has expired.
        """
        fresh = self.timestamp(session, device_id, now)
        if fresh is not None:
            return fresh
        snapshot = self._newest(session, device_id, "snapshot")
        targets = self._newest(session, device_id, "targets")
        if (
            snapshot is None or targets is None or snapshot.expires_at - now < self._lifetimes.snapshot_s / 2
            or not self._stands(snapshot) or not self._stands(targets) or _how(targets.body) != (how or None)
            or _how(targets.body, required_change.MEMBER) != _change(session, device_id)
        ):  # fmt: skip
            return self.assign(session, device_id, files, now, how).timestamp
        return self._stamp(session, snapshot, targets, now)

    def delivery(self, session: Session, device_id: str) -> Mapping[str, Any]:
        """How the camera may fetch what it is assigned, as signed last; empty when nothing was said."""
        targets = self._newest(session, device_id, "targets")
        return {} if targets is None else _how(targets.body) or {}

    def redeliver(self, session: Session, device_id: str, files: dict[str, TargetFile], now: int, how: How) -> bool:
        """Sign the same order again if its delivery is not the one given. True if it was.

        Raises:
            PublishRefused: a camera at the newest root would refuse it.
        """
        targets = self._newest(session, device_id, "targets")
        if targets is None or _how(targets.body) == (how or None):
            return False
        self.assign(session, device_id, files, now, how)
        return True

    def numbered(self, session: Session, device_id: str, role: str, version: int) -> bytes:
        """`VERSION.ROLE.json` of a camera (targets or snapshot).

        Raises:
            NotFound: it does not exist, or is too old to be kept.
        """
        row = session.get(DirectorMetadata, (device_id, role, version))
        if row is None or role not in ("targets", "snapshot"):
            raise NotFound(f"There is no {version}.{role}.json.")
        return row.body

    def _stamp(self, session: Session, snapshot: DirectorMetadata, targets: DirectorMetadata, now: int) -> bytes:
        device_id = snapshot.device_id
        version = self._next(session, device_id, "timestamp")
        body = self._sign_stamp(self.roots.newest(), device_id, snapshot.version, version, now)
        below = {f"{row.version}.{row.role}.json": row.body for row in (snapshot, targets)}
        self._verify(below | {"timestamp.json": body}, now)
        self._store(session, device_id, "timestamp", version, body, now, now + self._lifetimes.timestamp_s)
        return body

    def _verify(self, files: Mapping[str, bytes], now: int) -> None:
        version = self.roots.version()
        verifier.verify_under("director", version, self.roots.body(version), files, now)

    def _sign_stamp(self, root: Root, device_id: str, snapshot_version: int, version: int, now: int) -> bytes:
        extra = {metadata.ISSUED_AT: metadata.iso(now), metadata.DEVICE: device_id}
        expires_at = now + self._lifetimes.timestamp_s
        role = metadata.timestamp(snapshot_version, version, expires_at, extra)
        return metadata.sign(role, self.online.for_role(root, "timestamp"))

    @staticmethod
    def _newest(session: Session, device_id: str, role: str) -> DirectorMetadata | None:
        same = (DirectorMetadata.device_id == device_id, DirectorMetadata.role == role)
        return session.scalars(select(DirectorMetadata).where(*same).order_by(DirectorMetadata.version.desc())).first()

    def _next(self, session: Session, device_id: str, role: str) -> int:
        newest = self._newest(session, device_id, role)
        return metadata.version_after(newest.version if newest else 0)

    def _stands(self, row: DirectorMetadata) -> bool:
        """Whether it was signed by enough keys that the newest root names for its role."""
        role = self.roots.newest().roles[row.role]
        return len(metadata.keyids(row.body) & set(role.keyids)) >= role.threshold

    @staticmethod
    def _store(
        session: Session, device_id: str, role: str, version: int, body: bytes, now: int, expires_at: int
    ) -> None:
        kept = 1 if role == "timestamp" else KEPT_VERSIONS
        same = (DirectorMetadata.device_id == device_id, DirectorMetadata.role == role)
        old = (DirectorMetadata.version <= version - kept) | (DirectorMetadata.version >= version)
        session.execute(delete(DirectorMetadata).where(*same, old))
        session.add(
            DirectorMetadata(
                device_id=device_id, role=role, version=version, body=body, signed_at=now, expires_at=expires_at
            )
        )
        session.flush()


def _how(targets: bytes, member: str = delivery.DELIVERY) -> How:
    found: How = metadata.parse(targets, Targets).unrecognized_fields.get(member)
    return found


def _change(session: Session, device_id: str) -> How:
    """The order to change passwords that counts for a camera, as it is signed."""
    row = session.get(RequiredChange, device_id)
    if row is None:
        return None
    names = required_change.RequiredChange.FIELDS
    return required_change.as_json(required_change.RequiredChange(*(getattr(row, name) for name in names)))


def first_root(root_keys: Sequence[Key], root: Quorum, online: Online, now: int) -> Root:
    """The first root, unsigned, with new online keys.

    Raises:
        OSError: a key cannot be written.
    """
    others = {role: ([online.new(f"director-{role}")], 1) for role in ONLINE_ROLES}
    return metadata.root({"root": (root_keys, root.threshold), **others}, now, now + ROOT_VALID_S)


def make(folder: Path, keys: Path, offline: Path, passphrase: bytes, now: int, root: Quorum = ROOT) -> None:
    """Make the director's keys (the offline ones in `offline`) and its first root in existing folders.

    Raises:
        OSError: something cannot be written.
    """
    root_signers = [signers.make(offline / f"{ROOT_PREFIX}-{n}.pem", passphrase) for n in range(1, root.keys + 1)]
    roots = Roots(folder, "director")
    first = first_root([s.public_key for s in root_signers], root, Online(keys), now)
    body = metadata.sign(first, root_signers[: root.threshold])
    verifier.verify_roots("director", [body], now)
    roots.publish(1, body)
