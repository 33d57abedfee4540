"""Who may log in: the interface every service of the camera asks, and the replies it gets (login socket protocol v1).

The camera decides nothing here. A reply that cannot be understood is `LoginUnavailable`, and every service then
refuses.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

PROTOCOL_VERSION = 1

MAX_LINE_BYTES = 4_096
"""One request or reply with its newline, by the protocol."""

Service = Literal["web", "rtsp", "onvif", "rtsp_plain"]


class LoginUnavailable(Exception):
    """No trustworthy answer: refuse now, the client may try again later (fail closed)."""


class Reply(NamedTuple):
    """One reply of the login protocol.

    Attributes:
        ok: the request was granted.
        code: why not, empty when ok: denied, wait, unclaimed, locked, bad_request, policy, busy or change_required.
        fields: everything else that came; read through the methods.
    """

    ok: bool
    code: str
    fields: Mapping[str, object] = MappingProxyType({})

    def text(self, name: str) -> str:
        """A text member, empty when absent or of another type.

        Raises:
            Nothing: callers treat the empty text as missing.
        """
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str, default: int) -> int:
        """A whole-number member, the default when absent or of another type.

        Raises:
            Nothing: callers choose a safe default.
        """
        value = self.fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def flag(self, name: str) -> bool:
        """Whether a member is exactly true.

        Raises:
            Nothing: anything else is false.
        """
        return self.fields.get(name) is True

    def objects(self, name: str) -> list[Mapping[str, object]]:
        """The objects of a list member; other elements are left out.

        Raises:
            Nothing: an absent list is empty.
        """
        value = self.fields.get(name)
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


class Login(Protocol):
    """Answers the operations of login socket protocol v1 for every service."""

    def ask(self, service: Service, op: str, source: str, **fields: object) -> Reply:
        """One operation.

        Args:
            service: whose socket: grants and lockouts belong to a service.
            op: state, login, nonce, digest, policy, claim_proof, claim, change_password, users, set_user,
                remove_user, enrol, disown, transfer, erase, erase_locked, offer, install, upload, install_bundle,
                open_ssh, close_ssh, open_plain_rtsp, close_plain_rtsp, device, evidence.
            source: IP address of the client, for the lockout.
            fields: the operation's own members.

        Raises:
            LoginUnavailable: no answer, or none that can be trusted.
        """
        ...


def parse_reply(value: object) -> Reply:
    """Check the shape of a decoded reply.

    Raises:
        LoginUnavailable: it is not a version 1 reply.
    """
    if not isinstance(value, dict) or value.get("v") != PROTOCOL_VERSION or not isinstance(value.get("ok"), bool):
        raise LoginUnavailable("the login service's reply is not of protocol version 1")
    ok = value["ok"] is True
    code = value.get("code")
    if not ok and not isinstance(code, str):
        raise LoginUnavailable("the login service refused without a code")
    rest = {name: item for name, item in value.items() if name not in {"v", "ok", "code"}}
    return Reply(ok=ok, code="" if ok or not isinstance(code, str) else code, fields=rest)


def service_state(login: Login, service: Service, source: str) -> str:
    """Whether the camera is `claimed`, `unclaimed` or `locked`.

    Raises:
        LoginUnavailable: no answer, or a state this version does not know.
    """
    return _known_state(login.ask(service, "state", source))


def still_stands(login: Login, service: Service, source: str, user: str, generation: str) -> bool:
    """Whether a login that was answered with this generation still counts: a change of its password ends it.

    Raises:
        LoginUnavailable: no answer, or a state this version does not know.
    """
    reply = login.ask(service, "state", source, user=user)
    generations = reply.fields.get("generations")
    return _known_state(reply) == "claimed" and isinstance(generations, list) and generation in generations


def _known_state(reply: Reply) -> str:
    state = reply.text("state")
    if not reply.ok or state not in {"claimed", "unclaimed", "locked"}:
        raise LoginUnavailable("the login service did not tell the camera's state")
    return state
