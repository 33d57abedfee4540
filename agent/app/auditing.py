"""The audit of accounts: whatever may let somebody in on this camera, by its own files, and what is wrong with it.

It looks at every file of accounts once an hour, and tries the deny-list on each hash, one password after the other, in
the background: at most LEAST_S apart and never more than a SHARE of one core, while nothing is being installed. A hash
is tried once; how far that has come outlives a restart. What is found goes to the server (once, and once more when it
has gone), into evidence, and to the administrator's page; what can be locked is, unless the manufacturer says `report`.
"""

from agent.app import account_stores as stores
from agent.app import audit_state
from agent.app.audit_state import CLEAN, DOCUMENT, FITS, MAX_TRIALS, State
from agent.app.digest import REALM
from agent.app.work import Work
from agent.core import foreign_accounts as core
from agent.core.foreign_accounts import OPEN, PASSWD_PATH, SHADOW_PATH, TOLD_ONLY, Finding, Known
from agent.formats import account_lines as files
from agent.formats import audit
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from agent.app.accounts import Accounts
    from agent.app.console import Console
    from agent.app.credentials import Credentials
    from agent.app.desk import Desk
    from agent.app.reporting import Reporting
    from agent.app.work import Steps
    from agent.core.deny_list import DenyList
    from agent.core.foreign_accounts import Judged, Looked, Trial
    from agent.formats.errors import CamwardError

FIRST_S = 300.0  # after the start, which has enough to do
LOOK_EVERY_S = 3600.0
LEAST_S = 1.0  # between two tries
SHARE = 50  # a fiftieth of one core: the pause is that many times as long as the try before it
CALM_S = 60.0  # until the next look at whether an installation is over
SAVE_EVERY = 10  # tries; the first of a run is saved as well, so that a camera that restarts all the time gets on too
BATCH = {files.SHA1: 64, files.HA1_MD5: 64, files.HA1_SHA256: 64}
"""Passwords in one try, for hashes that cost next to nothing; one for all others."""
MAX_TOLD = 16  # findings in a message; the number of all is in it as well
MAX_SHOWN = 6  # on the camera's page, which has to fit a line of the login socket; evidence has all
_MAX_PATH_CHARS = 64
KIND_FOUND, KIND_MENDED = "accounts_found", "accounts_mended"
OWN_STORES = (stores.WEB, stores.DIGEST, stores.SHADOW)
_COMMON = ("common", "context", "repeats", "pattern")


class Auditing:
    """Looks, tries, tells, locks."""

    def __init__(
        self,
        desk: "Desk",
        accounts: "Accounts",
        credentials: "Credentials",
        console: "Console | None",
        reporting: "Reporting",
        denied: "Callable[[], DenyList]",
        calm: "Callable[[], bool]",
    ) -> None:
        """`denied` reads the deny-list; `calm` says that nothing is being installed."""
        self._desk = desk
        self._accounts = accounts
        self._credentials = credentials
        self._console = console
        self._reporting = reporting
        self._denied = denied
        self._calm = calm
        self._settings = desk.config.accounts
        self._work = Work(desk, "audit")
        self._state = audit_state.NOTHING
        self._loaded = False
        self._enrolled = False
        self._unsaved = SAVE_EVERY  # the first is saved
        self._trials: "tuple[Trial, ...]" = ()
        self._beyond = 0
        self._waiting: "list[Callable[[], None]]" = []
        self._said: "tuple[str, ...]" = ()
        self._list_known = False
        self.findings: "tuple[Finding, ...]" = ()
        self.checked = -1
        """How many accounts the last look saw; -1 before there was one."""
        self.changed_hook: "Callable[[], None]" = _nothing
        """Called when there is something new to tell."""

    def start(self) -> None:
        """Begin some minutes from now."""
        self._begin(FIRST_S)

    def enrolled(self) -> None:
        """There is a server to tell."""
        self._enrolled = True

    def look_now(self, done: "Callable[[], None]") -> None:
        """Look at every file now; `done` is called when the findings are those of this look, or it failed."""
        self._waiting.append(done)
        self._begin(0.0)

    def _begin(self, wait_s: float) -> None:
        self._work.start(self._run(wait_s), self._ended)

    def _ended(self, error: "CamwardError | None") -> None:
        """A look or a try failed: say so, and look again in an hour."""
        self._desk.say("camward-agent: the audit of accounts: " + str(error))
        self._answer()
        self._begin(LOOK_EVERY_S)

    def _run(self, wait_s: float) -> "Steps":
        yield wait_s
        self._load()
        while True:
            again_at = self._desk.now + LOOK_EVERY_S
            yield from self._look()
            self._answer()
            if not (yield from self._try_all(again_at)):
                yield max(0.0, again_at - self._desk.now)

    # Looking

    def _look(self) -> "Steps":
        found = yield from self._judged()
        locked: "tuple[Finding, ...]" = ()
        if self._settings.policy == audit.LOCK:
            wanted = [one for one in found.findings if self._lockable(one)]
            if wanted:
                yield from self._lock(wanted)
                again = yield from self._judged()
                locked = tuple([one.replace(locked=True) for one in wanted if one not in again.findings])
                found = again
        self.findings = (locked + tuple([self._left(one) for one in found.findings]))[: core.MAX_FINDINGS]
        self.checked = found.accounts
        # However many hashes somebody adds: the owner's, at the end, are tried, and what a password fitted stays known.
        fitted = [one for one in found.trials if self._state.progress.get(one.key) == FITS]
        trials = [one for one in found.trials if one not in fitted] + fitted
        self._beyond = max(0, len(trials) - MAX_TRIALS)
        self._trials = tuple(trials[self._beyond :])
        kept = {one.key: self._state.progress.get(one.key, 0) for one in self._trials}
        self._state = self._state.replace(progress=kept)
        self._tell()

    def _left(self, one: Finding) -> Finding:
        """Of those who own the camera, none is locked: they have to change their passwords."""
        meant = self._settings.policy == audit.LOCK and one.code not in TOLD_ONLY
        return one.replace(locked=False) if meant and one.path not in OWN_STORES else one

    def _lockable(self, one: Finding) -> bool:
        return one.code not in TOLD_ONLY and core.lockable(one.code, one.path, self._console is not None)

    def _judged(self) -> "Generator[Any, Any, Judged]":
        passwd = yield from self._read(PASSWD_PATH, files.PASSWD)
        shadow = yield from self._read(SHADOW_PATH, files.SHADOW)
        looked = [passwd, shadow]
        base = self._base()
        wanted = dict.fromkeys(core.key_paths(passwd.lines), files.KEYS)
        wanted.update({one.path: one.kind for one in self._settings.files})
        for path in sorted(wanted):
            looked += [(yield from self._read(path, wanted[path]))]
        weak = tuple([key for key in self._state.progress if self._state.progress[key] == FITS])
        names = tuple([line.name for line in base[0].lines]) if base else ()
        judged = core.judge(tuple(looked + base), Known(self._settings, names, self._in_files(), weak, self._is_common))
        return self._with_own(judged, weak)

    def _read(self, path: str, kind: str) -> "Generator[Any, Any, Looked]":
        status, body = yield self._work.ask("account_files", "read", (path,))
        return _looked(path, kind, status, body)

    def _base(self) -> "list[Looked]":
        """The manufacturer's own lines, where the agent publishes them."""
        if self._console is None:
            return []
        try:
            passwd, shadow = self._desk.ports.console.base()
        except Unavailable:
            return [_looked(core.BASE_SHADOW, files.SHADOW, "denied", b"")]
        return [
            _looked(core.BASE_PASSWD, files.PASSWD, core.OK, passwd),
            _looked(core.BASE_SHADOW, files.SHADOW, core.OK, shadow),
        ]

    def _in_files(self) -> "dict[str, tuple[int, str]]":
        return {} if self._console is None else self._console.written()

    def _is_common(self, name: str, password: str) -> bool:
        return any(one.code in _COMMON for one in self._credentials.violations(name, password))

    def _with_own(self, judged: "Judged", weak: "tuple[str, ...]") -> "Judged":
        """The agent's own stores as well, behind the others: their passwords were good, by the list of their time."""
        trials, findings = list(judged.trials), list(judged.findings)
        users = self._accounts.users
        for name in sorted(users):
            one = users[name]
            for path, how, secret in (
                (stores.WEB, files.ARGON2, one.phc),
                (stores.DIGEST, files.HA1_MD5, one.ha1_md5),
                (stores.DIGEST, files.HA1_SHA256, one.ha1_sha256),
                (stores.SHADOW, files.CRYPT, one.crypt),
            ):
                made = core.trial(how, name, REALM if path == stores.DIGEST else "", secret)
                if secret:
                    trials.append(made)
                found = Finding(core.WEAK, path, name, None)
                if made.key in weak and found not in findings:
                    findings.append(found)
        return judged.replace(
            findings=tuple(findings[: core.MAX_FINDINGS]),
            trials=tuple(trials),
            accounts=judged.accounts + len(users),
        )

    # Locking

    def _lock(self, wanted: "list[Finding]") -> "Steps":
        kinds = {one.path: one.kind for one in self._settings.files}
        by_path: "dict[str, list[str]]" = {}
        for one in wanted:
            by_path.setdefault(one.path, []).append(one.name)
        if (PASSWD_PATH in by_path or SHADOW_PATH in by_path) and self._console is not None:
            self._console.refresh()
        for path in sorted(by_path):
            if path not in (PASSWD_PATH, SHADOW_PATH):
                arguments = (path, kinds.get(path, files.KEYS), tuple(by_path[path]))
                try:
                    yield self._work.ask("account_files", "lock", arguments)
                except (Rejected, Unavailable) as error:
                    self._desk.say("camward-agent: an account cannot be locked: " + str(error))

    # Trying

    def _try_all(self, until: float) -> "Generator[Any, Any, bool]":
        """Try until the time is over or nothing is left; True if a password fitted, which is to be told at once."""
        if not self.left() and (self._list_known or not self._trials):
            return False
        denied = self._denied()
        if self._state.tried_list != denied.fingerprint:
            known = self._state.progress
            fresh = {key: FITS if known[key] == FITS else 0 for key in known}
            self._state = State(denied.fingerprint, fresh, self._state.told)
        self._list_known = True
        for one in self._trials:
            while self._state.progress[one.key] >= 0:
                if self._desk.now >= until:
                    return False
                if not self._calm():
                    yield CALM_S
                    continue
                began = self._desk.now
                fitted = yield from self._try(one, denied)
                if fitted:
                    self._save()
                    return True
                yield max(LEAST_S, SHARE * (self._desk.now - began))
        self._save()
        return False

    def _try(self, one: "Trial", denied: "DenyList") -> "Generator[Any, Any, bool]":
        first = self._state.progress[one.key]
        batch = denied.some(one.name, first, BATCH.get(one.how, 1))
        number = yield self._work.ask("account_files", "fits", (one.how, one.name, one.realm, one.secret, batch))
        following = first + len(batch)
        if number >= 0:
            following = FITS
        elif following >= denied.count():
            following = CLEAN
        self._state.progress[one.key] = following
        self._unsaved += 1
        if self._unsaved >= SAVE_EVERY:
            self._save()
        return following == FITS

    # Keeping and telling

    def _load(self) -> None:
        if self._loaded:
            return
        body = self._desk.ports.store.read(DOCUMENT)
        try:
            self._state = audit_state.NOTHING if body is None else audit_state.decode(body, self._desk.ports.secret)
        except Rejected:
            pass  # tried again, and told again
        self._loaded = True

    def _save(self) -> None:
        """What cannot be written is tried again after the next start."""
        self._unsaved = 0
        try:
            self._desk.ports.store.write(DOCUMENT, audit_state.encode(self._state, self._desk.ports.secret))
        except (FormatError, Unavailable) as error:
            self._desk.say("camward-agent: the audit of accounts is not kept: " + str(error))

    def _tell(self) -> None:
        """Tell the server what is new about the findings, once; what was not taken is told at the next look."""
        told = tuple([_key(one) for one in self.findings])
        if told != self._said:
            for one in self.findings:
                if _key(one) not in self._said:
                    self._desk.say("camward-agent: account: " + _text(one))
            self._said = told
            self.changed_hook()
        if told != self._state.told and self._enrolled and self._reporting.queue("alarm", self._message()):
            self._state = self._state.replace(told=told)
            self._save()

    def _message(self) -> "dict[str, Any]":
        if not self.findings:
            detail = "every account is as it should be again"
            return {"kind": "accounts", "code": KIND_MENDED, "clears": KIND_FOUND, "detail": detail}
        return {
            "kind": "accounts",
            "code": KIND_FOUND,
            "detail": "; ".join([_text(one) for one in self.findings[:MAX_SHOWN]]),
            "count": len(self.findings),
            "found": [_told(one) for one in self.findings[:MAX_TOLD]],
        }

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done()

    def left(self) -> int:
        """Hashes on which not every password has been tried and will be; MAX_TRIALS at most."""
        return sum(1 for one in self._trials if self._state.progress.get(one.key, 0) >= 0)

    def fact(self) -> "dict[str, Any]":
        """For evidence; empty before the first look."""
        if self.checked < 0:
            return {}
        return {
            "checked": self.checked,
            "untried": self._beyond + self.left(),
            "found": [_told(one) for one in self.findings],
        }

    def opened(self) -> "list[str]":
        """Accounts that anybody gets in by and that could not be locked, for the judgement on factory passwords."""
        return [one.name + " in " + one.path for one in self.findings if one.code in OPEN and not one.locked]

    def status(self) -> "dict[str, Any]":
        """What the administrator's page shows."""
        if self.checked < 0:
            return {}
        return {
            "checked": self.checked, "untried": self._beyond + self.left(), "count": len(self.findings),
            "found": [_told(one) for one in self.findings[:MAX_SHOWN]],
        }  # fmt: skip


def _looked(path: str, kind: str, status: str, body: bytes) -> "Looked":
    try:
        return core.looked(path, kind, status, body)
    except FormatError:
        return core.looked(path, kind, "too_large", b"")


def _told(one: Finding) -> "dict[str, Any]":
    return {"code": one.code, "path": one.path[-_MAX_PATH_CHARS:], "account": one.name, "locked": one.locked}


def _key(one: Finding) -> str:
    return one.code + " " + str(one.locked) + " " + one.name + " " + one.path[-_MAX_PATH_CHARS:]


def _text(one: Finding) -> str:
    done = {None: "", True: " (locked)", False: " (cannot be locked)"}[one.locked]
    return one.code + " " + (one.name + " in " if one.name else "") + one.path[-_MAX_PATH_CHARS:] + done


def _nothing() -> None:
    """Whoever has something to do then puts something in its place."""
