"""Brute force made impractical: a growing delay per source and per account, shared by every path into the camera.

A source (an address; for IPv6 its /64, which one attacker owns) waits longer and longer, up to 15 minutes. An account
waits up to 30 seconds, whoever asks, so that many sources gain nothing; it is not longer, because that would let
anyone lock the owner out. A source that has logged in to an account before is not held up by other people's failures
there: in place of the account's wait it has one of its own, for this account, which grows as that of a source. A
success ends the waits of whoever succeeded, and of nobody else. What that comes to in a day: docs/guessing.md.

Tables are bounded. Of the sources, the one that has failed least is forgotten first. An account is forgotten only when
its time has come: while the table is full, all accounts without a place share one entry, so that trying many names
hides no try at the one that is meant. State survives restarts through `encode` and `parse`.
"""

from agent.formats import fields
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FREE_TRIES = 4  # people mistype; the wait begins with the fifth failure in a row
MAX_SOURCE_WAIT_S = 900
MAX_ACCOUNT_WAIT_S = 30
FORGET_S = 3600  # without a failure for this long, counting starts again
MAX_SOURCES = 256  # 256 and 64 entries of MAX_KEY_CHARS keep the state below MAX_STATE_BYTES
MAX_ACCOUNTS = 64  # twice as many as a camera has users; the last place is that of OTHERS
OTHERS = "(others)"  # the shared entry; no user can have this name
MAX_KNOWN = 64  # pairs of account and source that have logged in; the account that has most of them loses its oldest
MAX_KEY_CHARS = 64
MAX_STATE_BYTES = 64 * 1024
_MAX_FAILURES = 1000


class Entry(Value):
    """Failures in a row, and when the last one was."""

    FIELDS = ("failures", "last_at")
    failures: int
    last_at: int


class Lockout:
    """The counters. `now` is in seconds of a clock that outsiders cannot move: a jump ahead would end every wait."""

    def __init__(self) -> None:
        self._sources: "dict[str, Entry]" = {}
        self._accounts: "dict[str, Entry]" = {}
        self._known: "dict[str, int]" = {}

    def check(self, source: str, user: str, now: int) -> int:
        """Seconds this source must wait before it may try this account; 0 means now."""
        place, account = source_key(source), _key(user)
        wait = _wait(self._sources.get(place), now, MAX_SOURCE_WAIT_S)
        pair = _pair(account, place)
        if pair in self._known:
            return max(wait, _wait(self._sources.get(_key(pair)), now, MAX_SOURCE_WAIT_S))
        return max(wait, _wait(self._accounts.get(self._seat(account, now)), now, MAX_ACCOUNT_WAIT_S))

    def failed(self, source: str, user: str, now: int) -> None:
        """Count a wrong try. Tries made while `check` says wait are to be refused unseen, and not counted."""
        place, account = source_key(source), _key(user)
        pair = _pair(account, place)
        self._count_source(place, now)
        if pair in self._known:
            self._count_source(_key(pair), now)
        else:
            _count(self._accounts, self._seat(account, now), now)

    def succeeded(self, source: str, user: str, now: int) -> None:
        """Take back that the try was counted as wrong, end this source's waits, and remember what it logged in to.

        The account's wait goes on for strangers: its owner's logins say nothing about them.
        """
        place, account = source_key(source), _key(user)
        pair = _pair(account, place)
        self._sources.pop(place, None)
        self._sources.pop(_key(pair), None)
        if pair not in self._known:
            self._take_back(self._seat(account, now))
        self._known.pop(pair, None)
        if len(self._known) >= MAX_KNOWN:
            owned: "dict[str, int]" = {}
            for known in self._known:
                owner = known.partition(" ")[0]
                owned[owner] = owned.get(owner, 0) + 1
            del self._known[min(self._known, key=lambda one: (-owned[one.partition(" ")[0]], self._known[one], one))]
        self._known[pair] = now

    def failures(self, source: str, user: str, now: int) -> "tuple[int, int]":
        """Failures in a row that stand against this source, and against this account for a source it does not know.

        Instead of the second, for one that it knows: those of this source at this account.
        """
        place, account = source_key(source), _key(user)
        pair = _pair(account, place)
        other = self._sources.get(_key(pair)) if pair in self._known else self._accounts.get(self._seat(account, now))
        return _standing(self._sources.get(place), now), _standing(other, now)

    def held(self, now: int) -> int:
        """How many sources and accounts must wait just now (for evidence and alarms)."""
        sources = sum(1 for entry in self._sources.values() if _wait(entry, now, MAX_SOURCE_WAIT_S))
        return sources + sum(1 for entry in self._accounts.values() if _wait(entry, now, MAX_ACCOUNT_WAIT_S))

    def knows(self, source: str, user: str) -> bool:
        """Whether this source has logged in to this account before."""
        return _key(user) + " " + source_key(source) in self._known

    def latest(self) -> int:
        """The newest time in the counters: a clock that goes on from here forgets nothing too early."""
        times = [entry.last_at for table in (self._sources, self._accounts) for entry in table.values()]
        return max(times + list(self._known.values()), default=0)

    def encode(self) -> bytes:
        """The stored form, for `parse`."""
        return dump(
            {
                "v": 1,
                "sources": _rows(self._sources),
                "accounts": _rows(self._accounts),
                "known": [[pair, self._known[pair]] for pair in sorted(self._known)],
            }
        )

    def _count_source(self, name: str, now: int) -> None:
        if name not in self._sources and len(self._sources) >= MAX_SOURCES:
            del self._sources[min(self._sources, key=lambda one: _weight(self._sources[one], one))]
        _count(self._sources, name, now)

    def _take_back(self, seat: str) -> None:
        entry = self._accounts.get(seat)
        if entry is not None and entry.failures > 1:
            self._accounts[seat] = entry.replace(failures=entry.failures - 1)
        else:
            self._accounts.pop(seat, None)

    def _seat(self, account: str, now: int) -> str:
        """Under which name an account is counted: its own, or OTHERS while the table is full."""
        table = self._accounts
        if account in table or len(table) < MAX_ACCOUNTS - 1:
            return account
        for name in [name for name in table if now - table[name].last_at >= FORGET_S]:
            del table[name]
        return account if len(table) < MAX_ACCOUNTS - 1 else OTHERS


def parse(body: bytes) -> Lockout:
    """Read the stored form.

    Raises:
        FormatError: it is damaged; go on with `lost`.
    """
    source = parse_object(body, MAX_STATE_BYTES)
    fields.integer(source, "v", 1, 1)
    lockout = Lockout()
    lockout._sources = _entries(source, "sources", MAX_SOURCES)
    lockout._accounts = _entries(source, "accounts", MAX_ACCOUNTS)
    for item in fields.array(source, "known", MAX_KNOWN):
        row = fields.row(item, "known", 2)
        lockout._known[fields.as_text(row[0], "a key", 2 * MAX_KEY_CHARS + 1)] = fields.as_integer(row[1], "a time")
    return lockout


def lost() -> Lockout:
    """What to go on with when the counters cannot be read: as after an attack, until FORGET_S have passed.

    No account has a place, so all share one entry, which waits as long as an account ever does.
    """
    lockout = Lockout()
    lockout._accounts = {"(lost " + str(number) + ")": Entry(1, 0) for number in range(MAX_ACCOUNTS - 1)}
    lockout._accounts[OTHERS] = Entry(_MAX_FAILURES, 0)
    return lockout


def source_key(source: str) -> str:
    """What counts as one source: an IPv4 address, the /64 of an IPv6 address, or the text itself."""
    text = source.partition("%")[0]
    if ":" not in text:
        return _key(text)
    head, gap, tail = text.partition("::")
    groups = [group for group in head.split(":") if group]
    after = [group for group in tail.split(":") if group]
    if "." in text:  # ::ffff:192.0.2.1, an IPv4 address in disguise
        return _key((after or groups)[-1])
    if gap:
        groups.extend(["0"] * max(0, 8 - len(groups) - len(after)))
        groups.extend(after)
    network = [group.lstrip("0") or "0" for group in groups[:4]]
    return _key(":".join(network) + "::/64")


def _key(text: str) -> str:
    """Bounded, and ASCII lower case (case must not multiply the tries).

    What no user's name has is one character, which JSON does not make longer: the state stays below MAX_STATE_BYTES.
    """
    return "".join([_folded(c) for c in text[:MAX_KEY_CHARS]])


def _folded(character: str) -> str:
    if "A" <= character <= "Z":
        return chr(ord(character) + 32)
    return character if " " <= character <= "~" and character not in '"\\' else "?"


def _pair(account: str, place: str) -> str:
    return account + " " + place


def _standing(entry: "Entry | None", now: int) -> int:
    return 0 if entry is None or now - entry.last_at >= FORGET_S else entry.failures


def _wait(entry: "Entry | None", now: int, most_s: int) -> int:
    if entry is None or entry.failures <= FREE_TRIES:
        return 0
    elapsed = max(0, now - entry.last_at)
    if elapsed >= FORGET_S:
        return 0
    doublings = min(entry.failures - FREE_TRIES - 1, 16)
    return max(0, min(most_s, 1 << doublings) - elapsed)


def _count(table: "dict[str, Entry]", key: str, now: int) -> None:
    entry = table.get(key)
    fresh = entry is None or now - entry.last_at >= FORGET_S
    table[key] = Entry(1 if fresh or entry is None else min(entry.failures + 1, _MAX_FAILURES), now)


def _weight(entry: Entry, name: str) -> "tuple[int, int, str]":
    """The order in which sources are forgotten: flooding with fresh ones must not push out the one that has failed."""
    return entry.failures, entry.last_at, name


def _rows(table: "dict[str, Entry]") -> "list[list[Any]]":
    return [[key, table[key].failures, table[key].last_at] for key in sorted(table)]


def _entries(source: "dict[str, Any]", name: str, most: int) -> "dict[str, Entry]":
    found = {}
    for item in fields.array(source, name, most):
        row = fields.row(item, name, 3)
        failures = fields.as_integer(row[1], "failures", 1, _MAX_FAILURES)
        found[fields.as_text(row[0], "a key", MAX_KEY_CHARS)] = Entry(failures, fields.as_integer(row[2], "a time"))
    return found
