"""Installations that are ordered at the camera itself, by a person or by the manufacturer's configuration.

An order runs through agent.app.updating like any other update. Meanwhile `Desk.source` names the port that its files
come from, and `update/source.json` remembers that across a restart. Who may order is decided by those who call:
agent.app.offering (what was announced) and agent.app.bringing (bundles).
"""

from agent.app.enrolling import RECORD
from agent.app.plain_look import PlainLook
from agent.app.trust_store import device_of, forget_root, stored
from agent.core import update
from agent.core.trust import Check, DamagedRoot
from agent.core.trust_owner import OwnerCheck
from agent.formats import bundle, delivery, fields
from agent.formats.errors import Rejected, Unavailable
from agent.formats.json import dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from agent.app.checking import Checking
    from agent.app.desk import Desk
    from agent.app.enrolling import Enrolling
    from agent.app.trusted_time import TrustedTime
    from agent.app.updating import Updating
    from agent.core.clock import Time
    from agent.core.trust_conversation import Verification
    from agent.formats.errors import CamwardError
    from agent.formats.release import Release

    Told = Callable[[str, CamwardError | None], None]

SOURCE = "update/source.json"
RELEASES, BUNDLE = "releases", "bundle"  # the ports, by name
MAX_SOURCE_BYTES = 8 * 1024  # a path has at most 4 KiB
WORKING = update.SWITCH_PHASES + (update.READING_TREE, update.INSTALLING, update.READING_BACK, update.WAITING)


class NothingNew(Rejected):
    """What is ordered runs already, or there is nothing to order."""

    code = "nothing_new"


class NotNow(Rejected):
    """Something else is under way."""

    code = "busy"


class Ordering:
    """At most one order at a time.

    Attributes:
        under_way: the source of the order that is being carried out, empty when there is none.
        director_root: the operator's, where there is one.
    """

    def __init__(
        self,
        desk: "Desk",
        time: "TrustedTime",
        image_root: bytes,
        checking: "Checking",
        updating: "Updating",
        enrolling: "Enrolling",
    ) -> None:
        """`image_root`: the manufacturer's root.json from the verified root file system."""
        self._desk = desk
        self._time = time
        self._image_root = image_root
        self._checking = checking
        self._updating = updating
        self._enrolling = enrolling
        self._round = 0
        self._look: "PlainLook | None" = None
        self.under_way = ""
        self._by_owner = False  # the order under way has nobody's word but the owner's
        self.director_root: "bytes | None" = None

    # Called by the agent

    def restore(self) -> None:
        """Find out where an interrupted installation gets its files from; before `Updating.start` asks for them."""
        body = self._desk.ports.store.read(SOURCE)
        if body is None:
            self._desk.call("uploads", "discard", (), _whatever)
            return
        self.under_way, path, self._by_owner = BUNDLE, "", True
        try:
            source = parse_object(body, MAX_SOURCE_BYTES)
            self.under_way = fields.choice(source, "port", (RELEASES, BUNDLE))
            path = fields.text(source, "path", MAX_SOURCE_BYTES)
            self._by_owner = fields.boolean(source, "by_owner")
            if self.under_way == RELEASES:
                self.open_releases()
        except (Rejected, Unavailable):
            pass  # then there is nothing to read from, and the installation ends with that
        self._desk.source = self.under_way
        if self.under_way == BUNDLE:
            # Its files are asked for after this, and on the same lane. Without it, each ends with BundleGone.
            self._desk.call(BUNDLE, "open", (path, self._desk.device_id), _whatever)

    def start(self) -> None:
        """Hear from now on when updates end."""
        self._updating.rest_hook = self._rested
        if self.resting():
            self._rested()

    def enrolled(self, director_root: bytes) -> None:
        """There is an operator from now on: what the owner alone has ordered ends, unless it has its trial already."""
        before, self.director_root = self.director_root, director_root
        if not self.under_way:
            self.stop_look()  # for what is announced: the operator's repositories are looked into from now on
        elif self._by_owner or (before is None and self._updating.looking()):
            self._round += 1  # a look under way ends unheard
            self.stop_look()
            self._updating.make_way("this camera has an operator now, who decides")

    # Who decides

    def alone(self) -> bool:
        """Whether there is no operator, and none under way."""
        if self.director_root is not None or self._enrolling.phase != "none":
            return False
        try:
            return self._desk.ports.store.read(RECORD) is None
        except Unavailable:
            return False

    def owner_check(self, time: "Time", wanted: str = "") -> OwnerCheck:
        """The verification for a camera without an operator.

        Raises:
            DamagedRoot: the stored root is damaged; the next check begins with the first one.
            Unavailable: the storage fails.
        """
        desk = self._desk
        known = {"image": stored(desk.ports.store, "image", self._image_root)}
        try:
            return OwnerCheck(device_of(desk), known, time, desk.ports.verify_signature, wanted)
        except DamagedRoot:
            forget_root(desk.ports.store, "image")
            raise

    def full_check(self, time: "Time") -> Check:
        """The verification for a camera with an operator: both repositories.

        Raises:
            DamagedRoot: as `owner_check`.
            Unavailable: the storage fails.
        """
        desk = self._desk
        director = stored(desk.ports.store, "director", self.director_root or b"")
        known = {"image": stored(desk.ports.store, "image", self._image_root), "director": director}
        try:
            return Check(device_of(desk), known, time, desk.ports.verify_signature)
        except DamagedRoot:
            forget_root(desk.ports.store, "director")
            raise

    def open_releases(self) -> None:
        """Make the manufacturer's public repository the one that is asked.

        Raises:
            FormatError: its address or certificate makes no sense.
            Unavailable: none is configured, or the certificate cannot be read.
        """
        config = self._desk.config.releases
        if config is None:
            raise Unavailable("no public repository is known")
        self._desk.ports.releases.open(config.url, config.ca)

    # Orders

    def look(
        self, port: str, check: "Verification", then: "Callable[[Release | None, CamwardError | None], None]"
    ) -> None:
        """Verify over `port`, in place of a look that is under way: each stores what it has accepted."""
        self.stop_look()
        self._look = PlainLook(self._desk, self._time, port, check, then)

    def stop_look(self) -> None:
        """Abandon the look that is under way; nobody hears of it any more."""
        if self._look is not None:
            self._look.stop()

    def resting(self) -> bool:
        """Whether no update is under way at all."""
        return self._updating.state.phase == update.IDLE

    def failed_before(self, version: str) -> bool:
        """Whether this version was tried on this camera, in vain."""
        return version in self._updating.state.failed

    def order(
        self, source: str, path: str, files: "Collection[str]", make: "Callable[[], Verification]", told: "Told"
    ) -> None:
        """Have what `make` verifies installed, from `source`; what is under way gives way.

        `path` and `files` are a bundle's: where it lies, and what is in it.

        `told` gets the version when all but its blocks has been verified and the installation has begun, or the error.
        """
        problem = self._updating.make_way()
        if problem:
            told("", NotNow(problem))
            return
        self.stop_look()
        self.under_way = source
        self._round += 1
        number = self._round

        def ask(then: "Callable[[Release | None, CamwardError | None], None]") -> None:
            def ended(release: "Release | None", error: "CamwardError | None") -> None:
                if number != self._round:
                    return  # another order has come first
                error = error or self._begin(source, path, release)
                self._checking.delivery = _way(check, files)
                then(None if error is not None else release, error)
                if error is None and self._updating.state.phase not in WORKING:
                    error = Rejected(str(self._updating.status()["last_result"]))
                told("" if release is None else release.version, error)

            check: "Verification | None" = None
            try:
                check = make()
                self.look(source, check, ended)
            except (DamagedRoot, Unavailable) as error:
                ended(None, error)

        self._updating.order(ask)

    def _begin(self, source: str, path: str, release: "Release | None") -> "CamwardError | None":
        """Before the update knows of it: afterwards it asks for files at once."""
        if release is None:
            return NothingNew("this camera runs it already, or nothing new is ordered")
        try:
            self._by_owner = self.director_root is None
            about = {"v": 1, "port": source, "path": path, "by_owner": self._by_owner}
            self._desk.ports.store.write(SOURCE, dump(about))
        except Unavailable as error:
            return error
        self._desk.source = source
        return None

    def _rested(self) -> None:
        """The update has come to its end, this way or that."""
        source, self.under_way = self.under_way, ""
        if not source:
            return
        self._desk.source = ""
        if source == BUNDLE:
            self.let_go()
        try:
            self._desk.ports.store.delete(SOURCE)
        except Unavailable:
            pass  # the next start finds nothing under way, and deletes it

    def let_go(self) -> None:
        """Close the bundle; an upload is not needed any more."""
        self._desk.call(BUNDLE, "close", (), _whatever)
        self._desk.call("uploads", "discard", (), _whatever)


def _way(check: "Verification | None", files: "Collection[str]") -> delivery.Delivery:
    """How it is fetched: at once, whatever window there is, and from nowhere else."""
    artifact = None if check is None else check.delivery.artifact
    if artifact is not None and bundle.target_path(artifact.sha256, artifact.name) not in files:
        artifact = None
    return delivery.Delivery(True, (), artifact)


def _whatever(_value: "object", _error: "CamwardError | None") -> None:
    """Whoever needs it will find out."""
