"""WS-UsernameToken for ONVIF (ADR 0022): who may have it, and who gets in by it.

The secret is the agent's own, one per user, and no password. Without a proven clock of this boot nobody gets in.
"""

from agent.app.accounts import CLAIMED
from agent.app.credentials import NotProved
from agent.formats import ws_token
from agent.formats.errors import FormatError
from agent.formats.hmac import same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from agent.app.accounts import Account, Accounts
    from agent.app.asked import Asked
    from agent.app.credentials import Credentials
    from agent.app.desk import Desk
    from agent.app.grants import Grant, Grants
    from agent.app.guard import Guard
    from agent.app.office import Office
    from agent.app.orders import Granted
    from agent.formats.errors import CamwardError

    class Waits(Protocol):
        """`Login._must_wait`."""

        def __call__(self, asked: Asked, user: str) -> bool:
            """Whether the request was refused because of its source or account."""
            ...

    class Compares(Protocol):
        """`Login._compare`."""

        def __call__(self, asked: Asked, user: str, password: str, then: "Callable[[bool], None]") -> None:
            """Lockout, then the password; what is refused before that is answered."""
            ...

    class Admits(Protocol):
        """`Login._admit`."""

        def __call__(self, asked: Asked, account: Account, passing: bool) -> None:
            """Answer somebody whose secret was right."""
            ...


SERVICE = "onvif"
PAST_S = 300  # clocks of recorders are wrong, and ONVIF lets a client ask for the camera's time first
FUTURE_S = 5  # no more: what was made for later could be used once more after a restart has forgotten it
MAX_NONCES = 256  # of one user, lest a viewer's recorder keeps an administrator out


class Nonces:
    """The nonces of accepted tokens, as long as their `created` would still be taken."""

    def __init__(self) -> None:
        self._until: "dict[tuple[str, bytes], int]" = {}

    def known(self, user: str, nonce: bytes) -> bool:
        """Whether it was used."""
        return (user, nonce) in self._until

    def keep(self, user: str, nonce: bytes, created_at: int, now_s: int) -> bool:
        """Remember it; False when there is no room, for none is forgotten before it is too old by itself."""
        for key in [key for key, until in self._until.items() if until < now_s]:
            del self._until[key]
        if sum(1 for name, _ in self._until if name == user) >= MAX_NONCES:
            return False
        self._until[user, nonce] = created_at + PAST_S
        return True


class WsTokens:
    """Answers `ws_token`, `token_on` and `token_off`."""

    def __init__(
        self,
        desk: "Desk",
        accounts: "Accounts",
        credentials: "Credentials",
        guard: "Guard",
        grants: "Grants",
        office: "Office",
        granted: "Granted",
        must_wait: "Waits",
        compare: "Compares",
        admit: "Admits",
    ) -> None:
        self._desk = desk
        self._accounts = accounts
        self._credentials = credentials
        self._guard = guard
        self._grants = grants
        self._office = office
        self._granted = granted
        self._must_wait = must_wait
        self._compare = compare
        self._admit = admit
        self._nonces = Nonces()
        self._dummy = ws_token.make_secret(desk.ports.entropy.bytes(ws_token.SECRET_CHARS))

    def operations(self) -> "dict[str, Callable[[Asked], None]]":
        """The operations by name."""
        return {"ws_token": self._ws_token, "token_on": self._on, "token_off": self._off}

    # Getting in

    def _ws_token(self, asked: "Asked") -> None:
        given, now_s = asked.arguments, self._credentials.proven_s()
        user = given["user"]
        if asked.service != SERVICE or not self._desk.config.ws_token:
            asked.no("denied")
            return
        if now_s is None:
            asked.no("busy", {"detail": "the camera does not know for certain what time it is"})
            return  # no secret was compared, so this is no try
        if self._must_wait(asked, user):
            return
        account = self._accounts.users.get(user)
        secret = (account.token if account is not None else "") or self._dummy
        nonce, created_at = _read(given["nonce"], given["created"])
        wanted = ws_token.digest(nonce, given["created"], secret)
        right = same(wanted.encode(), given["digest"].encode()) and account is not None and account.token == secret
        if account is None or not right or not nonce or not self._fresh(user, nonce, created_at, now_s):
            asked.no("denied")
            return
        self._guard.succeeded(asked.source, user)
        if self._nonces.keep(user, nonce, created_at, now_s):
            self._admit(asked, account, passing=True)
        else:
            asked.no("busy", {"detail": "too many logins by WS-UsernameToken within five minutes"})

    def _fresh(self, user: str, nonce: bytes, created_at: int, now_s: int) -> bool:
        """Whether it was created in this run of the agent, not long ago, and was not used."""
        if not now_s - PAST_S <= created_at <= now_s + FUTURE_S or created_at <= self._credentials.run_before_s():
            return False
        return not self._nonces.known(user, nonce)

    # Having it

    def _on(self, asked: "Asked") -> None:
        grant = self._allowed(asked)
        if grant is None:
            return
        if self._credentials.proven_s() is None:
            asked.no("clock")  # nobody could get in by it, so it could not be proved
            return
        user, password = asked.arguments["user"], asked.arguments["password"]

        def compared(right: bool) -> None:
            if not right:
                asked.no("denied")
            elif self._allowed(asked) is not None:  # the grant or the role may have ended meanwhile
                secret = ws_token.make_secret(self._desk.ports.entropy.bytes(ws_token.SECRET_CHARS))
                other = ws_token.make_secret(self._desk.ports.entropy.bytes(ws_token.SECRET_CHARS))
                self._credentials.set_token(user, secret, (other, password), lambda error: done(secret, error))

        def done(secret: str, error: "CamwardError | None") -> None:
            self._answer(asked, error, {"token": secret})

        self._compare(asked, grant.user, password, compared)

    def _off(self, asked: "Asked") -> None:
        if self._allowed(asked) is not None:
            self._credentials.set_token(asked.arguments["user"], "", (), lambda error: self._answer(asked, error, {}))

    def _allowed(self, asked: "Asked") -> "Grant | None":
        """The administrator's grant, or None after a refusal."""
        grant = self._granted(asked, administrator=True)
        if grant is None:
            return None
        if not self._desk.config.ws_token:
            asked.no("bad_request", {"detail": "this camera does not take WS-UsernameToken"})
        elif asked.arguments["user"] not in self._accounts.users or self._accounts.state != CLAIMED:
            asked.no("bad_request", {"detail": "no such user"})
        else:
            return grant
        return None

    def _answer(self, asked: "Asked", error: "CamwardError | None", members: "dict[str, str]") -> None:
        self._grants.revoke(asked.arguments["user"], SERVICE)  # it opens nothing else: the page is still signed in
        self._office.tokens_changed()
        if error is None:
            asked.yes(members)
            return
        if isinstance(error, NotProved) and error.contradicted:
            self._office.credentials_contradicted(error.contradicted)
        asked.no("busy", {"detail": str(error)[:300]})


def _read(nonce: str, created: str) -> "tuple[bytes, int]":
    """What was sent; no nonce where it cannot be read, and then it is compared all the same."""
    try:
        return ws_token.parse_nonce(nonce), ws_token.parse_created(created)
    except FormatError:
        return b"", 0
