"""`/etc/camward/agent.json`: what the manufacturer says about this camera; part of the verified root.

The operator's overlay (later) may change some of it, never below the floors stated here.
"""

from agent.formats import audit, fields, neighbours, plain_rtsp, programs, proxy, releases, system_logins, transfer
from agent.formats.errors import FormatError
from agent.formats.health import parse_health
from agent.formats.json import parse_object
from agent.formats.releases import Releases
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.formats.health import Health
    from agent.formats.system_logins import SystemLogins

MAX_CONFIG_BYTES = 64 * 1024  # the largest so far has 3 KB; declarations may grow
MAX_SERVICES = 16  # one login socket each
SERVICE_KINDS = ("web", "rtsps", "onvif")
FILES, TPM = "files", "tpm2"
"""Where keys are: files that nothing in hardware guards, or a TPM 2.0. Not chosen by what is there: who takes the TPM
out would have the camera make keys that it does not guard."""
MIN_INTERVAL_S = 5  # faster checks only load the server
MAX_INTERVAL_S = 86400  # a camera that asks less than daily is not being looked after
MIN_TELEMETRY_AGE_S = 3600
MAX_TELEMETRY_AGE_S = 7 * 86400  # the server knows a message again for 14 days; a week of telemetry is a curve
MAX_EPOCH = 0xFFFF
SCHEDULE = ("windows", "time_zone", "postpone_days", "download")  # of `update`: when it may restart the camera
MAX_USER_FOLDERS = 16  # pictures, settings, recordings


class Service(Value):
    """One service of the camera: the name of its login socket, the protocol it speaks, its TCP port."""

    FIELDS = ("name", "kind", "port")
    name: str
    kind: str
    port: int


class Config(Value):
    """The manufacturer's configuration.

    `layout`, `schedule`, `password` and `declarations` are kept as parsed JSON objects; agent.core.slots,
    agent.core.schedule, agent.core.password and agent.core.compliance read them. `schedule` is a part of `update`.
    """

    FIELDS = (
        "model", "hardware", "version", "security_epoch", "build_time", "image_root", "layout", "services", "login_gid",
        "health", "check_interval_s", "telemetry_interval_s", "transfer", "neighbours", "schedule", "password",
        "declarations", "user_folders", "releases", "system_logins", "accounts", "ws_token",
        "telemetry_max_age_s", "programs", "keys", "proxy", "plain_rtsp_port",
    )  # fmt: skip
    model: str
    hardware: str
    version: str
    security_epoch: int
    build_time: int
    image_root: str
    layout: "dict[str, Any]"
    services: "tuple[Service, ...]"
    login_gid: int
    health: "Health"
    check_interval_s: int
    telemetry_interval_s: int
    transfer: "transfer.Transfer"
    neighbours: "neighbours.Neighbours"
    schedule: "dict[str, Any]"
    password: "dict[str, Any]"
    declarations: "dict[str, Any]"
    user_folders: "tuple[str, ...]"  # absolute paths below /data/ that an erase empties as well
    releases: "Releases | None"  # where a camera without an operator looks for releases
    system_logins: "SystemLogins | None"  # None: nobody logs in to the operating system, and no shadow store is kept
    accounts: "audit.Audit"  # what the audit of accounts goes by
    ws_token: bool  # whether an administrator may switch on WS-UsernameToken for ONVIF
    telemetry_max_age_s: int  # what is older and was not sent is given up
    keys: str  # FILES or TPM
    programs: "tuple[programs.Program, ...]"  # the camera's other programs that may use the link
    plain_rtsp_port: int  # where an administrator may open RTSP in the clear (agent.app.plain_rtsp); 0: nowhere
    proxy: "proxy.Proxy | None"  # through which the camera reaches servers, unless its site says otherwise


def parse(body: bytes) -> Config:
    """Read the configuration file.

    Raises:
        FormatError: it is not what this module describes; the message names the member.
    """
    source = parse_object(body, MAX_CONFIG_BYTES)
    fields.integer(source, "v", 1, 1)
    services = tuple(_service(item) for item in fields.array(source, "services", MAX_SERVICES))
    if len({service.name for service in services}) != len(services):
        raise FormatError("services: a name repeats")
    update = fields.obj(source, "update")
    image_root = fields.text(source, "image_root")
    if not image_root.startswith("/"):
        raise FormatError("image_root is no absolute path")
    return Config(
        model=fields.name(source, "model", 32),
        hardware=fields.name(source, "hardware", 16),
        version=fields.name(source, "version", 32),
        security_epoch=fields.integer(source, "security_epoch", 0, MAX_EPOCH),
        build_time=fields.integer(source, "build_time"),
        image_root=image_root,
        layout=fields.obj(source, "layout"),
        services=services,
        login_gid=fields.integer(source, "login_gid", 0, 65534),
        health=parse_health(fields.obj(source, "health"), {service.name: service.kind for service in services}),
        check_interval_s=fields.integer(update, "check_interval_s", MIN_INTERVAL_S, MAX_INTERVAL_S),
        telemetry_interval_s=fields.integer(update, "telemetry_interval_s", MIN_INTERVAL_S, MAX_INTERVAL_S),
        transfer=transfer.parse(update),
        neighbours=neighbours.parse(update),
        schedule={name: update[name] for name in SCHEDULE if name in update},
        password=fields.obj(source, "password"),
        declarations=fields.obj(source, "declarations"),
        user_folders=tuple(_user_folder(item) for item in _optional(source, "user_folders")),
        releases=releases.parse(fields.obj(source, "releases")) if "releases" in source else None,
        system_logins=_system_logins(source),
        accounts=audit.parse(fields.obj(source, "accounts")) if "accounts" in source else audit.DEFAULT,
        ws_token=fields.boolean(source, "ws_token") if "ws_token" in source else False,
        telemetry_max_age_s=_telemetry_age(update),
        keys=fields.choice(source, "keys", (FILES, TPM)) if "keys" in source else FILES,
        programs=programs.parse(source) if "programs" in source else (),
        proxy=proxy.parse(fields.obj(source, "proxy")) if "proxy" in source else None,
        plain_rtsp_port=_plain_rtsp_port(source, services),
    )


def _telemetry_age(update: "dict[str, Any]") -> int:
    if "telemetry_max_age_s" not in update:
        return MAX_TELEMETRY_AGE_S
    return fields.integer(update, "telemetry_max_age_s", MIN_TELEMETRY_AGE_S, MAX_TELEMETRY_AGE_S)


def _optional(source: "dict[str, Any]", name: str) -> "list[Any]":
    return fields.array(source, name, MAX_USER_FOLDERS) if name in source else []


def _system_logins(source: "dict[str, Any]") -> "SystemLogins | None":
    if "system_logins" not in source:
        return None
    found = system_logins.parse(fields.obj(source, "system_logins"))
    if found.ssh_port and not _declared(source, found.ssh_port):
        raise FormatError("system_logins: ssh_port is not among the listeners that are declared")
    return found


def _declared(source: "dict[str, Any]", port: int) -> bool:
    listeners: "Any" = fields.obj(source, "declarations").get("listeners")
    return {"proto": "tcp", "port": port} in (listeners or ())


def _plain_rtsp_port(source: "dict[str, Any]", services: "tuple[Service, ...]") -> int:
    if plain_rtsp.SERVICE in [service.name for service in services]:
        raise FormatError("services: " + plain_rtsp.SERVICE + " is the name of another socket")
    port = fields.integer(source, "plain_rtsp_port", 0, 65535) if "plain_rtsp_port" in source else 0
    if not port:
        return 0
    if not _declared(source, port):
        raise FormatError("plain_rtsp_port is not among the listeners that are declared")
    if port in [service.port for service in services] or "rtsps" not in [service.kind for service in services]:
        raise FormatError("plain_rtsp_port is a service's own, or there is no service of the kind rtsps")
    return port


def _user_folder(item: "Any") -> str:
    """An erase empties it, so it lies on the data partition and is not the agent's own state."""
    folder = fields.as_text(item, "user_folders")
    parts = folder.split("/")
    if parts[:2] != ["", "data"] or len(parts) < 3 or any(part in ("", ".", "..") for part in parts[2:]):
        raise FormatError("user_folders: " + folder + " is no path below /data")
    if parts[2] == "camward":
        raise FormatError("user_folders: /data/camward is the agent's own")
    return folder


def _service(item: "Any") -> Service:
    source = fields.as_object(item, "a service")
    return Service(
        name=fields.name(source, "name", 16),
        kind=fields.choice(source, "kind", SERVICE_KINDS),
        port=fields.integer(source, "port", 1, 65535),
    )
