"""One look into the repositories: drives agent.core.trust.Check through the Fetcher, and stores what was accepted.

A look that meets dates in the past or the future asks what time it is (docs/time.md), and looks once more.
"""

from agent.app.trust_store import ROLES, device_of, forget_root, keep, reset_floor, stored
from agent.core.clock import ClockDoubt
from agent.core.trust import Check, DamagedRoot, Freeze
from agent.formats import delivery
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.trusted_time import Corrected, TrustedTime
    from agent.formats.errors import CamwardError
    from agent.formats.release import Release
    from agent.ports.storage import Store

    Outcome = Callable[[Release | None, CamwardError | None], None]

FETCHER, CLOCKLESS = "fetcher", "clockless"  # the ports, by name


class Look:
    """One look: the conversation, which connections it uses, and whether the clock was put right before it."""

    def __init__(self, number: int, then: "Outcome", corrected: bool) -> None:
        self.number = number
        self.then = then
        self.corrected = corrected
        self.port = FETCHER
        self.reset_to: "int | None" = None
        self.corrections = 0
        """How often the clock had been put right when it began."""


class Checking:
    """At most one check at a time; a new one abandons the old."""

    def __init__(self, desk: "Desk", time: "TrustedTime", image_root: bytes) -> None:
        """`image_root`: the manufacturer's root.json from the verified root file system."""
        self._desk = desk
        self._time = time
        self._image_root = image_root
        self._director_root = b""
        self._round = 0
        self.delivery = delivery.PLAIN
        """Of the release that the last look ended with."""

    def start(self, director_root: bytes, then: "Outcome") -> None:
        """Begin. `then` gets the release to install, or None, or the error that ended the check.

        `director_root` is the ownership record's.
        """
        self._director_root = director_root
        self._round += 1
        self._look(Look(self._round, then, False))

    def stop(self) -> None:
        """Abandon the check that is under way, if one is; nobody hears of it any more."""
        self._round += 1

    def put_clock_right(self, director_root: bytes, then: "Corrected | None" = None) -> None:
        """Outside of a check, something met dates that do not fit, or has to know: find out what time it is.

        `then`: see `TrustedTime.put_right`.
        """
        self._director_root = director_root
        self._time.put_right(self._known_director_root(), then or _whatever)

    def _look(self, look: Look) -> None:
        desk = self._desk
        look.corrections = self._time.corrections
        try:
            device = device_of(desk)
            director = stored(desk.ports.store, "director", self._director_root)
            known = {"image": stored(desk.ports.store, "image", self._image_root), "director": director}
        except Unavailable as error:
            look.then(None, error)
            return
        try:
            check = Check(device, known, self._time.known(), desk.ports.verify_signature)
        except DamagedRoot as error:
            forget_root(desk.ports.store, "director")
            look.then(None, error)
            return
        self._next(check, look)

    def _next(self, check: Check, look: Look) -> None:
        """Ask for the next file, or finish."""
        request = check.wants()
        if request is None:
            self._ended(check, look, None)
            return
        repository = "image/" if request.repository == "image" else "director/" + self._desk.device_id + "/"

        def arrived(body: "bytes | None", error: "CamwardError | None") -> None:
            if look.number != self._round:
                return
            if isinstance(error, ClockDoubt) and look.port == FETCHER:
                # Metadata is true by its signatures, whoever brings it: it is how a wrong floor is found out.
                look.port = CLOCKLESS
                ask()
            else:
                self._take(check, look, body, error)

        def ask() -> None:
            self._desk.call(look.port, "get", ("/tuf/" + repository + request.path, request.max_bytes), arrived)

        ask()

    def _take(self, check: Check, look: Look, body: "bytes | None", error: "CamwardError | None") -> None:
        """Feed one file; what was accepted is stored before anything else happens, even when the check has failed."""
        if error is None:
            try:
                if body is None:
                    check.absent()
                else:
                    check.feed(body)
            except DamagedRoot as caught:
                forget_root(self._desk.ports.store, "image")  # the director's was read at the start
                error = caught
            except (Rejected, Unavailable) as caught:
                error = caught
        try:
            look.reset_to = reset_floor(self._time, check, look.reset_to)
            keep(self._desk, self._time, check)
        except Unavailable as caught:
            error = error or caught
        if error is not None:
            self._ended(check, look, error)
        else:
            self._next(check, look)

    def _ended(self, check: Check, look: Look, error: "CamwardError | None") -> None:
        """Hand over what came of it; but where the wall clock is in doubt, put it right first and look again."""
        if look.port == CLOCKLESS and look.reset_to is not None:
            # It was the floor that was wrong, and it has fallen. No root is walked twice, so this happens once.
            self._look(Look(look.number, look.then, look.corrected))
            return
        outcome = check.outcome if error is None else None
        self.delivery = check.delivery
        doubt = look.port == CLOCKLESS or isinstance(error, (Freeze, ClockDoubt))
        if error is None:
            doubt = doubt or self._time.doubtful(check.issued_at)
        # Nothing is installed on the word of a clock: it may have been set back so that old metadata looks fresh.
        unproven = (outcome is not None or self._time.wanted) and not self._time.certain()
        if look.corrected or not (doubt or unproven):
            look.then(outcome, error)
            return

        def settled(corrected: bool, trouble: "CamwardError | None") -> None:
            if look.number != self._round:
                return
            if corrected or look.corrections != self._time.corrections:  # by whoever asked, while we looked
                self._look(Look(look.number, look.then, True))
            elif isinstance(trouble, Rejected):
                look.then(None, trouble)  # somebody plays with the time: that is the news
            elif outcome is not None and (look.port == CLOCKLESS or not self._time.certain()):
                look.then(None, trouble or ClockDoubt("what is to be installed has to wait for a time receipt"))
            else:
                look.then(outcome, error)

        self._time.put_right(self._known_director_root(), settled)

    def _known_director_root(self) -> bytes:
        """The stored one, or the ownership record's while the storage fails."""
        try:
            return stored(self._desk.ports.store, "director", self._director_root)["root"] or b""
        except Unavailable:
            return self._director_root


def forget_director(store: "Store") -> None:
    """Another owner: what the former one's director signed counts no more.

    Raises:
        Unavailable: the storage fails.
    """
    for role in ROLES:
        name = "trust/director/" + role + ".json"
        if store.read(name) is not None:
            store.delete(name)


def _whatever(_corrected: bool, _error: "CamwardError | None") -> None:
    """Whoever waits for the clock tries again by itself."""
