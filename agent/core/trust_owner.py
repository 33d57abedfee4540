"""Verification for a camera that has no operator: the image repository alone says what exists, a person says install.

The rules, in order:

1. Image root chain, timestamp, snapshot, targets, and delegated roles where there are some, as in `trust`.
2. The release that is asked for by name (a bundle's) is refused by name where `trust` would refuse it: unknown, for
   another model or hardware revision, below the rollback index, older than what runs. Nobody can permit an older one:
   that is the director's privilege.
3. Where none is asked for, the newest release that the top-level targets list for this camera is taken, if it is newer
   than what runs. What is not for this camera is passed over, and so is what this version cannot read.
4. The release's block tree is listed as the release names it.

Nothing here says that the newest release of the files at hand is the newest there is: whoever brings old genuine files
can hold newer ones back, for as long as they have not expired by what is known of the time (docs/adr/0015).

The caller must still do what `trust` asks of its caller, and have a person's order.
"""

from agent.core.trust import Device, check_tree, is_news
from agent.core.trust_conversation import Verification, refresh
from agent.core.trust_delegations import find_target
from agent.core.trust_errors import ArbitrarySoftware, TrustError
from agent.core.trust_repository import Repository
from agent.formats import release, tuf
from agent.formats.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.core.clock import Time
    from agent.core.trust import Stored
    from agent.core.trust_repository import Conversation
    from agent.core.trust_threshold import VerifySignature


class OwnerCheck(Verification):
    """One verification by the image repository alone; the arguments are those of `trust.Check`.

    Args:
        device: what this camera is.
        stored: as for `trust.Check`; only "image" is looked at.
        time: what is known of it.
        verify_signature: called with key, signature and message; returns, or raises SignatureError.
        wanted: the path of the release's target; empty for the newest that is listed.

    Raises:
        DamagedRoot: the stored image root does not parse or verify.
    """

    def __init__(
        self, device: Device, stored: "Stored", time: "Time", verify_signature: "VerifySignature", wanted: str = ""
    ) -> None:
        super().__init__()
        self._device = device
        self._now = time.now()
        self._wanted = wanted
        self._image = Repository("image", dict(stored["image"]), verify_signature, self._keep)
        self._begin(self._run())

    def _keep(self, role: str, body: bytes) -> None:
        if role in tuf.ROLES:
            self._accepted.append(("image/" + role, body))

    def _run(self) -> "Conversation[None]":
        image, now = self._image, self._now
        snapshot, targets = yield from refresh(image, now)
        path = self._wanted or newest(targets, self._device)
        if not path:
            return
        known = yield from find_target(image, path, targets, snapshot, now)
        if known is None:
            raise ArbitrarySoftware(path + " is not in the image repository")
        if not is_news(known, self._device, False):
            return
        found = release.parse(known)
        yield from check_tree(image, found, targets, snapshot, now)
        self.outcome = found


def newest(targets: tuf.Metadata, device: Device) -> str:
    """The path of the newest release that these verified targets list for this device, empty when none is news."""
    found, best = "", release.version_key(device.version)
    for path in sorted(tuf.targets_files(targets)):
        try:
            target = tuf.target_file(targets, path)
            if target is None or not is_news(target, device, False):
                continue
            version = release.version_key(release.parse(target).version)
        except (FormatError, TrustError):
            continue
        if version > best:
            found, best = path, version
    return found
