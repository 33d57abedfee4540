"""The credential transaction: policy, hash, write every store, prove it on the live services, or put all back."""

from agent.app.accounts import CLAIMED, Account
from agent.app.digest import secret
from agent.app.proving import IN, REFUSED, SILENT
from agent.core import password as policy
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.accounts import Accounts
    from agent.app.desk import Desk
    from agent.app.proving import Finding, Proving
    from agent.app.trusted_time import TrustedTime
    from agent.core.password import Blocklist, Violation
    from agent.formats.errors import CamwardError

    Done = Callable[[CamwardError | None], None]

MAX_TOLD = 3  # findings that a refusal quotes
VENDOR_WORDS = ("camward", "camera", "kamera")


def _told(finding: "Finding") -> str:
    return "%s at %s (%s): %s" % (finding.who, finding.service, finding.way, finding.found)


class NotProved(Unavailable):
    """The live services did not behave as the new credentials demand; everything was put back.

    `contradicted`: what they did otherwise; empty if they only gave no answer.
    """

    code = "not_proved"

    def __init__(self, told: "tuple[str, ...]", contradicted: "tuple[str, ...]") -> None:
        super().__init__("; ".join(told[:MAX_TOLD]))
        self.contradicted = contradicted[:MAX_TOLD]


class Busy(Unavailable):
    """Another transaction is under way."""

    code = "busy"


class WordList:
    """agent.core.password.Blocklist over a set of words."""

    def __init__(self, words: "list[str]") -> None:
        self._words = set(words)

    def contains(self, word: str) -> bool:
        """Whether the word is on the list."""
        return word in self._words


class Credentials:
    """One transaction at a time."""

    def __init__(
        self, desk: "Desk", accounts: "Accounts", proving: "Proving", time: "TrustedTime", blocklist: "Blocklist"
    ) -> None:
        self._desk = desk
        self._accounts = accounts
        self._proving = proving
        self._time = time
        self._blocklist = blocklist
        self._policy = policy.parse_policy(desk.config.password)
        self._running = False

    def min_chars(self) -> int:
        """Shortest password the policy lets pass."""
        return self._policy.min_chars

    def violations(self, user: str, password: str) -> "tuple[Violation, ...]":
        """What the policy has against this password for this user on this camera."""
        label, config = self._desk.label, self._desk.config
        words = (config.model, label.serial, label.mac) + VENDOR_WORDS
        return policy.check(password, user, words, self._policy, self._blocklist)

    def set_password(self, user: str, password: str, role: str, old: "str | None", done: "Done") -> None:
        """Give `user` this password and role in every store; `old` (if known) must be refused afterwards.

        The caller has checked the right to do so, and the policy. `done(None)` means proved and durable; with an error
        everything is as it was.
        """
        if self._running:
            done(Busy("another change of credentials is under way"))
            return
        self._running = True

        def ended(error: "CamwardError | None") -> None:
            self._running = False
            done(error)

        def hashed(phc: "object", error: "CamwardError | None") -> None:
            if error is not None:
                ended(error)
                return
            account = Account(
                name=user,
                role=role,
                phc=str(phc),
                ha1_md5=secret("MD5", user, password),
                ha1_sha256=secret("SHA-256", user, password),
                set_at=self._time.now_s(),
            )
            self._write(account, password, old, ended)

        self._desk.call("hasher", "hash", (password,), hashed)

    def set_role(self, user: str, role: str) -> "CamwardError | None":
        """Give an existing user another role; no secret changes, so there is nothing to prove on the live services."""
        if self._running:
            return Busy("another change of credentials is under way")
        users = dict(self._accounts.users)
        users[user] = users[user].replace(role=role)
        found: "list[CamwardError | None]" = []
        try:
            self._accounts.begin(users)
            self._accounts.commit()
        except (Rejected, Unavailable) as error:
            self._abort(error, found.append)
        return found[0] if found else None

    def _write(self, account: Account, password: str, old: "str | None", ended: "Done") -> None:
        users = dict(self._accounts.users)
        users[account.name] = account
        try:
            self._accounts.begin(users)
        except (Rejected, Unavailable) as error:
            self._abort(error, ended)
            return
        attempts = self._proving.everywhere("the new password", account.name, password, IN)
        attempts += self._proving.intruders()
        if old is not None and old != password:
            attempts += self._proving.everywhere("the old password", account.name, old, REFUSED)

        def proved(findings: "tuple[Finding, ...]") -> None:
            wrong = [one for one in findings if one.found != one.expected]
            if wrong:
                contradicted = tuple(_told(one) for one in wrong if one.found != SILENT)
                self._abort(NotProved(tuple(_told(one) for one in wrong), contradicted), ended)
                return
            try:
                self._accounts.commit()
            except Unavailable as error:
                self._abort(error, ended)
                return
            ended(None)

        self._proving.start(attempts, proved)

    def _abort(self, error: "CamwardError", ended: "Done") -> None:
        try:
            self._accounts.abort()
        except (Unavailable, Rejected) as second:
            error = second
        ended(error)

    def claimed(self) -> bool:
        """Whether the camera is claimed and no first claim is still being proved."""
        return self._accounts.state == CLAIMED and not self._running
