"""When the restart into a new system may come: the clock, the owner's settings, and what has been said about a release.

The rules are `agent.core.schedule`. `update/schedule.json` holds what has been said about one release, and
`config/update.json` what the owner has set; a damaged one counts as nothing said, and as nothing set.
"""

from agent.core import schedule, timezone
from agent.formats import fields
from agent.formats.errors import FormatError, Unavailable
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.trusted_time import TrustedTime
    from agent.core.schedule import Decision, Policy

SAID = "update/schedule.json"
OVERLAY = "config/update.json"
MAX_BYTES = 2048  # of either
SAVE_STEP_S = 3600  # of a wait without a proven clock: what a power cut may cost of it, against wear of the flash


class Said(Value):
    """About one release: when it was first started, until when it is postponed (0: not), and whether it shall not wait.

    `unsure_s`: how long it has waited without knowing what time it is. `told`: the last reason that was reported.
    """

    FIELDS = ("version", "since_at", "postponed_until_at", "at_once", "unsure_s", "told")
    version: str
    since_at: int
    postponed_until_at: int
    at_once: bool
    unsure_s: int
    told: str


NOTHING = Said("", 0, 0, False, 0, "")


class Scheduling:
    """Decides for one release at a time."""

    def __init__(self, desk: "Desk", time: "TrustedTime") -> None:
        """Read both documents.

        Raises:
            FormatError: the manufacturer's schedule is malformed, or goes below a floor.
            Unavailable: the store fails.
        """
        self._desk = desk
        self._time = time
        self._given = schedule.parse(desk.config.schedule)
        self.policy = self._with_overlay(desk.ports.store.read(OVERLAY))
        self._saved = self.said = self._load(desk.ports.store.read(SAID))
        self._decided_at: "float | None" = None

    def started(self, version: str, at_once: bool) -> None:
        """This release is going to be installed; `at_once`: the owner has asked for it.

        Not durable when the store fails: then a power cut may begin the time for postponing anew.
        """
        said = self.said
        if said.version != version:
            said = NOTHING.replace(version=version, since_at=self._time.now_s())
        self._note(said.replace(at_once=said.at_once or at_once))

    def decide(self, severity: str, ordered: bool) -> "Decision":
        """Whether the release may restart the camera now. `ordered`: the operator has signed that it shall not wait."""
        proven = self._time.certain()
        self._count(proven)
        said = self.said
        case = schedule.Case(
            self._time.now_s(), proven, said.unsure_s, severity, ordered or said.at_once, said.postponed_until_at
        )
        return schedule.decide(self.policy, case)

    def is_news(self, told: str) -> bool:
        """Whether this reason has not been reported yet; it counts as reported from now on, also after a power cut."""
        if told == self.said.told:
            return False
        try:
            self._keep(self.said.replace(told=told))
        except Unavailable:
            return False  # nothing could be queued now either; the next look tells
        return True

    def now_s(self) -> int:
        """The best that is known of the time, in Unix seconds."""
        return self._time.now_s()

    def latest(self, severity: str) -> int:
        """Until when the release can be postponed, in Unix seconds."""
        return schedule.latest(self.policy, severity, self.said.since_at)

    def postpone(self, until_at: int) -> None:
        """Have the release wait until then; 0 takes a postponement back. Durable when it returns.

        Raises:
            Unavailable: the store fails; nothing has changed.
        """
        self._keep(self.said.replace(postponed_until_at=until_at, at_once=False))

    def hurry(self) -> None:
        """The owner wants the release now. Durable when it returns.

        Raises:
            Unavailable: the store fails; nothing has changed.
        """
        self._keep(self.said.replace(postponed_until_at=0, at_once=True))

    def set(self, given: "dict[str, Any]") -> None:
        """Take the owner's settings (`windows`, `time_zone`, `postpone_days`); what is not given stays as it was set.

        An empty object takes all of them back. Durable when it returns.

        Raises:
            FormatError: malformed, or below a floor of this camera.
            Unavailable: the store fails. In each case nothing has changed.
        """
        store = self._desk.ports.store
        merged = self._overlay(store.read(OVERLAY)) if given else {}
        merged.update(given)
        policy = schedule.overlay(self._given, merged)
        merged["v"] = 1
        store.write(OVERLAY, dump(merged))
        self.policy = policy

    def local(self, at: int) -> str:
        """Unix seconds as the clocks on the camera's wall show them."""
        return timezone.render(self.policy.zone(), at)

    def _count(self, proven: bool) -> None:
        """How long the release has waited without a proven clock, by the monotonic one."""
        now, since = self._desk.now, self._decided_at
        self._decided_at = None if proven else now
        if not proven and since is not None:
            unsure_s = self.said.unsure_s + int(now - since)
            self._note(self.said.replace(unsure_s=min(unsure_s, schedule.MAX_UNSURE_S)))

    # The documents

    def _note(self, said: Said) -> None:
        """Keep in memory, and on disk when it is worth it."""
        worth = said.replace(unsure_s=0) != self._saved.replace(unsure_s=0)
        self.said = said
        if worth or said.unsure_s >= self._saved.unsure_s + SAVE_STEP_S:
            try:
                self._keep(said)
            except Unavailable:
                pass  # what is said next is saved together with this

    def _keep(self, said: Said) -> None:
        body = said.as_dict()
        body["v"] = 1
        self._desk.ports.store.write(SAID, dump(body))
        self._saved = self.said = said

    def _load(self, body: "bytes | None") -> Said:
        if body is None:
            return NOTHING
        try:
            source = parse_object(body, MAX_BYTES)
            fields.integer(source, "v", 1, 1)
            return Said(
                version=fields.text(source, "version"),
                since_at=fields.integer(source, "since_at"),
                postponed_until_at=fields.integer(source, "postponed_until_at"),
                at_once=fields.boolean(source, "at_once"),
                unsure_s=fields.integer(source, "unsure_s"),
                told=fields.text(source, "told"),
            )
        except FormatError:
            return NOTHING

    def _with_overlay(self, body: "bytes | None") -> "Policy":
        try:
            return schedule.overlay(self._given, self._overlay(body))
        except FormatError as error:  # a newer firmware may have other floors
            self._desk.say("camward-agent: " + OVERLAY + " does not count: " + str(error))
            return self._given

    def _overlay(self, body: "bytes | None") -> "dict[str, Any]":
        """What the owner has set so far; nothing where the document is damaged."""
        try:
            return {} if body is None else parse_object(body, MAX_BYTES)
        except FormatError:
            return {}
