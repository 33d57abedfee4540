"""The image repository: static TUF files in a folder, root and targets signed offline, snapshot and timestamp online.

Publication writes the numbered files first and `timestamp.json` last: a client sees the old repository or the new one.
"""

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from securesystemslib.signer import Signer
from tuf.api.metadata import Root, Snapshot, TargetFile, Targets, Timestamp

from update_server.errors import Misconfigured, NotFound
from update_server.files import locked, write_atomic
from update_server.repository import metadata, signers

DAY_S = 86_400
ROOT_KEYS, ROOT_THRESHOLD = 5, 3
TARGETS_KEYS, TARGETS_THRESHOLD = 3, 2
ROOT_VALID_S = 10 * 365 * DAY_S  # a camera off the shelf must still start; the ceremony renews it long before
TARGETS_VALID_S = 365 * DAY_S
ROOT_PREFIX, TARGETS_PREFIX = "image-root", "image-targets"


@dataclasses.dataclass(frozen=True)
class Published:
    """One consistent state of the image repository, as the bytes a client downloads."""

    targets_version: int
    targets: bytes
    snapshot_version: int
    snapshot: bytes
    timestamp_version: int
    timestamp: bytes

    def files(self) -> dict[str, bytes]:
        """Name to bytes, in the order in which they must be written."""
        return {
            f"{self.targets_version}.targets.json": self.targets,
            f"{self.snapshot_version}.snapshot.json": self.snapshot,
            "timestamp.json": self.timestamp,
        }


@dataclasses.dataclass(frozen=True)
class Lifetimes:
    """How long online-signed metadata is valid, in seconds."""

    timestamp_s: int
    snapshot_s: int


class ImageRepository:
    """Reads and publishes the repository in `folder`. Writers hold `lock()`."""

    def __init__(self, folder: Path, keys: Path, lifetimes: Lifetimes) -> None:
        self.folder = folder
        self._lifetimes = lifetimes
        self._snapshot_signer = signers.load(f"file:{keys / 'image-snapshot.pem'}")
        self._timestamp_signer = signers.load(f"file:{keys / 'image-timestamp.pem'}")

    def lock(self) -> AbstractContextManager[None]:
        """Exclude other writers, also in other processes."""
        return locked(self.folder.parent / "image.lock")

    def root(self, version: int = 1) -> bytes:
        """Root metadata of `version`.

        Raises:
            NotFound: there is no such version.
        """
        try:
            return (self.folder / f"{version}.root.json").read_bytes()
        except FileNotFoundError:
            raise NotFound(f"There is no image root {version}.") from None

    def current(self) -> Published:
        """The published state.

        Raises:
            Misconfigured: a file is missing.
        """
        timestamp = self._read("timestamp.json")
        stamp = metadata.parse(timestamp, Timestamp)
        snapshot = self._read(f"{stamp.snapshot_meta.version}.snapshot.json")
        targets_version = metadata.parse(snapshot, Snapshot).meta["targets.json"].version
        return Published(
            targets_version, self._read(f"{targets_version}.targets.json"),
            stamp.snapshot_meta.version, snapshot, stamp.version, timestamp,
        )  # fmt: skip

    def targets(self) -> dict[str, TargetFile]:
        """The published targets by name."""
        return dict(metadata.parse(self.current().targets, Targets).targets)

    def sign_targets(self, files: dict[str, TargetFile], offline: Sequence[Signer], now: int) -> Published:
        """A new state with exactly `files` as its targets. Nothing is written.

        Raises:
            Misconfigured: the offline signers are not those of the root.
        """
        before = self.current()
        self._require_targets_keys(offline)
        version = before.targets_version + 1
        body = metadata.sign(metadata.targets(files, version, now + TARGETS_VALID_S), offline)
        return self._sign_online(version, body, before.snapshot_version + 1, before.timestamp_version + 1, now)

    def publish(self, state: Published) -> None:
        """Write `state`, timestamp last and durably. The caller has verified it with the device's own verifier.

        Raises:
            OSError: the disk is full; clients keep seeing the state before.
        """
        for name, body in state.files().items():
            write_atomic(self.folder / name, body)

    def resign(self, now: int) -> bool:
        """Sign timestamp (and snapshot) again when less than half of their life is left. True if something was.

        Also when more than their whole life is left: then our clock was ahead, and has been put right.
        """
        with self.lock():
            before = self.current()
            stamp_left = metadata.parse(before.timestamp, Timestamp).expires.timestamp() - now
            snapshot_left = metadata.parse(before.snapshot, Snapshot).expires.timestamp() - now
            if not self._lifetimes.snapshot_s / 2 <= snapshot_left <= self._lifetimes.snapshot_s:
                after = self._sign_online(
                    before.targets_version, before.targets,
                    before.snapshot_version + 1, before.timestamp_version + 1, now,
                )  # fmt: skip
            elif not self._lifetimes.timestamp_s / 2 <= stamp_left <= self._lifetimes.timestamp_s:
                body = self._stamp(before.snapshot_version, before.timestamp_version + 1, now)
                after = dataclasses.replace(before, timestamp_version=before.timestamp_version + 1, timestamp=body)
            else:
                return False
            self.publish(after)
            return True

    def _sign_online(
        self, targets_version: int, targets: bytes, snapshot_version: int, timestamp_version: int, now: int
    ) -> Published:
        role = metadata.snapshot(targets_version, targets, snapshot_version, now + self._lifetimes.snapshot_s)
        body = metadata.sign(role, [self._snapshot_signer])
        stamp = self._stamp(snapshot_version, timestamp_version, now)
        return Published(targets_version, targets, snapshot_version, body, timestamp_version, stamp)

    def _stamp(self, snapshot_version: int, version: int, now: int) -> bytes:
        role = metadata.timestamp(snapshot_version, version, now + self._lifetimes.timestamp_s)
        return metadata.sign(role, [self._timestamp_signer])

    def _require_targets_keys(self, offline: Sequence[Signer]) -> None:
        latest = max(int(file.name.partition(".")[0]) for file in self.folder.glob("*.root.json"))
        role = metadata.parse(self.root(latest), Root).roles["targets"]
        given = {signer.public_key.keyid for signer in offline}
        if len(given & set(role.keyids)) < role.threshold or not given <= set(role.keyids):
            raise Misconfigured("These are not the targets keys of this server's image root.", "Name the right folder.")

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise Misconfigured(
                f"The image repository lacks {name}: {error.strerror}.", "Restore the 'tuf' folder from your backup."
            ) from None


def make(folder: Path, keys: Path, offline: Path, passphrase: bytes, lifetimes: Lifetimes, now: int) -> ImageRepository:
    """Make keys and the first, empty state in existing folders.

    Raises:
        OSError: something cannot be written.
    """
    roots = [signers.make(offline / f"{ROOT_PREFIX}-{n}.pem", passphrase) for n in range(1, ROOT_KEYS + 1)]
    targets = [signers.make(offline / f"{TARGETS_PREFIX}-{n}.pem", passphrase) for n in range(1, TARGETS_KEYS + 1)]
    snapshot = signers.make(keys / "image-snapshot.pem")
    timestamp = signers.make(keys / "image-timestamp.pem")
    root = metadata.root(
        {
            "root": (roots, ROOT_THRESHOLD),
            "targets": (targets, TARGETS_THRESHOLD),
            "snapshot": ([snapshot], 1),
            "timestamp": ([timestamp], 1),
        },
        now + ROOT_VALID_S,
    )
    write_atomic(folder / "1.root.json", metadata.sign(root, roots[:ROOT_THRESHOLD]))
    repository = ImageRepository(folder, keys, lifetimes)
    body = metadata.sign(metadata.targets({}, 1, now + TARGETS_VALID_S), targets[:TARGETS_THRESHOLD])
    repository.publish(repository._sign_online(1, body, 1, 1, now))
    return repository
