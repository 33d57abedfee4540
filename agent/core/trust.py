"""Uptane full verification, sans-I/O: may this device install something, and what exactly?

Two repositories must agree. The image repository (the manufacturer's, offline keys) says which releases exist; the
director (the operator's) says what this device shall run. The rules, in order:

1. Director root chain, then timestamp, snapshot, targets (TUF 5.3 to 5.6, `trust_repository`).
2. The director's files are for this device, and say so: one camera's snapshot, served to another, would bind the
   other to versions that its own director never reaches. The timestamp's signed `issued_at` may move `now` forward,
   never back, and never past the expiry of the director's offline-signed root.
3. The director's targets delegate nothing and name at most one target. None, or the running version: nothing to do.
4. The assigned release is for this model and hardware revision, not below the rollback index, and not older than what
   runs unless the director's targets say in `x-camward-allow-older` that it may be.
5. Image root chain, timestamp, snapshot, targets.
6. The image repository, or a role to which it delegates, lists the same target with equal length, hash and manifest,
   and the release's block tree file.
7. When a new director root takes a key from the timestamp role, the time that the role has proven so far counts no
   more: a thief of that key may have pushed it forward. The floor falls back to the root's own signed `issued_at`.

An idle check takes one request: if the director's fresh timestamp verifies under the stored root and names the stored,
unexpired snapshot, which names the stored, unexpired targets, and those assign nothing new, that is the answer.
Whoever can abuse this by withholding a newer root could withhold it from the long way as well.

The caller must still: give the persisted time floor, and lower it when told; bound every fetch by `Request.max_bytes`
and a deadline; store what `accepted` returns before going on, and also after an error; verify every block of the slot
against the release's tree.
"""

from agent.core.trust_conversation import Verification, refresh
from agent.core.trust_delegations import find_target
from agent.core.trust_errors import (
    ArbitrarySoftware,
    DamagedRoot,
    EndlessData,
    EpochRollback,
    Equivocation,
    FastForward,
    Freeze,
    MixAndMatch,
    RevokedKey,
    Rollback,
    SignatureError,
    TrustError,
    WrongDevice,
    WrongHardware,
    WrongModel,
    WrongTarget,
)
from agent.core.trust_repository import MAX_TIMESTAMP_BYTES, Repository, Request
from agent.formats import canonical_json, delivery, fields, release, tuf, utc
from agent.formats.errors import FormatError, Unavailable
from agent.formats.release import Release
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.core.clock import Time
    from agent.core.trust_repository import Conversation, Keep
    from agent.core.trust_threshold import VerifySignature

    Stored = Mapping[str, Mapping[str, bytes | None]]

__all__ = [
    "ArbitrarySoftware",
    "Check",
    "DamagedRoot",
    "Device",
    "EndlessData",
    "EpochRollback",
    "Equivocation",
    "FastForward",
    "Freeze",
    "MixAndMatch",
    "Release",
    "Request",
    "RevokedKey",
    "Rollback",
    "SignatureError",
    "TrustError",
    "WrongDevice",
    "WrongHardware",
    "WrongModel",
    "WrongTarget",
]

ISSUED_AT = "x-camward-issued-at"
DEVICE = "x-camward-device"
ALLOW_OLDER = "x-camward-allow-older"
DELIVERY = "x-camward-delivery"


class Device(Value):
    """What this camera is.

    Its id, model, hardware revision, running version, and the security epoch it may not go below.
    """

    FIELDS = ("id", "model", "hardware", "version", "rollback_index")
    id: str
    model: str
    hardware: str
    version: str
    rollback_index: int


class Check(Verification):
    """One full verification as a conversation (`trust_conversation`).

    Args:
        device: what this camera is.
        stored: for "image" and "director" the files by role ("root", "timestamp", "snapshot", "targets"), None or
            empty where there is none. The roots must be there; the rest may be missing, damaged or expired.
        time: what is known of it.
        verify_signature: called with key, signature and message; returns, or raises SignatureError.

    Attributes:
        delivery: how the director says that the release may be fetched.
        issued_at: the director's signed time.
        floor_reset_to: see rule 7.

    Raises:
        DamagedRoot: the stored director root does not parse or verify. (The image root is looked at when it is needed.)
    """

    def __init__(self, device: Device, stored: "Stored", time: "Time", verify_signature: "VerifySignature") -> None:
        super().__init__()
        self._device = device
        self._stored = stored
        self._time = time
        self._now = time.now()
        self._verify = verify_signature
        self._director = self._repository("director")
        self._begin(self._run())

    def _repository(self, name: str) -> Repository:
        admit = self._for_this_device if name == "director" else None
        return Repository(name, dict(self._stored[name]), self._verify, self._keeper(name), admit=admit)

    def _keeper(self, name: str) -> "Keep":
        def keep(role: str, body: bytes) -> None:
            if name == "director" and role == "root":
                self._reset_floor()
            if role in tuf.ROLES:
                # Delegated files are fetched when they are needed: their versions are bound by the stored snapshot.
                self._accepted.append((name + "/" + role, body))

        return keep

    def _run(self) -> "Conversation[None]":
        first = yield Request("director", "timestamp.json", MAX_TIMESTAMP_BYTES)
        if first is None:
            raise Unavailable("director/timestamp.json is missing from the repository")
        if self._idle(first):
            return
        assigned = yield from self._ask_director(first)
        if assigned is None:
            return
        image = self._repository("image")
        snapshot, targets = yield from refresh(image, self._now)
        known = yield from find_target(image, assigned.path, targets, snapshot, self._now)
        agreed = _agreed(assigned, known)
        yield from check_tree(image, agreed, targets, snapshot, self._now)
        self.outcome = agreed

    def _idle(self, body: bytes) -> bool:
        """The short way.

        False sends the check the long way, where the same bytes are refused by name if they deserve it.
        """
        director = self._director
        try:
            director.check_expiry(director.root.metadata, self._now)
            timestamp = director.take_timestamp(body, self._now)
            now = self._moved(timestamp)
            snapshot = director.current_snapshot(timestamp, now)
            targets = None if snapshot is None else director.current_targets(snapshot, now)
            if targets is None or self._assigned(targets) is not None:
                return False
        except (TrustError, FormatError):
            return False
        self._trust_time(timestamp)
        director.keep_timestamp(timestamp, body)
        return True

    def _ask_director(self, first: bytes) -> "Conversation[tuf.Target | None]":
        """The long way through the director.

        `first` is its timestamp, fetched already and fetched again if the root moved.
        """
        director = self._director
        moved = yield from director.walk_root()
        director.check_expiry(director.root.metadata, self._now)
        if moved:
            timestamp, body = yield from director.refresh_timestamp(self._now)
        else:
            timestamp, body = director.take_timestamp(first, self._now), first
        self._trust_time(timestamp)
        director.keep_timestamp(timestamp, body)
        snapshot = yield from director.refresh_snapshot(timestamp, self._now)
        targets = yield from director.refresh_targets(snapshot, self._now)
        return self._assigned(targets)

    def _moved(self, timestamp: tuf.Metadata) -> int:
        """`now`, moved forward by the director's signed time."""
        issued_at = utc.parse(fields.text(timestamp.signed, ISSUED_AT))
        if issued_at >= timestamp.expires_at:
            raise FormatError("the director's timestamp was issued after its expiry")
        if issued_at >= self._director.root.metadata.expires_at:
            # A stolen online key must not be able to push the time floor past what the offline keys signed.
            raise FastForward("the director's timestamp was issued after the expiry of its root")
        return max(self._now, issued_at)

    def _trust_time(self, timestamp: tuf.Metadata) -> None:
        self._now = self._moved(timestamp)
        self.issued_at = utc.parse(fields.text(timestamp.signed, ISSUED_AT))

    def _reset_floor(self) -> None:
        """Rule 7: after each new director root of a session in which the timestamp role lost a key."""
        director = self._director
        if "timestamp" not in director.rotated:
            return
        signed = director.root.metadata.signed
        issued_at = utc.parse(fields.text(signed, ISSUED_AT)) if ISSUED_AT in signed else 0
        if issued_at >= director.root.metadata.expires_at:
            raise FormatError("the director's root was issued after its expiry")
        self.floor_reset_to = max(self._time.built_at, self.floor_reset_to or 0, issued_at)
        self._now = max(self._time.wall_at, self.floor_reset_to)

    def _for_this_device(self, metadata: tuf.Metadata) -> None:
        """Rule 2."""
        if fields.text(metadata.signed, DEVICE) != self._device.id:
            raise WrongDevice("director " + metadata.role + " was made for another device")

    def _assigned(self, targets: tuf.Metadata) -> "tuf.Target | None":
        """The target that the director assigns, if it is news and fits this device (rules 2 to 4)."""
        if tuf.has_delegations(targets):
            raise FormatError("director targets may not delegate")
        self.directed = targets.signed
        listed = list(tuf.targets_files(targets))
        if len(listed) > 1:
            raise FormatError("the director assigns more than one target")
        target = tuf.target_file(targets, listed[0]) if listed else None
        if target is None:
            return None
        older = ALLOW_OLDER in targets.signed and fields.boolean(targets.signed, ALLOW_OLDER)
        news = is_news(target, self._device, older)
        if DELIVERY in targets.signed:
            self.delivery = delivery.parse(targets.signed[DELIVERY])
        return target if news else None


def is_news(target: tuf.Target, device: Device, may_be_older: bool) -> bool:
    """Whether a release is for this device, and not what it runs (rules 3 and 4).

    Raises:
        TrustError: it is for other cameras, or older than it may be.
        FormatError: it is no whole release.
    """
    wanted = release.parse(target)
    if not target.sha256:
        raise FormatError(wanted.target + " has no SHA-256")
    if wanted.model != device.model:
        raise WrongModel(wanted.target + " is for model " + wanted.model)
    if device.hardware not in wanted.hardware:
        raise WrongHardware(wanted.target + " is for hardware " + ", ".join(wanted.hardware))
    if wanted.security_epoch < device.rollback_index:
        detail = str(wanted.security_epoch) + " is below " + str(device.rollback_index)
        raise EpochRollback(wanted.target + ": security epoch " + detail)
    new, running = release.version_key(wanted.version), release.version_key(device.version)
    if new < running and not may_be_older:
        raise Rollback(wanted.target + " is older than the running " + device.version)
    return new != running


def check_tree(
    image: Repository, wanted: Release, targets: tuf.Metadata, snapshot: tuf.Metadata, now: int
) -> "Conversation[None]":
    """The image repository must list the release's block tree as the release names it (rule 6).

    Raises:
        WrongTarget: it does not.
        TrustError, FormatError, Unavailable: a delegated role cannot be had.
    """
    tree = yield from find_target(image, wanted.tree_name, targets, snapshot, now)
    if tree is None or tree.length_bytes != wanted.tree_length_bytes or tree.sha256 != wanted.tree_sha256:
        raise WrongTarget(wanted.tree_name + " is not in the image repository as the release names it")


def _agreed(assigned: tuf.Target, known: "tuf.Target | None") -> Release:
    """The release, if the image repository vouches for exactly what the director assigned (rule 6).

    Raises:
        ArbitrarySoftware: the image repository does not know the target.
        WrongTarget: the two describe it differently.
    """
    if known is None:
        raise ArbitrarySoftware(assigned.path + " is not in the image repository")
    if known.length_bytes != assigned.length_bytes or known.sha256 != assigned.sha256:
        raise WrongTarget(assigned.path + ": director and image repository differ in length or hash")
    if canonical_json.encode(known.custom) != canonical_json.encode(assigned.custom):
        raise WrongTarget(assigned.path + ": director and image repository differ in the manifest")
    return release.parse(known)
