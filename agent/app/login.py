"""Who may log in: the operations of the login socket protocol (agent.formats.login), for every service alike.

Wrong user and wrong password are one answer, after the same work. The order of an operation that compares a secret:
state, lockout (which counts the try), comparison. Nothing is said about an account before its password was right.
"""

from agent.app.accounts import CLAIMED, UNCLAIMED, user_name_ok
from agent.app.asked import Asked
from agent.app.claiming import Claiming
from agent.app.credentials import NotProved
from agent.app.digest import ALGORITHMS, REALM, Nonces, counted_of, response, secret
from agent.app.grants import Grants
from agent.app.orders import Orders, started
from agent.app.removing import Removing
from agent.app.standing import Standing
from agent.app.tickets import ROLE as PROBE_ROLE
from agent.app.ws_tokens import WsTokens
from agent.formats import login
from agent.formats.errors import FormatError
from agent.formats.hmac import same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.accounts import Account, Accounts
    from agent.app.changing import Changing
    from agent.app.credentials import Credentials
    from agent.app.desk import Desk
    from agent.app.grants import Grant
    from agent.app.guard import Guard
    from agent.app.office import Office, Refusal
    from agent.app.plain_rtsp import PlainRtsp
    from agent.app.quarantining import Quarantining
    from agent.app.ssh import Ssh
    from agent.app.tickets import Tickets
    from agent.formats.errors import CamwardError

    Answer = Callable[[str, dict[str, Any]], None]

NONCE_KEY_BYTES = 32
OLD_PLAYERS = ("rtsp", "rtsp_plain")
"""The services whose clients may know RFC 2069 alone."""


class Login:
    """Answers the login sockets."""

    def __init__(
        self,
        desk: "Desk",
        accounts: "Accounts",
        credentials: "Credentials",
        guard: "Guard",
        office: "Office",
        tickets: "Tickets",
        changing: "Changing",
        ssh: "Ssh",
        quarantining: "Quarantining",
        plain_rtsp: "PlainRtsp",
    ) -> None:
        """`office`: what an administrator can ask for; `tickets`: how the agent's own probe of a stream gets in."""
        self._desk = desk
        self._accounts = accounts
        self._credentials = credentials
        self._guard = guard
        self._office = office
        self._tickets = tickets
        self._changing = changing
        self._quarantining = quarantining
        self._plain_rtsp = plain_rtsp
        self._grants = Grants(desk)
        self._nonces = Nonces(desk.ports.entropy.bytes(NONCE_KEY_BYTES))
        self._hashing = 0
        self._dummy_phc = ""
        nobody = str(desk.ports.entropy.bytes(16))
        self._standing = Standing(accounts, changing, nobody)
        self._dummy_ha1 = {algorithm: secret(algorithm, nobody, nobody) for algorithm in ALGORITHMS}
        self._operations: "dict[str, Callable[[Asked], None]]" = {
            "state": self._state,
            "login": self._login,
            "nonce": self._nonce,
            "digest": self._digest,
            "policy": self._policy,
            "change_password": self._change_password,
            "users": self._users,
            "set_user": self._set_user,
            "enrol": self._enrol,
            "disown": lambda asked: self._confirmed(asked, self._office.disown),
            "transfer": lambda asked: self._confirmed(asked, lambda: self._office.transfer(asked.arguments["token"])),
            "erase": lambda asked: self._confirmed(asked, self._office.erase),
            "device": self._device,
            "evidence": self._evidence,
        }
        self._claiming = Claiming(desk, accounts, guard, self._must_wait, self._own)
        self._operations.update(self._claiming.operations())
        self._operations.update(Orders(accounts, self._grants, office, self._granted).operations())
        self._tokens = WsTokens(
            desk, accounts, credentials, guard, self._grants, office,
            self._granted, self._must_wait, self._compare, self._admit,
        )  # fmt: skip
        self._operations.update(self._tokens.operations())
        self._operations.update(Removing(accounts, credentials, self._grants, self._granted).operations())
        self._operations.update(ssh.operations(self._sure, self._granted))
        self._operations.update(plain_rtsp.operations(self._sure, self._granted))
        self._operations.update(quarantining.operations(changing, office, self._compare))
        quarantining.changed_hook = self._grants.revoke_all

    def start(self) -> None:
        """Prepare the hash that unknown users are compared with."""
        self._dummy_phc = self._desk.ports.hasher.decoy()

    def line(self, connection: int, service: str, body: bytes) -> None:
        """Answer one line from a service."""
        try:
            request = login.parse_request(body)
        except FormatError as error:
            self._desk.send(connection, login.encode_refusal("bad_request", {"detail": str(error)[:200]}))
            return
        asked = Asked(self._desk, connection, service, request)
        if self._quarantining.refuses(request.op):
            asked.no("locked")
            return
        refused = self._plain_rtsp.refusal(service, request.op)
        if refused:
            asked.no(refused)
            return
        if request.op not in ("state", "policy", "claim", "claim_proof") and self._accounts.state != CLAIMED:
            asked.no(self._accounts.state)
            return
        self._operations[request.op](asked)

    # What needs no login

    def _state(self, asked: Asked) -> None:
        label, config = self._desk.label, self._desk.config
        told: "dict[str, Any]" = {
            "state": self._accounts.state,
            "model": config.model,
            "hardware": label.hardware,
            "serial": label.serial,
            "version": config.version,
            "claimable": self._accounts.state == UNCLAIMED,
            "realm": REALM,
        }
        if "user" in asked.arguments:
            told["generations"] = self._standing.standing(asked.arguments["user"])
        told.update(self._plain_rtsp.told(asked.service))
        told.update(self._quarantining.told())
        if told["claimable"]:
            told["claim_salt"] = self._claiming.salt()
        asked.yes(told)

    def _nonce(self, asked: Asked) -> None:
        asked.yes({"nonce": self._nonces.make(self._desk.now), "realm": REALM, "opaque": ""})

    def _policy(self, asked: Asked) -> None:
        if self._accounts.state == CLAIMED and self._granted(asked) is None:
            return
        user = asked.arguments["user"]
        account = self._accounts.users.get(user)
        role = asked.arguments.get("role", account.role if account is not None else "administrator")
        found = self._credentials.violations(user, asked.arguments["password"], role)
        asked.yes({"violations": [violation.as_dict() for violation in found]})

    # Comparing secrets

    def _login(self, asked: Asked) -> None:
        user = asked.arguments["user"]

        def compared(right: bool) -> None:
            account = self._accounts.users.get(user)
            if right and account is not None:
                self._admit(asked, account, passing=False)
            else:
                asked.no("denied")

        self._compare(asked, user, asked.arguments["password"], compared)

    def _compare(self, asked: Asked, user: str, password: str, then: "Callable[[bool], None]") -> None:
        """Lockout, then Argon2 in the worker; answers `wait` and `busy` itself."""
        if self._hashing >= self._guard.places(asked.source, user):
            asked.no("busy")
            return
        if self._must_wait(asked, user):
            return
        account = self._accounts.users.get(user)
        phc = account.phc if account is not None else self._dummy_phc
        self._hashing += 1

        def verified(right: "object", error: "CamwardError | None") -> None:
            self._hashing -= 1
            current = self._accounts.users.get(user)
            # The account may have changed while the hash was computed.
            good = error is None and right is True and current is not None and current.phc == phc
            if good:
                self._guard.succeeded(asked.source, user)
            then(good)

        self._desk.call("hasher", "verify", (password, phc), verified)

    def _digest(self, asked: Asked) -> None:
        given = asked.arguments
        algorithm, user, counted = given["algorithm"], given["user"], counted_of(given)
        if (
            algorithm not in ALGORITHMS
            or given["realm"] != REALM
            or (counted is None and asked.service not in OLD_PLAYERS)
        ):
            asked.no("denied")
            return
        ticket = self._tickets.find(asked.service, asked.source, user)
        if ticket is None and self._must_wait(asked, user):
            return
        count = int(counted[0], 16) if counted is not None else 0
        fresh = self._nonces.accept(given["nonce"], count, self._desk.now)
        if ticket is not None:
            if fresh and self._tickets.admits(ticket, given, counted):
                known = self._standing.generation(user)
                asked.yes({"role": PROBE_ROLE, "grant": self._tickets.grant(), "generation": known})
            else:
                asked.no("denied")
            return
        account = self._accounts.users.get(user)
        ha1 = self._dummy_ha1[algorithm]
        if account is not None:
            ha1 = account.ha1_sha256 if algorithm == "SHA-256" else account.ha1_md5
        wanted = response(algorithm, ha1, given["method"], given["uri"], given["nonce"], counted)
        right = same(wanted.encode(), given["response"].lower().encode()) and account is not None
        if right and fresh is True:  # not for a stale nonce: anybody may replay what was once overheard
            self._guard.succeeded(asked.source, user)
        if not right or account is None or not fresh:
            # `stale` tells a client that knew the password to come again with a fresh nonce, and nobody else anything.
            asked.no("denied", {"stale": True} if right and fresh is None else None)
            return
        self._admit(asked, account, passing=True)

    def _must_wait(self, asked: Asked, user: str) -> bool:
        wait_s = self._guard.wait_s(asked.source, user)
        if wait_s:
            asked.no("wait", {"retry_after_s": wait_s})
        return bool(wait_s)

    def _admit(self, asked: Asked, account: "Account", passing: bool) -> None:
        if self._accounts.quarantined:  # since the password was given
            asked.no("locked")
            return
        if self._plain_rtsp.turns_away(asked, account) or self._changing.turns_away(asked, account):
            return
        members = self._given(asked, account.name, account.role, passing)
        members.update(self._changing.reminder(account))
        asked.yes(members)

    def _given(self, asked: Asked, user: str, role: str, passing: bool = False) -> "dict[str, Any]":
        grant, settled = self._grants.give(user, role, asked.service, passing), self._accounts.replaced is None
        return {"role": role, "grant": grant, "generation": self._standing.generation(user), "settled": settled}

    # Changing who may log in

    def _own(self, asked: Asked) -> None:
        self._set(asked, asked.arguments["user"], asked.arguments["password"], "administrator", None, grant=True)

    def _change_password(self, asked: Asked) -> None:
        user, old = asked.arguments["user"], asked.arguments["old"]

        def compared(right: bool) -> None:
            account = self._accounts.users.get(user)
            if not right or account is None:
                asked.no("denied")
            elif not self._changing.turns_away(asked, account, changing=True):
                self._set(asked, user, asked.arguments["new"], account.role, old, grant=False)

        self._compare(asked, user, old, compared)

    def _set_user(self, asked: Asked) -> None:
        given = asked.arguments
        if self._granted(asked, administrator=True) is None:
            return
        if given["role"] not in login.ROLES:
            asked.no("bad_request", {"detail": "no such role"})
        elif given["role"] != "administrator" and self._last_administrator(given["user"]):
            asked.no("bad_request", {"detail": "a camera keeps one administrator"})
        elif "password" in given:
            self._set(asked, given["user"], given["password"], given["role"], None, grant=False)
        else:
            self._set_role(asked, given["user"], given["role"])

    def _set_role(self, asked: Asked, user: str, role: str) -> None:
        if user not in self._accounts.users:
            asked.no("bad_request", {"detail": "no such user"})
            return
        if self._credentials.asks_more(role, self._accounts.users[user].role):
            asked.no("bad_request", {"detail": "this role needs a longer password: set one with it"})
            return
        error = self._credentials.set_role(user, role)
        if error is not None:
            asked.no("busy", {"detail": str(error)[:300]})
        else:
            self._grants.revoke(user)
            asked.yes({})

    def _set(self, asked: Asked, user: str, password: str, role: str, old: "str | None", grant: bool) -> None:
        """Policy, then the transaction, then the answer."""
        if not user_name_ok(user):
            asked.no("bad_request", {"detail": "user names are 1 to 32 of a-z 0-9 . _ -"})
            return
        if not self._accounts.has_room(user):
            asked.no("bad_request", {"detail": "this camera has as many users as it can have"})
            return
        found = self._credentials.violations(user, password, role) + self._claiming.violations(password)
        if found:
            asked.no("policy", {"violations": [violation.as_dict() for violation in found]})
            return

        def done(error: "CamwardError | None") -> None:
            self._grants.revoke(user)  # also what was given while a change was being proved that did not come about
            if error is not None:
                if isinstance(error, NotProved) and error.contradicted:
                    self._office.credentials_contradicted(error.contradicted)
                asked.no("busy", {"detail": str(error)[:300]})
                return
            self._office.credentials_changed()
            self._changing.changed()
            if grant:
                self._guard.succeeded(asked.source, user)  # the owner's address: strangers' failures do not hold it up
                asked.yes(self._given(asked, user, role))
            else:
                asked.yes({})

        work = self._credentials.set_password
        self._changing.unless_used(asked, password, user, lambda: work(user, password, role, old, done))

    def _last_administrator(self, user: str) -> bool:
        return [name for name, one in self._accounts.users.items() if one.role == "administrator"] == [user]

    # With a grant

    def _users(self, asked: Asked) -> None:
        if self._granted(asked, administrator=True) is not None:
            users = self._changing.marked(self._credentials.listed())
            asked.yes({"users": users, "ws_token": self._desk.config.ws_token})

    def _enrol(self, asked: Asked) -> None:
        if self._granted(asked, administrator=True) is not None:
            problem = self._office.enrol(asked.arguments["token"])
            if problem:
                asked.no("bad_request", {"detail": problem})
            else:
                asked.yes({"task": "started"})

    def _confirmed(self, asked: Asked, work: "Callable[[], Refusal | None]") -> None:
        """What cannot be undone."""
        self._sure(asked, lambda _user: started(asked, work()))

    def _sure(self, asked: Asked, then: "Callable[[str], None]") -> None:
        """Go on with an administrator's grant and the password once more: a forgotten tab is not enough."""
        grant = self._granted(asked, administrator=True)
        if grant is None:
            return

        def compared(right: bool) -> None:
            if not right:
                asked.no("denied")
            elif self._granted(asked, administrator=True) is not None:  # it may have ended meanwhile
                then(grant.user)

        self._compare(asked, grant.user, asked.arguments["password"], compared)

    def _device(self, asked: Asked) -> None:
        grant = self._granted(asked)
        if grant is not None:
            asked.yes(self._office.status_for(grant.role))

    def _evidence(self, asked: Asked) -> None:
        if self._granted(asked) is not None:
            asked.yes({"path": self._office.evidence_path()})

    def _granted(self, asked: Asked, administrator: bool = False) -> "Grant | None":
        grant = self._grants.find(asked.arguments.get("grant", ""), asked.service)
        account = self._accounts.users.get(grant.user) if grant is not None else None
        if grant is None or account is None or account.role != grant.role:
            asked.no("denied")
            return None
        if administrator and grant.role != "administrator":
            asked.no("denied")
            return None
        return None if self._changing.turns_away(asked, account) else grant
