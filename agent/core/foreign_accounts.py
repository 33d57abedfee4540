"""Judges the accounts of a camera's files: whose are nobody's, open, or opened by what everybody tries. Pure.

What a hash says for itself is judged at once. Whether a well-known password fits it is for `agent.app.auditing` to try;
each such hash comes back as a `Trial`, and what has been found of it goes into the next judgement (`weak`).
"""

from binascii import hexlify
from hashlib import sha256

from agent.formats import account_lines as files
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.formats.account_lines import Line
    from agent.formats.audit import Audit

PASSWD_PATH, SHADOW_PATH = "/etc/passwd", "/etc/shadow"
BASE_PASSWD, BASE_SHADOW = "manufacturer:passwd", "manufacturer:shadow"
"""In the place of a path: the manufacturer's own lines, which lie in the verified root."""

WEAK, EMPTY, UNKNOWN, ROOT_TWIN, KEYS = "default_password", "empty_password", "unknown_account", "uid_zero", "keys"
USABLE, ALTERED, TWICE = "usable_account", "altered_account", "account_twice"
MALFORMED, UNREADABLE, UNTESTED = "malformed_line", "unreadable_file", "untested_hash"
CODES = (EMPTY, WEAK, ROOT_TWIN, KEYS, USABLE, ALTERED, UNKNOWN, TWICE, MALFORMED, UNREADABLE, UNTESTED)
"""The worst first: where a list is cut, it is cut at its end."""
TOLD_ONLY = (UNREADABLE, UNTESTED)  # no line that could be locked, or none that is known to be wrong
OPEN = (EMPTY, WEAK)
"""Anybody gets in by these."""

MAX_FINDINGS = 64
MAX_HOMES = 16
ROOT_UID = 0
OK, ABSENT = "ok", "absent"
_NO_SHELLS = ("false", "nologin", "sync", "halt", "shutdown", "reboot")
_WRITABLE = ("/data/", "/run/", "/tmp/")  # noqa: S108 (nothing is put there)
_KEY_FILES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_KEY_PATHS = ("/root/.ssh/authorized_keys", "/root/.ssh/authorized_keys2", "/etc/dropbear/authorized_keys")


class Looked(Value):
    """A file as it was found: its path and kind, how the look went (OK, ABSENT or why not), what it held."""

    FIELDS = ("path", "kind", "status", "lines", "wrong")
    path: str
    kind: str
    status: str
    lines: "tuple[Line, ...]"
    wrong: int


class Finding(Value):
    """What is wrong: a code of CODES, the file, the account (empty where it is about the file), and what was done.

    `locked` is None until something was tried; False where it stays as it is.
    """

    FIELDS = ("code", "path", "name", "locked")
    code: str
    path: str
    name: str
    locked: "bool | None"


class Trial(Value):
    """A hash on which passwords are to be tried; `key` stands for it and everything that it depends on."""

    FIELDS = ("key", "how", "name", "realm", "secret")
    key: str
    how: str
    name: str
    realm: str
    secret: str


class Judged(Value):
    """The findings, worst first and MAX_FINDINGS at most; the trials; how many accounts were looked at."""

    FIELDS = ("findings", "trials", "accounts")
    findings: "tuple[Finding, ...]"
    trials: "tuple[Trial, ...]"
    accounts: int


class Known(Value):
    """Who may be there.

    Fields:
        settings: of agent.json.
        base: names of the manufacturer's passwd.
        ours: by name, user id and hash of everyone whom the agent has put into the files.
        weak: keys of the trials that a password fitted.
        common: whether a password in the clear, of this account, is one that everybody tries.
    """

    FIELDS = ("settings", "base", "ours", "weak", "common")
    settings: "Audit"
    base: "tuple[str, ...]"
    ours: "dict[str, tuple[int, str]]"
    weak: "tuple[str, ...]"
    common: "Callable[[str, str], bool]"


def looked(path: str, kind: str, status: str, body: bytes) -> Looked:
    """A file as it was read.

    Raises:
        FormatError: it is longer than such a file may be.
    """
    lines, wrong = files.read_lines(kind, body)
    return Looked(path, kind, status, lines, wrong)


def key_paths(passwd: "tuple[Line, ...]") -> "tuple[str, ...]":
    """Where keys may lie that let somebody in over SSH: in every home, and where root's and dropbear's are."""
    homes: "list[str]" = []
    for line in passwd:
        home = line.home.rstrip("/")
        if line.home[:1] == "/" and home not in homes and "/../" not in home + "/":
            homes.append(home)
    found = list(_KEY_PATHS)
    for home in homes[:MAX_HOMES]:
        found += [home + "/" + name for name in _KEY_FILES if home + "/" + name not in found]
    return tuple(found)


def trial(how: str, name: str, realm: str, secret: str) -> Trial:
    """One hash to be tried."""
    digest = sha256("\n".join((how, name, realm, secret)).encode()).digest()
    return Trial(str(hexlify(digest[:16]), "utf-8"), how, name, realm, secret)


def lockable(code: str, path: str, in_memory: bool) -> bool:
    """Whether such a line of this file can be locked on a camera whose root is read-only.

    `in_memory`: passwd and shadow are the agent's, in memory.
    """
    if path in (PASSWD_PATH, SHADOW_PATH):
        return in_memory
    if code == MALFORMED:
        return False  # nobody knows what to lock in it
    return any(path.startswith(place) for place in _WRITABLE) and not path.startswith("/data/camward/")


def judge(found: "tuple[Looked, ...]", known: Known) -> Judged:
    """All that is wrong with these files."""
    made = _Judgement(known)
    for passwd_path, shadow_path in ((BASE_PASSWD, BASE_SHADOW), (PASSWD_PATH, SHADOW_PATH)):
        pair = [_one(found, passwd_path), _one(found, shadow_path)]
        made.system(pair[0], pair[1], known.ours if passwd_path == PASSWD_PATH else {})
    declared = {one.path: one.declared for one in known.settings.files}
    for one in found:
        if one.kind == files.KEYS:
            made.keys(one)
        elif one.kind not in (files.PASSWD, files.SHADOW):
            made.other(one, declared.get(one.path, ()))
    return made.ended()


def _one(found: "tuple[Looked, ...]", path: str) -> "Looked | None":
    for one in found:
        if one.path == path:
            return one
    return None


class _Judgement:
    """Collects."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._findings: "list[Finding]" = []
        self._trials: "dict[str, Trial]" = {}
        self._accounts = 0

    def ended(self) -> Judged:
        ordered = sorted([(CODES.index(one.code), one.path, one.name) for one in self._findings])
        findings = tuple([Finding(CODES[code], path, name, None) for code, path, name in ordered[:MAX_FINDINGS]])
        return Judged(findings, tuple([self._trials[key] for key in sorted(self._trials)]), self._accounts)

    def system(self, passwd: "Looked | None", shadow: "Looked | None", ours: "dict[str, tuple[int, str]]") -> None:
        """A pair of passwd and shadow; `ours`: whom the agent has put there."""
        settings = self._known.settings
        declared = settings.declared or self._known.base
        shells: "dict[str, str]" = {}
        for one in (passwd, shadow):
            if one is None or not self._readable(one):
                continue
            seen: "list[str]" = []
            for line in one.lines:
                if line.name in seen:
                    self._find(TWICE, one, line.name)
                seen.append(line.name)
                if one.kind == files.PASSWD:
                    self._accounts += 1
                    shells.setdefault(line.name, line.shell)
                    if line.uid == ROOT_UID and (line.name != "root" or seen.count("root") > 1):
                        self._find(ROOT_TWIN, one, line.name)
                if line.name not in declared and line.name not in ours:
                    self._find(UNKNOWN, one, line.name)
                if line.name in ours:
                    if _is_ours(one.kind, line, ours[line.name]):
                        continue  # the agent's own stores hold the same hash
                    self._find(ALTERED, one, line.name)
                if self._secret(one, line) and line.name not in ours and _logs_in(shells.get(line.name, "")):
                    self._find(USABLE, one, line.name)

    def other(self, one: Looked, declared: "tuple[str, ...]") -> None:
        """A file of another program's; an account there that lets nobody in is none."""
        if not self._readable(one):
            return
        for line in one.lines:
            self._accounts += 1
            if self._secret(one, line) and line.name not in declared:
                self._find(UNKNOWN, one, line.name)

    def keys(self, one: Looked) -> None:
        """A file of keys: nobody gets in by a key on a guarded camera."""
        if self._readable(one) and one.lines:
            self._find(KEYS, one, "")

    def _readable(self, one: Looked) -> bool:
        if one.status == ABSENT:
            return False
        if one.status != OK:
            self._find(UNREADABLE, one, one.status)
            return False
        if one.wrong:
            self._find(MALFORMED, one, "")
        return True

    def _secret(self, one: Looked, line: "Line") -> bool:
        """Judge what stands for the password; whether some password opens it."""
        how = files.secret_kind(one.kind, line.secret)
        if how == files.EMPTY:
            self._find(EMPTY, one, line.name)
        elif how == files.UNKNOWN:
            self._find(UNTESTED, one, line.name)
        elif how == files.PLAIN:
            if self._known.common(line.name, line.secret):
                self._find(WEAK, one, line.name)
        elif how not in (files.NONE, files.ELSEWHERE):
            made = trial(how, line.name, line.realm, line.secret)
            self._trials[made.key] = made
            if made.key in self._known.weak:
                self._find(WEAK, one, line.name)
        return how not in (files.NONE, files.ELSEWHERE)

    def _find(self, code: str, one: Looked, name: str) -> None:
        found = Finding(code, one.path, name, None)
        if found not in self._findings and len(self._findings) < files.MAX_LINES:
            self._findings.append(found)


def _logs_in(shell: str) -> bool:
    """Whether it is one that takes commands; an empty one is /bin/sh (passwd(5))."""
    return shell.rpartition("/")[2] not in _NO_SHELLS


def _is_ours(kind: str, line: "Line", account: "tuple[int, str]") -> bool:
    if kind == files.SHADOW:
        return line.secret == account[1]
    return line.uid == account[0] and files.secret_kind(kind, line.secret) == files.ELSEWHERE
