"""The director: per camera, which release it shall install. Root offline (one for the fleet), the other roles online.

Metadata lives in the database as signed bytes, so any server process can answer. It is made when it is first asked for,
when the assignment changes, and when it gets old; an idle fleet costs nothing.
"""

from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from tuf.api.metadata import TargetFile

from update_server.db.models import DirectorMetadata
from update_server.errors import Misconfigured, NotFound
from update_server.files import write_atomic
from update_server.repository import metadata, signers
from update_server.repository.image import ROOT_VALID_S, Lifetimes, Published

ROOT_KEYS, ROOT_THRESHOLD = 3, 2
ROOT_PREFIX = "director-root"
KEPT_VERSIONS = 3  # a camera in the middle of a check still finds the files its timestamp named
ONLINE_ROLES = ("targets", "snapshot", "timestamp")

Versions = tuple[int, int, int]  # of targets, snapshot, timestamp


class Director:
    """Signs and serves director metadata. `folder` holds `N.root.json`, `keys` the three online keys."""

    def __init__(self, folder: Path, keys: Path, lifetimes: Lifetimes, timestamp_age_s: int) -> None:
        self.folder = folder
        self._lifetimes = lifetimes
        self._timestamp_age_s = timestamp_age_s
        self._signers = {role: signers.load(f"file:{keys / f'director-{role}.pem'}") for role in ONLINE_ROLES}

    def root(self, version: int = 1) -> bytes:
        """Root metadata of `version`.

        Raises:
            NotFound: there is no such version (which is how a client learns that it has the newest).
        """
        try:
            return (self.folder / f"{version}.root.json").read_bytes()
        except FileNotFoundError:
            raise NotFound(f"There is no director root {version}.") from None

    def latest_root(self) -> bytes:
        """The newest root metadata.

        Raises:
            Misconfigured: there is none.
        """
        versions = [int(file.name.partition(".")[0]) for file in self.folder.glob("*.root.json")]
        if not versions:
            raise Misconfigured("The director has no root.", "Restore the 'tuf' folder from your backup.")
        return self.root(max(versions))

    def assign(self, session: Session, device_id: str, files: dict[str, TargetFile], now: int) -> Published:
        """Sign and store that the camera shall have exactly `files` (none or one)."""
        targets, snapshot, timestamp = (self._next(session, device_id, role) for role in ONLINE_ROLES)
        versions = (targets, snapshot, timestamp)
        signed = self.compose(device_id, files, versions, now)
        expires_at = now + self._lifetimes.snapshot_s
        self._store(session, device_id, "targets", versions[0], signed.targets, now, expires_at)
        self._store(session, device_id, "snapshot", versions[1], signed.snapshot, now, expires_at)
        stamp_expires_at = now + self._lifetimes.timestamp_s
        self._store(session, device_id, "timestamp", versions[2], signed.timestamp, now, stamp_expires_at)
        return signed

    def compose(self, device_id: str, files: dict[str, TargetFile], versions: Versions, now: int) -> Published:
        """Sign a whole set for a camera (versions of targets, snapshot, timestamp). Stores nothing."""
        expires_at = now + self._lifetimes.snapshot_s
        role = metadata.targets(files, versions[0], expires_at, {metadata.DEVICE: device_id})
        targets = metadata.sign(role, [self._signers["targets"]])
        pinned = metadata.snapshot(versions[0], targets, versions[1], expires_at)
        snapshot = metadata.sign(pinned, [self._signers["snapshot"]])
        stamp = self._sign_stamp(device_id, versions[1], versions[2], now)
        return Published(versions[0], targets, versions[1], snapshot, versions[2], stamp)

    def timestamp(self, session: Session, device_id: str, now: int) -> bytes | None:
        """The camera's timestamp if it is fresh, else None: then call `refresh` in a write transaction."""
        newest = self._newest(session, device_id, "timestamp")
        # Older than this, or from the future: then our clock was ahead, and has been put right.
        if newest is None or not newest.signed_at <= now < newest.signed_at + self._timestamp_age_s:
            return None
        return newest.body

    def refresh(self, session: Session, device_id: str, files: dict[str, TargetFile], now: int) -> bytes:
        """A fresh timestamp; snapshot and targets are signed again as well when half of their life is over."""
        fresh = self.timestamp(session, device_id, now)
        if fresh is not None:
            return fresh
        snapshot = self._newest(session, device_id, "snapshot")
        if snapshot is None or snapshot.expires_at - now < self._lifetimes.snapshot_s / 2:
            return self.assign(session, device_id, files, now).timestamp
        return self._stamp(session, device_id, snapshot.version, now)

    def numbered(self, session: Session, device_id: str, role: str, version: int) -> bytes:
        """`VERSION.ROLE.json` of a camera (targets or snapshot).

        Raises:
            NotFound: it does not exist, or is too old to be kept.
        """
        row = session.get(DirectorMetadata, (device_id, role, version))
        if row is None or role not in ("targets", "snapshot"):
            raise NotFound(f"There is no {version}.{role}.json.")
        return row.body

    def _stamp(self, session: Session, device_id: str, snapshot_version: int, now: int) -> bytes:
        version = self._next(session, device_id, "timestamp")
        body = self._sign_stamp(device_id, snapshot_version, version, now)
        self._store(session, device_id, "timestamp", version, body, now, now + self._lifetimes.timestamp_s)
        return body

    def _sign_stamp(self, device_id: str, snapshot_version: int, version: int, now: int) -> bytes:
        extra = {metadata.ISSUED_AT: metadata.iso(now), metadata.DEVICE: device_id}
        expires_at = now + self._lifetimes.timestamp_s
        role = metadata.timestamp(snapshot_version, version, expires_at, extra)
        return metadata.sign(role, [self._signers["timestamp"]])

    @staticmethod
    def _newest(session: Session, device_id: str, role: str) -> DirectorMetadata | None:
        same = (DirectorMetadata.device_id == device_id, DirectorMetadata.role == role)
        return session.scalars(select(DirectorMetadata).where(*same).order_by(DirectorMetadata.version.desc())).first()

    def _next(self, session: Session, device_id: str, role: str) -> int:
        newest = self._newest(session, device_id, role)
        return newest.version + 1 if newest else 1

    @staticmethod
    def _store(
        session: Session, device_id: str, role: str, version: int, body: bytes, now: int, expires_at: int
    ) -> None:
        session.add(
            DirectorMetadata(
                device_id=device_id, role=role, version=version, body=body, signed_at=now, expires_at=expires_at
            )
        )
        kept = 1 if role == "timestamp" else KEPT_VERSIONS
        same = (DirectorMetadata.device_id == device_id, DirectorMetadata.role == role)
        session.execute(delete(DirectorMetadata).where(*same, DirectorMetadata.version <= version - kept))
        session.flush()


def make(folder: Path, keys: Path, offline: Path, passphrase: bytes, now: int) -> None:
    """Make the director's keys and its first root in existing folders.

    Raises:
        OSError: something cannot be written.
    """
    roots = [signers.make(offline / f"{ROOT_PREFIX}-{n}.pem", passphrase) for n in range(1, ROOT_KEYS + 1)]
    online = {role: ([signers.make(keys / f"director-{role}.pem")], 1) for role in ONLINE_ROLES}
    root = metadata.root({"root": (roots, ROOT_THRESHOLD), **online}, now + ROOT_VALID_S)
    write_atomic(folder / "1.root.json", metadata.sign(root, roots[:ROOT_THRESHOLD]))
