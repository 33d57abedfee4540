"""When guessing at passwords is worth an alarm, and how often. Pure; bounded whatever comes.

An attack begins with START_TRIES wrong tries beyond those that everybody has free, with no hour between two of them. It
is told when it begins, once when it turns out to come from many sources, again after ten minutes, twenty, forty and so
on, and when it has been quiet for an hour. Whoever attacks has no more than MAX_ALARMS_PER_DAY out of it.
"""

from agent.formats import alarm, fields
from agent.formats.alarm import CONTINUES, DISTRIBUTED, ENDED, LOGIN, MAX_SOURCES, MAX_WRONG, NOBODY, STARTED, Alarm
from agent.formats.json import dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

START_TRIES = 20  # a recorder with a wrong password gets there within minutes, a person who mistypes does not
MANY_SOURCES = 10
QUIET_S = 3600  # as agent.core.lockout.FORGET_S: a slower attacker never waits, and has 24 tries a day
FIRST_AGAIN_S = 600
MAX_AGAIN_S = 86_400
LOGIN_AFTER = 10  # wrong tries in a row before the one that got in
MAX_LOGINS = 4  # of these alarms in QUIET_S
MAX_ALARMS_PER_DAY = 24 * (MAX_LOGINS + 3)  # as many attacks as hours, each told three times
MAX_STATE_BYTES = 1024


class Attack:
    """The attack that is under way, if any. `now` is in monotonic seconds, `wall` in Unix seconds."""

    def __init__(self) -> None:
        self._wrong = self._said = self._since_at = self._before = 0
        self._begun = self._many = False
        self._last = self._next = 0.0
        self._again_s = FIRST_AGAIN_S
        self._sources: "dict[str, int]" = {}
        self._targets: "dict[str, int]" = {}
        self._logins: "list[float]" = []

    def wrong(self, source: str, target: str, now: float, wall: int) -> "Alarm | None":
        """Count one wrong try of this source (agent.core.lockout.source_key), and what is to be told because of it."""
        if not self._begun and now - self._last >= QUIET_S:
            self._clear()
        if not self._wrong:
            self._since_at = wall
        self._last = now
        self._wrong = min(self._wrong + 1, MAX_WRONG)
        self._targets[target] = self._targets.get(target, 0) + 1
        if source in self._sources or len(self._sources) < MAX_SOURCES:
            self._sources[source] = self._sources.get(source, 0) + 1
        many = max(self._before, len(self._sources)) >= MANY_SOURCES
        if not self._begun:
            if self._wrong < START_TRIES:
                return None
            self._begun, self._many = True, many
            self._again_s = FIRST_AGAIN_S
            self._next = now + self._again_s
            return self._told(STARTED)
        if many and not self._many:
            self._many = True
            return self._told(DISTRIBUTED)
        return None

    def got_in(self, source: str, target: str, wrong: int, now: float, wall: int) -> "Alarm | None":
        """Somebody has logged in after so many wrong tries in a row, their own or of strangers at this account."""
        self._logins = [at for at in self._logins if now - at < QUIET_S]
        if wrong < LOGIN_AFTER or len(self._logins) >= MAX_LOGINS:
            return None
        self._logins.append(now)
        return Alarm(LOGIN, wall, min(wrong, MAX_WRONG), max(1, len(self._sources)), source, target)

    def due(self, now: float) -> "Alarm | None":
        """What is to be told because time has passed; look again at `wake_at`."""
        if not self._begun:
            return None
        if now - self._last >= QUIET_S:
            ended = self._told(ENDED)
            self._clear()
            return ended
        if now < self._next:
            return None
        self._again_s = min(2 * self._again_s, MAX_AGAIN_S)
        self._next = now + self._again_s
        fresh = self._wrong != self._said
        return self._told(CONTINUES) if fresh else None

    def wake_at(self) -> "float | None":
        """When `due` has something to say; None without an attack."""
        return min(self._next, self._last + QUIET_S) if self._begun else None

    def encode(self) -> bytes:
        """What is kept over a restart, for `resume`; empty without an attack."""
        if not self._begun:
            return b""
        kept: "dict[str, Any]" = {"v": 1}
        kept.update(alarm.body(self._told(STARTED)))
        kept["again_s"] = int(self._again_s)
        return dump(kept)

    def resume(self, kept: bytes, now: float) -> None:
        """Go on with the attack of the run before: it ends when it stays quiet from now on.

        Raises:
            FormatError: it is damaged; there is none then.
        """
        source = parse_object(kept, MAX_STATE_BYTES)
        fields.integer(source, "v", 1, 1)
        again_s = fields.integer(source, "again_s", FIRST_AGAIN_S, MAX_AGAIN_S)
        before = alarm.parse(source)
        self._since_at, self._wrong, self._said = before.since_at, before.wrong, before.wrong
        self._before, self._many = before.sources, before.sources >= MANY_SOURCES
        self._sources, self._targets = {before.source: 1}, {before.target: 1}
        self._begun, self._last, self._again_s = True, now, again_s
        self._next = now + again_s

    def _clear(self) -> None:
        self._wrong = self._said = self._since_at = self._before = 0
        self._begun = self._many = False
        self._last = self._next = 0.0
        self._again_s = FIRST_AGAIN_S
        self._sources, self._targets = {}, {}

    def _told(self, event: str) -> Alarm:
        self._said = self._wrong
        sources = min(MAX_SOURCES, max(1, self._before, len(self._sources)))
        return Alarm(event, self._since_at, self._wrong, sources, _most(self._sources), _most(self._targets))


def _most(counts: "dict[str, int]") -> str:
    return max(counts, key=lambda name: (counts[name], name)) if counts else NOBODY
