"""Offline bundles: one file with everything that a camera would fetch from a server to install one release.

The format is the device's own (`agent.formats.bundle`), and so is the verifier that a bundle passes before it is
handed out. Nothing is signed for it: it holds what is published, and for cameras with an operator what the director
has signed for them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session
from tuf.api.metadata import Snapshot, Timestamp

from agent.core import trust
from agent.core.clock import Time
from agent.core.trust_conversation import Verification
from agent.core.trust_owner import OwnerCheck
from agent.core.trust_repository import MAX_ROOT_ROTATIONS
from agent.formats import bundle
from agent.formats.errors import CamwardError, FormatError
from agent.formats.release import Release as Manifest
from update_server.db.models import Device, Release
from update_server.errors import Conflict, PublishRefused
from update_server.repository import metadata, releases
from update_server.repository.blobs import CHUNK_BYTES, Blobs
from update_server.repository.devicecheck import NOBODY, UNKNOWN_VERSION
from update_server.repository.director import Director
from update_server.repository.image import ImageRepository
from update_server.repository.verifier import verify_signature


@dataclass
class Parts:
    """What goes into one bundle: small files as bytes, targets as paths; `same` shares what is the same for many."""

    release: str
    small: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, Path] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        """Head and index.

        Raises:
            Conflict: it would hold more than a camera reads.
            OSError: a target is gone.
        """
        listed = [(path, len(body)) for path, body in self.small.items()]
        listed += [(path, file.stat().st_size) for path, file in self.large.items()]
        try:
            return bundle.encode(self.release, listed, self.same)
        except FormatError as error:
            raise Conflict(f"No camera reads a bundle like that ({error.detail}).", "Name fewer cameras.") from None

    def content(self) -> Iterator[bytes]:
        """All of the file, piece by piece.

        Raises:
            Conflict: as `head`.
            OSError: a target cannot be read.
        """
        yield self.head()
        yield from self.small.values()
        for path in self.large.values():
            with path.open("rb") as file:
                while piece := file.read(CHUNK_BYTES):
                    yield piece

    def length(self) -> int:
        """Of the whole file, in bytes.

        Raises:
            Conflict: as `head`.
            OSError: as `head`.
        """
        return bundle.parse_head(self.head()[: bundle.HEAD_BYTES]).total_bytes


class Bundles:
    """Makes bundles of what is published."""

    def __init__(self, image: ImageRepository, director: Director, blobs: Blobs) -> None:
        self._image = image
        self._director = director
        self._blobs = blobs

    def of_release(self, row: Release, now: int) -> Parts:
        """For cameras without an operator: the image repository as it is, and the release's files.

        Raises:
            Conflict: the release is withdrawn.
            NotFound: its files are not on this server.
            PublishRefused: a factory-new camera would refuse it.
        """
        if row.state != releases.PUBLISHED:
            raise Conflict(f"{row.model} {row.version} is withdrawn.", "Name another release.")
        releases.require_public(row)
        parts = Parts(row.target)
        roots = self._image.roots.chain()
        for version, body in enumerate(roots, 1):
            parts.small[f"{bundle.IMAGE}{version}.root.json"] = body
        for name, body in self._image.current().files().items():
            parts.small[bundle.IMAGE + name] = body
        manifest = releases.describe(row)
        for sha256, name in ((manifest.tree_sha256, manifest.tree_name), (manifest.sha256, manifest.target)):
            parts.large[bundle.target_path(sha256, name)] = self._blobs.path(f"{sha256}.{name}")
        who = trust.Device(NOBODY, row.model, manifest.hardware[0], UNKNOWN_VERSION, manifest.security_epoch)
        known = {"image": {"root": _start(roots)}}
        _verify(OwnerCheck(who, known, Time(now, 0, 0), verify_signature, row.target), parts.small, NOBODY, manifest)
        return parts

    def add_order(self, session: Session, parts: Parts, device: Device, row: Release, stamp: bytes, now: int) -> None:
        """Add what the director has signed for one camera; `stamp` is its newest timestamp.

        Raises:
            Conflict: the release is not assigned to the camera.
            NotFound: the timestamp is older than what is kept.
            PublishRefused: the camera would refuse it.
        """
        if device.assigned_version != row.version or device.model != row.model:
            raise Conflict(
                f"{device.serial or device.id} is not assigned {row.model} {row.version}.",
                f"First: 'camward-server device assign {device.serial or device.id} {row.version}'.",
            )
        own = f"{bundle.DIRECTOR}{device.id}/"
        snapshot_version = metadata.parse(stamp, Timestamp).snapshot_meta.version
        snapshot = self._director.numbered(session, device.id, "snapshot", snapshot_version)
        targets_version = metadata.parse(snapshot, Snapshot).meta["targets.json"].version
        targets = self._director.numbered(session, device.id, "targets", targets_version)
        parts.small[f"{own}timestamp.json"] = stamp
        parts.small[f"{own}{snapshot_version}.snapshot.json"] = snapshot
        parts.small[f"{own}{targets_version}.targets.json"] = targets
        roots = self._director.roots.chain()
        for version, body in enumerate(roots, 1):
            name = f"{version}.root.json"
            first = next((path for path in parts.small if path.startswith(bundle.DIRECTOR) and path.endswith(name)), "")
            if first:
                parts.same[own + name] = first  # all cameras have one director, and most of the bytes are roots
            else:
                parts.small[own + name] = body
        who = trust.Device(device.id, device.model, device.hardware, UNKNOWN_VERSION, 0)
        known = {"image": {"root": _start(self._image.roots.chain())}, "director": {"root": _start(roots)}}
        served = parts.small | {path: parts.small[shared] for path, shared in parts.same.items()}
        check = trust.Check(who, known, Time(now, 0, 0), verify_signature)
        _verify(check, served, device.id, releases.describe(row))


def _start(roots: list[bytes]) -> bytes:
    """The oldest root from which a camera gets to the newest in one session."""
    return roots[max(0, len(roots) - 1 - MAX_ROOT_ROTATIONS)]


def _verify(check: Verification, served: Mapping[str, bytes], device_id: str, wanted: Manifest) -> None:
    """Let the device's own verifier read the bundle.

    Raises:
        PublishRefused: it does not come to install the release.
    """
    try:
        while (request := check.wants()) is not None:
            folder = bundle.IMAGE if request.repository == "image" else f"{bundle.DIRECTOR}{device_id}/"
            body = served.get(folder + request.path)
            if body is None:
                check.absent()
            else:
                check.feed(body)
    except CamwardError as error:
        raise PublishRefused(f"The device's verifier refuses the bundle ({error}).", "Nothing was written.") from error
    if check.outcome != wanted:
        raise PublishRefused(f"The device's verifier does not come to install {wanted.target}.", "Nothing was written.")
