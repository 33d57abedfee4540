"""The image repository: static TUF files in a folder, root and targets signed offline, snapshot and timestamp online.

Publication writes `timestamp.json` last: a client sees the old repository or the new one. Which keys are online is what
the newest root says; where their signers are, `online`.
"""

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Root, Snapshot, TargetFile, Targets, Timestamp

from update_server.errors import Misconfigured
from update_server.files import Write, locked, write_atomic
from update_server.repository import metadata, signers, verifier
from update_server.repository.online import Online
from update_server.repository.quorum import Quorum
from update_server.repository.roots import Roots

DAY_S = 86_400
ROOT, TARGETS = Quorum(3, 5), Quorum(2, 3)
TARGETS_THRESHOLD = TARGETS.threshold
ONLINE_ROLES = ("snapshot", "timestamp")
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
    """Reads and publishes the repository in `folder`; `keys` is the online keys' folder. Writers hold `lock()`."""

    def __init__(self, folder: Path, keys: Path, lifetimes: Lifetimes, write: Write = write_atomic) -> None:
        self.folder = folder
        self._write = write
        self.roots = Roots(folder, "image", write)
        self.online = Online(keys)
        self._lifetimes = lifetimes

    def lock(self) -> AbstractContextManager[None]:
        """Exclude other writers, also in other processes."""
        return locked(self.folder.parent / "image.lock")

    def root(self, version: int = 1) -> bytes:
        """Root metadata of `version`.

        Raises:
            NotFound: there is no such version.
        """
        return self.roots.body(version)

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

    def published(self) -> Published | None:
        """The published state; None before the first publication.

        Raises:
            Misconfigured: a file is missing.
        """
        return self.current() if (self.folder / "timestamp.json").exists() else None

    def targets(self) -> dict[str, TargetFile]:
        """The published targets by name."""
        return dict(metadata.parse(self.current().targets, Targets).targets)

    def draft_targets(self, files: dict[str, TargetFile], now: int) -> Targets:
        """The next targets role with exactly `files`, to be signed offline."""
        before = self.published()
        return metadata.targets(files, before.targets_version + 1 if before else 1, now + TARGETS_VALID_S)

    def sign_targets(self, files: dict[str, TargetFile], offline: Sequence[Signer], now: int) -> Published:
        """A new state with exactly `files` as its targets. Nothing is written.

        Raises:
            Misconfigured: the offline signers are not those of the root.
        """
        root = self.roots.newest()
        role = root.roles["targets"]
        given = {signer.public_key.keyid for signer in offline}
        if len(given & set(role.keyids)) < role.threshold or not given <= set(role.keyids):
            raise Misconfigured("These are not the targets keys of this server's image root.", "Name the right folder.")
        draft = self.draft_targets(files, now)
        return self.compose(root, draft.version, metadata.sign(draft, offline), now)

    def compose(self, root: Root, targets_version: int, targets: bytes, now: int) -> Published:
        """A new state around signed targets, with the online keys that `root` names. Nothing is written.

        Raises:
            Misconfigured: the server does not have those keys.
            SigningFailed: a token or service is out of reach.
        """
        before = self.published()
        version = metadata.version_after(before.snapshot_version if before else 0)
        role = metadata.snapshot(targets_version, targets, version, now + self._lifetimes.snapshot_s)
        snapshot = metadata.sign(role, self.online.for_role(root, "snapshot"))
        stamp_version, stamp = self._stamp(root, version, before, now)
        return Published(targets_version, targets, version, snapshot, stamp_version, stamp)

    def publish(self, state: Published, now: int, new_root: bytes | None = None) -> None:
        """Write `state` durably, with `new_root` where there is one, after the device's own verifier has accepted it.

        A power cut leaves a working repository: the targets file comes first (nothing names it yet), then the root,
        then what needs the root, the timestamp last. If the root is there and the rest is not, `resign` completes it.

        Raises:
            PublishRefused: a camera somewhere on the chain of roots would refuse the result. Nothing is written.
            OSError: the disk is full; clients keep seeing the state before.
        """
        chain = self.roots.chain()
        roots = chain + ([new_root] if new_root else [])
        verifier.verify("image", roots, state.files(), now, self._seen())
        targets, *rest = state.files().items()
        self._write(self.folder / targets[0], targets[1])
        if new_root:
            self.roots.publish(len(roots), new_root)
        for name, body in rest:
            self._write(self.folder / name, body)

    def resign(self, now: int) -> bool:
        """Sign timestamp (and snapshot) again when less than half of their life is left. True if something was.

        Also when more than their whole life is left: then our clock was ahead, and has been put right. Also when the
        newest root does not trust what is published: then a publication was cut short, and is completed.

        Raises:
            Misconfigured: there is nothing that could be signed; says what to do.
            PublishRefused: the device's verifier refuses the result.
        """
        with self.lock():
            root, before = self.roots.newest(), self.published()
            if before is None or not self._stands(root, before):
                version = self._newest_targets(root, before)
                after = self.compose(root, version, self._read(f"{version}.targets.json"), now)
                self.publish(after, now)
                return True
            stamp_left = metadata.parse(before.timestamp, Timestamp).expires.timestamp() - now
            snapshot_left = metadata.parse(before.snapshot, Snapshot).expires.timestamp() - now
            if not self._lifetimes.snapshot_s / 2 <= snapshot_left <= self._lifetimes.snapshot_s:
                after = self.compose(root, before.targets_version, before.targets, now)
            elif not self._lifetimes.timestamp_s / 2 <= stamp_left <= self._lifetimes.timestamp_s:
                version, body = self._stamp(root, before.snapshot_version, before, now)
                after = dataclasses.replace(before, timestamp_version=version, timestamp=body)
            else:
                return False
            self.publish(after, now)
            return True

    def _stamp(self, root: Root, snapshot_version: int, before: Published | None, now: int) -> tuple[int, bytes]:
        version = metadata.version_after(before.timestamp_version if before else 0)
        role = metadata.timestamp(snapshot_version, version, now + self._lifetimes.timestamp_s)
        return version, metadata.sign(role, self.online.for_role(root, "timestamp"))

    def _seen(self) -> dict[str, bytes]:
        """What an up-to-date camera has stored; nothing before the first publication."""
        before = self.published()
        if before is None:
            return {}
        return {"timestamp": before.timestamp, "snapshot": before.snapshot, "targets": before.targets}

    @staticmethod
    def _stands(root: Root, state: Published) -> bool:
        files = {"targets": state.targets, "snapshot": state.snapshot, "timestamp": state.timestamp}
        return all(metadata.trusted(root, role, body) for role, body in files.items())

    def _newest_targets(self, root: Root, before: Published | None) -> int:
        """The version of the published targets, or of the later ones that a publication cut short has left.

        Raises:
            Misconfigured: none of them is signed by the targets keys of `root`.
        """
        first = before.targets_version if before else 1
        versions = sorted(int(file.name.partition(".")[0]) for file in self.folder.glob("*.targets.json"))
        for version in versions:
            if version >= first and metadata.trusted(root, "targets", self._read(f"{version}.targets.json")):
                return version
        raise Misconfigured(
            f"No list of releases is signed by the targets keys of image root {root.version}.",
            "Import the signed ceremony file again, or make a new one: 'camward-server keys prepare targets'.",
        )

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise Misconfigured(
                f"The image repository lacks {name}: {error.strerror}.", "Restore the 'tuf' folder from your backup."
            ) from None


def first_root(
    root_keys: Sequence[Key], root: Quorum, targets_keys: Sequence[Key], targets: Quorum, online: Online, now: int
) -> Root:
    """The first root, unsigned, with new online keys.

    Raises:
        OSError: a key cannot be written.
    """
    return metadata.root(
        {
            "root": (root_keys, root.threshold),
            "targets": (targets_keys, targets.threshold),
            "snapshot": ([online.new("image-snapshot")], 1),
            "timestamp": ([online.new("image-timestamp")], 1),
        },
        now,
        now + ROOT_VALID_S,
    )


def make(
    folder: Path,
    keys: Path,
    offline: Path,
    passphrase: bytes,
    lifetimes: Lifetimes,
    now: int,
    root: Quorum = ROOT,
    targets: Quorum = TARGETS,
) -> ImageRepository:
    """Make keys (the offline ones in `offline`) and the first, empty state in existing folders.

    Raises:
        OSError: something cannot be written.
    """
    root_signers = [signers.make(offline / f"{ROOT_PREFIX}-{n}.pem", passphrase) for n in range(1, root.keys + 1)]
    releasers = [signers.make(offline / f"{TARGETS_PREFIX}-{n}.pem", passphrase) for n in range(1, targets.keys + 1)]
    repository = ImageRepository(folder, keys, lifetimes)
    first = first_root(
        [s.public_key for s in root_signers], root, [s.public_key for s in releasers], targets, repository.online, now
    )
    body = metadata.sign(repository.draft_targets({}, now), releasers[: targets.threshold])
    state = repository.compose(first, 1, body, now)
    repository.publish(state, now, metadata.sign(first, root_signers[: root.threshold]))
    return repository
