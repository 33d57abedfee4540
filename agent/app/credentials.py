"""The credential transaction: policy, hash, write every store, prove it on the live services, or put all back."""

from agent.app.accounts import CLAIMED, Account
from agent.app.digest import secret
from agent.app.proving import IN, REFUSED, SILENT
from agent.core import password, password_policy
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.accounts import Accounts
    from agent.app.desk import Desk
    from agent.app.proving import Attempt, Finding, Proving
    from agent.app.trusted_time import TrustedTime
    from agent.core.password import Blocklist, Violation
    from agent.formats.errors import CamwardError

    Done = Callable[[CamwardError | None], None]

MAX_TOLD = 3  # findings that a refusal quotes
VENDOR_WORDS = ("camward", "camera", "kamera")
MAC_TAIL_CHARS = 6  # the half that differs between cameras, as people read it from the label
DAY_S = 86400
SETTLE_AGAIN_S = 30.0  # a change of credentials under way is proved within that time
RUN_BEFORE_S = 15  # 5 that a token is made ahead of the clock, 10 that the clock is ahead (clock.PROOF_LASTS_S)
_SETTLE = "settle"
BLOCKLIST_DAMAGED = "blocklist_damaged"
"""A problem of the desk: the list of known passwords cannot be used, and so no password can be set."""


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
        self._policy = password_policy.parse_policy(desk.config.password)
        self._running = False
        self.host_name = ""
        """What the camera calls itself on the network, where that is known."""

    def min_chars(self) -> int:
        """Shortest password the policy lets pass, for a role of which it asks no more."""
        return self._policy.min_chars

    def policy_version(self) -> str:
        """The policy's profile and a short hash of all that it says: equal where cameras ask the same."""
        return self._policy.profile + "." + password_policy.fingerprint(self._policy)

    def asks_more(self, role: str, of: str) -> bool:
        """Whether a password that is good enough for `of` may be too short for `role`."""
        policy = self._policy
        return password_policy.for_role(policy, role).min_chars > password_policy.for_role(policy, of).min_chars

    def violations(self, user: str, typed: str, role: str = "") -> "tuple[Violation, ...]":
        """What the policy has against this password for this user on this camera; `role`: what the user has or gets."""
        policy = password_policy.for_role(self._policy, role)
        found = password.check(typed, user, self._context(), policy, self._blocklist)
        if any(one.code == "unchecked" for one in found):
            self._desk.problem(BLOCKLIST_DAMAGED)
        return found

    def _context(self) -> "tuple[str, ...]":
        """What is printed on the camera or told by it to everybody, and the parts of it that people pick."""
        label, config = self._desk.label, self._desk.config
        serial_parts = tuple(label.serial.replace("_", "-").replace(".", "-").split("-"))
        mac_tail = label.mac.replace(":", "")[-MAC_TAIL_CHARS:]
        return (config.model, label.serial, label.mac, mac_tail, self.host_name) + serial_parts + VENDOR_WORDS

    def listed(self) -> "list[dict[str, Any]]":
        """All users by name: their roles, and how many days old their passwords are, by the trusted clock."""
        now, users = self._time.now_s(), self._accounts.users
        return [
            {
                "name": name, "role": users[name].role, "token": bool(users[name].token),
                "password_days": max(0, now - users[name].set_at) // DAY_S,
            }
            for name in sorted(users)
        ]  # fmt: skip

    def age(self) -> "dict[str, Any]":
        """The age of the oldest password in days, absent without users, and whether the policy calls it due.

        A reminder and nothing more: nobody is refused for it.
        """
        days = self._policy.remind_days
        told: "dict[str, Any]" = {"profile": self._policy.profile, "remind_days": days, "due": False}
        ages = [user["password_days"] for user in self.listed()]
        if ages:
            told["oldest_days"] = max(ages)
            told["due"] = 0 < days <= told["oldest_days"]
        return told

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
            if self._desk.config.system_logins is None:
                made(str(phc), "")
                return

            def crypted(value: "object", error: "CamwardError | None") -> None:
                if error is not None:
                    ended(error)
                else:
                    made(str(phc), str(value))

            self._desk.call("console", "crypt", (password,), crypted)

        def made(phc: str, crypt: str) -> None:
            known = self._accounts.users.get(user)
            account = Account(
                name=user,
                role=role,
                phc=phc,
                ha1_md5=secret("MD5", user, password),
                ha1_sha256=secret("SHA-256", user, password),
                set_at=self._time.now_s(),
                crypt=crypt,
                uid=known.uid if known is not None else 0,
                token="",
            )
            self._write(account, lambda: self._changed(account, password, old, known), ended)

        self._desk.call("hasher", "hash", (password,), hashed)

    def run_before_s(self) -> int:
        """Until when the run before may have taken a token that was created then, in Unix seconds by proof."""
        return (self._time.certain_since_s() or 0) + RUN_BEFORE_S

    def proven_s(self) -> "int | None":
        """Unix seconds by proof of this run; None while there is none, or it may still be a time of the run before."""
        now_s = self._time.at_least_s() if self._time.certain() else 0
        return now_s if now_s > self.run_before_s() else None

    def set_token(self, user: str, token: str, wrong: "tuple[str, ...]", done: "Done") -> None:
        """Switch WS-UsernameToken on for a user with this secret, or off with an empty one; proved like a password.

        `wrong`: secrets that must be refused. The caller has checked the right to do so.
        """
        if self._running:
            done(Busy("another change of credentials is under way"))
            return
        self._running = True
        known = self._accounts.users[user]

        def ended(error: "CamwardError | None") -> None:
            self._running = False
            done(error)

        def attempts() -> "tuple[Attempt, ...]":
            found = self._proving.tokens("the new token", user, token, IN) if token else ()
            for other in wrong:
                found += self._proving.tokens("another token or the password", user, other, REFUSED)
            if token:  # it is no password
                found += self._proving.everywhere("the new token", user, token, REFUSED)
            return found + self._old_token(known)

        self._write(known.replace(token=token), attempts, ended)

    def _old_token(self, known: "Account | None") -> "tuple[Attempt, ...]":
        if known is None or not known.token:
            return ()
        return self._proving.tokens("the old token", known.name, known.token, REFUSED)

    def settle(self) -> None:
        """Give stores of a version before the form of this one; nothing to do on trial, or when they have it.

        What goes wrong puts everything back, and the next start tries again.
        """
        if not self._accounts.must_settle():
            return
        if self._running:
            self._desk.at(_SETTLE, self._desk.now + SETTLE_AGAIN_S, self.settle)
            return

        def ended(error: "CamwardError | None") -> None:
            done = "are sealed now" if error is None else "stay as they are: " + str(error)
            self._desk.say("camward-agent: the credential stores " + done)

        try:
            self._accounts.begin(dict(self._accounts.users))
            self._accounts.commit()
        except (Rejected, Unavailable) as error:
            self._abort(error, ended)
        else:
            ended(None)

    def set_role(self, user: str, role: str) -> "CamwardError | None":
        """Give an existing user another role; no secret changes, so there is nothing to prove on the live services."""
        users = dict(self._accounts.users)
        users[user] = users[user].replace(role=role)
        return self._without_proof(users)

    def remove(self, user: str) -> "CamwardError | None":
        """Take an existing user out of every store; nobody knows the password by which that could be proved."""
        users = dict(self._accounts.users)
        del users[user]
        return self._without_proof(users)

    def _without_proof(self, users: "dict[str, Account]") -> "CamwardError | None":
        if self._running:
            return Busy("another change of credentials is under way")
        found: "list[CamwardError | None]" = []
        try:
            self._accounts.begin(users)
            self._accounts.commit()
        except (Rejected, Unavailable) as error:
            self._abort(error, found.append)
        return found[0] if found else None

    def _changed(
        self, account: Account, password: str, old: "str | None", known: "Account | None"
    ) -> "tuple[Attempt, ...]":
        """What proves a change of a password."""
        attempts = self._proving.everywhere("the new password", account.name, password, IN)
        shell = IN if self._accounts.has_shell(account.name) else REFUSED
        attempts += self._proving.console("the new password", account.name, password, shell)
        attempts += self._proving.intruders()
        if old is not None and old != password:
            attempts += self._proving.everywhere("the old password", account.name, old, REFUSED)
            attempts += self._proving.console("the old password", account.name, old, REFUSED)
        return attempts + self._old_token(known)

    def _write(self, account: Account, attempts: "Callable[[], tuple[Attempt, ...]]", ended: "Done") -> None:
        users = dict(self._accounts.users)
        users[account.name] = account
        try:
            self._accounts.begin(users)
        except (Rejected, Unavailable) as error:
            self._abort(error, ended)
            return

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

        self._proving.start(attempts(), proved)

    def _abort(self, error: "CamwardError", ended: "Done") -> None:
        try:
            self._accounts.abort()
        except (Unavailable, Rejected) as second:
            error = second
        ended(error)

    def claimed(self) -> bool:
        """Whether the camera is claimed and no first claim is still being proved."""
        return self._accounts.state == CLAIMED and not self._running
