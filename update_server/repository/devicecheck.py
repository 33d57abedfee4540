"""The device's own verifier (`agent.core.trust`), run over metadata before it is published.

What a camera would refuse never leaves the server.
"""

from tuf.api.metadata import TargetFile

from agent.core import trust
from agent.core.clock import Time
from agent.core.trust_repository import MAX_ROOT_ROTATIONS
from agent.formats.errors import CamwardError
from agent.formats.release import Release
from update_server.db.models import Device
from update_server.errors import NotFound, PublishRefused
from update_server.repository.director import Director
from update_server.repository.image import ImageRepository, Published
from update_server.repository.roots import Roots
from update_server.repository.verifier import verify_signature

__all__ = ["NOBODY", "UNKNOWN_VERSION", "DeviceCheck", "verify_signature"]

UNKNOWN_VERSION = "0.0.0"  # what a camera that has not yet named its version counts as
NOBODY = "a" * 26  # the made-up camera on which releases are tried


class DeviceCheck:
    """Plays a camera against states that are not published yet."""

    def __init__(self, image: ImageRepository, director: Director) -> None:
        self._image = image
        self._director = director

    def verify_image(
        self, state: Published, files: dict[str, TargetFile], release: Release, now: int, new_root: bytes | None = None
    ) -> None:
        """Make sure a factory-new camera that is assigned `release` would install it from `state`.

        `new_root` is published together with `state`, where there is one.

        Raises:
            PublishRefused: it would not.
        """
        outcome = self._try(state, files, release, now, new_root)
        if outcome != release:
            raise PublishRefused(f"The device's verifier does not come to install {release.target}.")

    def verify_withdrawn(
        self, state: Published, files: dict[str, TargetFile], release: Release, now: int, new_root: bytes | None = None
    ) -> None:
        """Make sure a factory-new camera that is still assigned `release` would refuse it, for just this reason.

        Raises:
            PublishRefused: it would install it, or refuse the whole state.
        """
        try:
            self._try(state, files, release, now, new_root)
        except PublishRefused as error:
            if isinstance(error.__cause__, trust.ArbitrarySoftware):
                return
            raise
        raise PublishRefused(f"The device's verifier would still install {release.target}.")

    def verify_director(self, device: Device, state: Published, now: int) -> None:
        """Make sure the camera accepts its new director metadata together with the published image repository.

        Raises:
            PublishRefused: it does not; the reason is the device's.
        """
        who = trust.Device(device.id, device.model, device.hardware, device.version or UNKNOWN_VERSION, 0)
        self._run(who, self._image.current(), state, now, {}, known=False)

    def _try(
        self, state: Published, files: dict[str, TargetFile], release: Release, now: int, new_root: bytes | None
    ) -> Release | None:
        who = trust.Device(NOBODY, release.model, release.hardware[0], UNKNOWN_VERSION, release.security_epoch)
        pending = {f"{self._image.roots.version() + 1}.root.json": new_root} if new_root else {}
        return self._run(who, state, self._director.compose(NOBODY, files, (1, 1, 1), now), now, pending, known=True)

    def _run(
        self,
        who: trust.Device,
        image: Published,
        director: Published,
        now: int,
        pending: dict[str, bytes],
        *,
        known: bool,
    ) -> Release | None:
        """One full verification; with `known` the camera has already seen what is published now (so: no rollback).

        `pending` are image roots that are not published yet, by file name.
        """
        before = self._image.published() if known else None
        stored = {
            "image": {
                "root": _start(self._image.roots, next(iter(pending.values()), None)),
                "timestamp": before.timestamp if before else None,
                "snapshot": before.snapshot if before else None,
                "targets": before.targets if before else None,
            },
            "director": {
                "root": _start(self._director.roots, None),
                "timestamp": None,
                "snapshot": None,
                "targets": None,
            },
        }
        try:
            check = trust.Check(who, stored, Time(now, 0, 0), verify_signature)
            while (request := check.wants()) is not None:
                repository, state = (
                    (self._image, image) if request.repository == "image" else (self._director, director)
                )
                body = pending.get(request.path) if repository is self._image else None
                body = body or _lookup(repository, state, request.path)
                if body is None:
                    check.absent()
                else:
                    check.feed(body)
        except CamwardError as error:
            raise PublishRefused(f"The device's verifier refuses this ({error}).", "Nothing was published.") from error
        return check.outcome


def _start(roots: Roots, pending: bytes | None) -> bytes:
    """The oldest root from which one check gets to the newest: a camera further back needs several checks."""
    version = roots.version()
    if version == 0 and pending is not None:
        return pending
    return roots.body(max(1, version + 2 - MAX_ROOT_ROTATIONS))


def _lookup(repository: ImageRepository | Director, state: Published, path: str) -> bytes | None:
    body = state.files().get(path)
    if body is not None or not path.endswith(".root.json"):
        return body
    try:
        return repository.root(int(path.partition(".")[0]))
    except NotFound:
        return None
