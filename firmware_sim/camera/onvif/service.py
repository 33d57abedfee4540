"""The ONVIF device service's operations (ONVIF Core Specification, device management).

Only GetSystemDateAndTime is answered without a login (a client needs the time first); ONVIF would allow a few more,
and an unclaimed camera has nothing to say to strangers: it takes one CreateUsers, from whoever knows the label's code
(firmware_sim.camera.onvif.claim). Passwords are changed through the login service's `set_user`,
so the policy is the agent's, and its reasons become the fault's text.
"""

from collections.abc import Callable
from html import escape
from time import gmtime
from typing import NamedTuple
from xml.etree import ElementTree

from firmware_sim.camera.http_auth import Gate
from firmware_sim.camera.http_server import Request, Response
from firmware_sim.camera.login import Login, LoginUnavailable, Reply, service_state
from firmware_sim.camera.onvif.claim import CLAIM_USER, claim_code
from firmware_sim.camera.onvif.soap import (
    DEVICE,
    SCHEMA,
    Fault,
    Message,
    SoapError,
    child_text,
    envelope,
    fault_envelope,
    parse_request,
)
from firmware_sim.camera.onvif.username_token import username_token

SERVICE_PATH = "/onvif/device_service"
CONTENT_TYPE = "application/soap+xml; charset=utf-8"

MAX_USERS_IN_REQUEST = 8
"""Each one costs the agent a password hash."""

# ONVIF UserLevel <-> role of the login protocol.
ROLES = {"Administrator": "administrator", "Operator": "operator", "User": "viewer"}
LEVELS = {role: level for level, role in ROLES.items()}

# Refusal of the login service -> ONVIF subcodes.
REFUSALS = {"policy": ("OperationProhibited", "PasswordTooWeak"), "denied": ("OperationProhibited",)}


class Refused(Exception):
    """Ends an operation with a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


class Call(NamedTuple):
    """One authenticated operation."""

    operation: ElementTree.Element
    request: Request
    grant: str


class Maker(NamedTuple):
    """What GetDeviceInformation says besides what the login service knows."""

    manufacturer: str
    model: str
    hardware: str
    version: str


class DeviceService:
    """The handler of POST /onvif/device_service; threads may share it."""

    def __init__(self, login: Login, maker: Maker, wall_clock: Callable[[], float]) -> None:
        self._login = login
        self._maker = maker
        self._wall_clock = wall_clock
        self._gate = Gate(login, "onvif", basic_allowed=False)
        self._operations: dict[str, Callable[[Call], str]] = {
            "GetDeviceInformation": self._device_information,
            "GetCapabilities": self._capabilities,
            "GetServices": self._services,
            "GetUsers": self._users,
            "CreateUsers": self._create_users,
            "SetUser": self._set_user,
        }

    def handle(self, request: Request) -> Response:
        """Answer one SOAP request.

        Raises:
            Nothing: refusals are SOAP faults.
        """
        try:
            return self._answer(request)
        except SoapError as error:
            return _fault(Fault(400, True, ("WellFormed",), str(error)))
        except Refused as error:
            return _fault(error.fault)
        except LoginUnavailable:
            return _fault(Fault(503, False, ("Action",), "The login service does not answer; nobody is let in."))

    def _answer(self, request: Request) -> Response:
        if "origin" in request.head.headers:  # browsers send it; no browser page speaks ONVIF
            raise Refused(_not_authorized("The request comes from a web page.", 403))
        # Digest clients often keep the body back until they have been challenged (RFC 7616 section 3.6).
        message = parse_request(request.body) if request.body else None
        operation = message.operation if message is not None else None
        if operation is not None and operation.tag == f"{{{DEVICE}}}GetSystemDateAndTime":
            return _ok(self._date_and_time())
        state = service_state(self._login, "onvif", request.source)
        if state == "unclaimed" and message is not None and message.operation.tag == f"{{{DEVICE}}}CreateUsers":
            return self._claim(request, message)
        if state != "claimed":
            raise Refused(_not_authorized(f"The camera is {state}; claim it on its web page.", 403))
        reply = self._ask_login(request, message)
        if reply is None or not reply.ok:
            return self._refuse_login(request, reply)
        if operation is None:
            raise SoapError("the envelope is empty")
        namespace, _, name = operation.tag.rpartition("}")
        perform = self._operations.get(name) if namespace == f"{{{DEVICE}" else None
        if perform is None:
            raise Refused(Fault(400, False, ("ActionNotSupported",), "This operation is not supported."))
        return _ok(perform(Call(operation, request, reply.text("grant"))))

    def _ask_login(self, request: Request, message: Message | None) -> Reply | None:
        """HTTP digest where the client sends it, otherwise WS-UsernameToken; None when there is nothing to ask about.

        One of the two alone: a request is one try.
        """
        if "authorization" not in request.head.headers and message is not None:
            token = username_token(message.header)
            if token is not None:
                return self._login.ask("onvif", "ws_token", request.source, **token._asdict())
        return self._gate.check(request.head, request.source)

    def _claim(self, request: Request, message: Message) -> Response:
        """The first user of the camera, by the same operation as the claim on its web page."""
        code = claim_code(request.head, message.header)
        if not code:
            raise Refused(_not_authorized(f"The camera is unclaimed; come as {CLAIM_USER} with the label's code.", 403))
        wanted = [_parse_user(element, existing=False) for element in message.operation.findall(f"{{{DEVICE}}}User")]
        if [role for _, role, _ in wanted] != ["administrator"]:
            raise Refused(Fault(400, True, ("InvalidArgVal",), "The first user is one Administrator."))
        name, _, password = wanted[0]
        reply = self._login.ask("onvif", "claim", request.source, code=code, user=name, password=password)
        if reply.ok:
            return _ok("<tds:CreateUsersResponse/>")
        if reply.code == "wait":
            return _come_later(reply)
        raise Refused(_not_authorized("Wrong code.", 403) if reply.code == "denied" else _refusal(reply))

    def _refuse_login(self, request: Request, reply: Reply | None) -> Response:
        if reply is not None and reply.code == "wait":
            return _come_later(reply)
        if reply is not None and reply.code == "busy":
            raise LoginUnavailable("busy")
        if reply is not None and reply.code == "change_required":
            raise Refused(_not_authorized("This password has to be changed first, on the camera's web page.", 403))
        stale = reply is not None and reply.flag("stale")
        refused = _fault(_not_authorized("Sender not authorized.", 401))
        return Response(401, refused.body, CONTENT_TYPE, self._gate.challenges(request.source, stale))

    def _date_and_time(self) -> str:
        now = gmtime(self._wall_clock())
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{now.tm_hour}</tt:Hour><tt:Minute>{now.tm_min}</tt:Minute><tt:Second>{now.tm_sec}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{now.tm_year}</tt:Year><tt:Month>{now.tm_mon}</tt:Month><tt:Day>{now.tm_mday}</tt:Day>"
            "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _device_information(self, call: Call) -> str:
        serial = self._login.ask("onvif", "state", call.request.source).text("serial")
        facts = (
            ("Manufacturer", self._maker.manufacturer),
            ("Model", self._maker.model),
            ("FirmwareVersion", self._maker.version),
            ("SerialNumber", serial),
            ("HardwareId", self._maker.hardware),
        )
        body = "".join(f"<tds:{name}>{escape(value)}</tds:{name}>" for name, value in facts)
        return f"<tds:GetDeviceInformationResponse>{body}</tds:GetDeviceInformationResponse>"

    def _capabilities(self, call: Call) -> str:
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device>"
            f"<tt:XAddr>{_address(call.request)}</tt:XAddr></tt:Device></tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _services(self, call: Call) -> str:
        return (
            f"<tds:GetServicesResponse><tds:Service><tds:Namespace>{DEVICE}</tds:Namespace>"
            f"<tds:XAddr>{_address(call.request)}</tds:XAddr><tds:Version><tt:Major>2</tt:Major><tt:Minor>6</tt:Minor>"
            "</tds:Version></tds:Service></tds:GetServicesResponse>"
        )

    def _users(self, call: Call) -> str:
        users = "".join(
            f"<tds:User><tt:Username>{escape(name)}</tt:Username>"
            f"<tt:UserLevel>{LEVELS.get(role, 'User')}</tt:UserLevel></tds:User>"
            for name, role in sorted(self._known_users(call).items())
        )
        return f"<tds:GetUsersResponse>{users}</tds:GetUsersResponse>"

    def _create_users(self, call: Call) -> str:
        self._write_users(call, existing=False)
        return "<tds:CreateUsersResponse/>"

    def _set_user(self, call: Call) -> str:
        self._write_users(call, existing=True)
        return "<tds:SetUserResponse/>"

    def _known_users(self, call: Call) -> dict[str, str]:
        reply = self._login.ask("onvif", "users", call.request.source, grant=call.grant)
        if not reply.ok:
            raise Refused(_refusal(reply))
        return {str(user.get("name", "")): str(user.get("role", "")) for user in reply.objects("users")}

    def _write_users(self, call: Call, existing: bool) -> None:
        """Check every user of the request before the first one is written: none is, if one is wrong."""
        wanted = [_parse_user(element, existing) for element in call.operation.findall(f"{{{DEVICE}}}User")]
        if not 1 <= len(wanted) <= MAX_USERS_IN_REQUEST:
            raise Refused(Fault(400, True, ("InvalidArgVal",), f"1 to {MAX_USERS_IN_REQUEST} users are accepted."))
        known = self._known_users(call)
        for name, role, password in wanted:
            if existing and name not in known:
                raise Refused(Fault(400, True, ("InvalidArgVal", "UsernameMissing"), "Username not recognized."))
            if not existing and name in known:
                raise Refused(Fault(400, True, ("OperationProhibited", "UsernameClash"), "Username already exists."))
            if password:
                self._check_policy(call, name, role, password)
        for name, role, password in wanted:
            fields: dict[str, object] = {"user": name, "role": role}
            if password:
                fields["password"] = password
            reply = self._login.ask("onvif", "set_user", call.request.source, grant=call.grant, **fields)
            if not reply.ok:
                raise Refused(_refusal(reply))

    def _check_policy(self, call: Call, name: str, role: str, password: str) -> None:
        fields: dict[str, object] = {"grant": call.grant, "user": name, "role": role, "password": password}
        reply = self._login.ask("onvif", "policy", call.request.source, **fields)
        if not reply.ok:
            raise Refused(_refusal(reply))
        if reply.objects("violations"):
            raise Refused(_refusal(Reply(ok=False, code="policy", fields=reply.fields)))


def _parse_user(element: ElementTree.Element, existing: bool) -> tuple[str, str, str]:
    """(name, role, password); SetUser may leave the password away to change the level alone."""
    name, level = child_text(element, "Username"), child_text(element, "UserLevel")
    password = element.findtext(f"{{{SCHEMA}}}Password") or ""
    if not name or level not in ROLES or (not password and not existing):
        raise Refused(Fault(400, True, ("InvalidArgVal",), "Username, Password and a known UserLevel are needed."))
    return name, ROLES[level], password


def _address(request: Request) -> str:
    return escape(f"https://{request.head.get('host')}{SERVICE_PATH}")


def _not_authorized(reason: str, status: int) -> Fault:
    return Fault(status, True, ("NotAuthorized",), reason)


def _come_later(reply: Reply) -> Response:
    seconds = str(max(1, reply.number("retry_after_s", 1)))
    refused = _fault(_not_authorized(f"Too many attempts; wait {seconds} s.", 429))
    return Response(429, refused.body, CONTENT_TYPE, [("Retry-After", seconds)])


def _refusal(reply: Reply) -> Fault:
    reasons = [str(item.get("en", "")) for item in reply.objects("violations")]
    subcodes = REFUSALS.get(reply.code, ("Action",))
    return Fault(400, True, subcodes, " ".join(reasons) or f"Refused: {reply.code}.")


def _ok(content: str) -> Response:
    return Response(200, envelope(content), CONTENT_TYPE)


def _fault(fault: Fault) -> Response:
    return Response(fault.status, fault_envelope(fault), CONTENT_TYPE)
