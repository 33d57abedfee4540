"""The ownership record: whom this camera obeys. Installed only by a claimed administrator (or a factory voucher).

It names the operator, the server, the broker, the fleet CA, and the director's root. The device checks its SHA-256
against the enrolment token before it believes a word of it.
"""

from agent.formats import fields, token, tuf
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_RECORD_BYTES = 96 * 1024  # a root of up to 64 KiB as text, and 10 KiB of certificates
MAX_ROOT_CHARS = 64 * 1024
MAX_CA_CHARS = 8 * 1024
MAX_COMMAND_KEYS = 8
MIN_AUTHORITY_KEYS = 2  # two have to sign, so one alone is a mistake
MIN_INTERVAL_S = 5
MAX_INTERVAL_S = 86400
MOBILE, WIRED = "mobile", "wired"
LINES = (MOBILE, WIRED)
"""Whether each byte costs something on the camera's way to the server (docs/telemetry.md)."""


class Ownership(Value):
    """The record. `director_root` is the root file's exact text; `ca` is PEM.

    `sealing_key`: the P-256 public key (PEM) to which reports are sealed (agent.formats.cose), or None: then they leave
    in the clear, as with every server that knew no sealing. `command_keys` and `authority_keys` are PEM
    (agent.formats.command); no key but P-256 is believed. `line`: one of LINES. `est_url`: the server that renews
    the certificate (agent.formats.token.est_url), if that is another one than `server_url`; empty if not.
    """

    FIELDS = (
        "operator",
        "server_url",
        "broker_host",
        "broker_port",
        "ca",
        "director_root",
        "command_keys",
        "sealing_key",
        "check_interval_s",
        "telemetry_interval_s",
        "authority_keys",
        "line",
        "est_url",
    )
    operator: str
    server_url: str
    broker_host: str
    broker_port: int
    ca: str
    director_root: str
    command_keys: "tuple[str, ...]"
    sealing_key: "str | None"
    check_interval_s: int
    telemetry_interval_s: int
    authority_keys: "tuple[str, ...]"
    line: str
    est_url: str

    def __init__(self, *args: "Any", **kwargs: "Any") -> None:
        if len(args) < len(self.FIELDS):
            kwargs.setdefault("est_url", "")
        if len(args) < len(self.FIELDS) - 1:
            kwargs.setdefault("line", MOBILE)  # so have records from before there was a choice
        if len(args) < len(self.FIELDS) - 2:
            kwargs.setdefault("authority_keys", ())  # records from before commands have none
        Value.__init__(self, *args, **kwargs)


def encode(record: Ownership) -> bytes:
    """The exact bytes that the token's hash is over."""
    members: "dict[str, Any]" = {
        "v": 1,
        "operator": record.operator,
        "server": {"url": record.server_url},
        "broker": {"host": record.broker_host, "port": record.broker_port},
        "ca": record.ca,
        "director_root": record.director_root,
        "command_keys": list(record.command_keys),
        "sealing_key": record.sealing_key,
        "settings": {
            "check_interval_s": record.check_interval_s,
            "telemetry_interval_s": record.telemetry_interval_s,
        },
    }
    if record.line != MOBILE:
        members["settings"]["line"] = record.line
    if record.est_url:
        members["est"] = {"url": record.est_url}
    if record.authority_keys:
        members["authority_keys"] = list(record.authority_keys)
    return dump(members)


def parse(body: bytes) -> Ownership:
    """Read a record.

    Raises:
        FormatError: it is not one, or its director root is no root file.
    """
    source = parse_object(body, MAX_RECORD_BYTES)
    fields.integer(source, "v", 1, 1)
    broker = fields.obj(source, "broker")
    settings = fields.obj(source, "settings")
    sealing_key = source.get("sealing_key")
    record = Ownership(
        operator=fields.text(source, "operator", 200),
        server_url=token.https_url(fields.obj(source, "server"), "url"),
        broker_host=_host(fields.text(broker, "host", 253)),
        broker_port=fields.integer(broker, "port", 1, 65535),
        ca=fields.text(source, "ca", MAX_CA_CHARS),
        director_root=fields.text(source, "director_root", MAX_ROOT_CHARS),
        command_keys=_keys(source, "command_keys"),
        authority_keys=_keys(source, "authority_keys") if "authority_keys" in source else (),
        sealing_key=None if sealing_key is None else fields.as_text(sealing_key, "sealing_key"),
        check_interval_s=fields.integer(settings, "check_interval_s", MIN_INTERVAL_S, MAX_INTERVAL_S),
        telemetry_interval_s=fields.integer(settings, "telemetry_interval_s", MIN_INTERVAL_S, MAX_INTERVAL_S),
        line=fields.choice(settings, "line", LINES) if "line" in settings else MOBILE,
        est_url=token.est_url(fields.obj(source, "est"), "url") if "est" in source else "",
    )
    if not record.ca.startswith("-----BEGIN CERTIFICATE-----") or any(character > "~" for character in record.ca):
        raise FormatError("ca is no PEM certificate")
    if record.sealing_key is not None:
        tuf.point_from_pem(record.sealing_key)
    if 0 < len(record.authority_keys) < MIN_AUTHORITY_KEYS:
        raise FormatError("one authority key alone authorises nothing")
    if set(record.authority_keys) & set(record.command_keys):
        raise FormatError("a key is both a command key, which a server holds, and an authority key, which people hold")
    tuf.parse_root(record.director_root.encode(), MAX_ROOT_CHARS)
    return record


def _keys(source: "dict[str, Any]", name: str) -> "tuple[str, ...]":
    return tuple([fields.as_text(key, name) for key in fields.array(source, name, MAX_COMMAND_KEYS)])


def _host(host: str) -> str:
    allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:"
    fits = ":" in host or token.labels_fit(host)  # IPv6 has no labels
    if not fits or host[0] == "-" or any(character not in allowed for character in host):
        raise FormatError("host is no host name or address")
    return host
