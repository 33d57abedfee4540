"""A signed command for one camera: bytes to a value, nothing verified yet (that is `agent.core.commands`).

`{"signed": {"_type": "command", "v": 1, "device": ID, "seq": N, "issued_at": S, "expires_at": S, "command": NAME,
"arguments": {...}}, "signatures": [...]}`: the frame of TUF metadata, signed over the canonical form of `signed` by
ECDSA P-256 with SHA-256, so that every signer and verifier of metadata serves. Members we do not know are refused: a
camera that followed half of a command would report more than it has done.
"""

from binascii import hexlify
from hashlib import sha256

from agent.formats import canonical_json, envelope, fields, json, ownership, proxy, tuf
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.formats.ownership import Ownership

TYPE = "command"
VERSION = 1
MAX_COMMAND_BYTES = 7 * 1024  # a packet of the link holds 8 KiB, its topic and properties included
MAX_VALID_S = 30 * 86_400  # what is older was meant for another day
MAX_NAME_CHARS = 32

CHECK, EVIDENCE, REBOOT, QUARANTINE, RELEASE = "check", "evidence", "reboot", "quarantine", "release"
SETTINGS, ROTATE_IDENTITY = "settings", "rotate_identity"
ERASE, CHANGE_KEYS = "erase", "change_keys"
COMMANDS = (CHECK, EVIDENCE, REBOOT, QUARANTINE, RELEASE, SETTINGS, ROTATE_IDENTITY, ERASE, CHANGE_KEYS)
GRAVE = (ERASE, CHANGE_KEYS)
"""Commands that two of the record's `authority_keys` have to sign; one of its `command_keys` is enough for others."""

KIND = "command"
ACCEPTED, DONE, REFUSED = "accepted", "done", "refused"
EVENTS = (ACCEPTED, DONE, REFUSED)
MAX_CODE_CHARS = 32
WITH_ARGUMENTS = (QUARANTINE, SETTINGS, CHANGE_KEYS)
CHANGEABLE = ("ca", "command_keys", "authority_keys", "sealing_key")
"""Members of the ownership record that `change_keys` may replace; whose camera it is, and where its server is, stay."""


SETTABLE = ("check_interval_s", "telemetry_interval_s", "line")
"""Members of the ownership record that `settings` may replace."""
PROXY = "proxy"
"""What `settings` may name instead, alone: host and port, or null for none. It is no part of the record."""
MIN_INTERVAL_S = 60  # more often than a record may say would be a load that one key alone could order


class Command(Value):
    """One command. `message` is what the signatures are over; all times are Unix seconds."""

    FIELDS = ("device", "seq", "issued_at", "expires_at", "name", "arguments", "signatures", "message")
    device: str
    seq: int
    issued_at: int
    expires_at: int
    name: str
    arguments: "dict[str, Any]"
    signatures: "tuple[tuf.Signature, ...]"
    message: bytes

    def digest(self) -> str:
        """What tells commands of one number apart: SHA-256 of what was signed, hexadecimal."""
        return str(hexlify(sha256(self.message).digest()), "utf-8")


class CommandReport(Value):
    """What has become of a command.

    `seq` is 0 and `command` empty where it is not known whose it was: nothing that is not signed is repeated. `code`
    says why it was refused. `count`: how many such refusals this report stands for.
    """

    FIELDS = ("event", "seq", "command", "code", "count")
    event: str
    seq: int
    command: str
    code: str
    count: int


def parse(body: bytes) -> Command:
    """Read a command.

    Raises:
        FormatError: it is none, or exceeds a limit.
    """
    top = json.parse_object(body, MAX_COMMAND_BYTES)
    fields.only(top, ("signed", "signatures"))
    signed = fields.obj(top, "signed")
    fields.only(signed, ("_type", "v", "device", "seq", "issued_at", "expires_at", "command", "arguments"))
    if fields.text(signed, "_type") != TYPE:
        raise FormatError("this is no command")
    fields.integer(signed, "v", VERSION, VERSION)
    issued_at = fields.integer(signed, "issued_at", 1)
    return Command(
        device=envelope.device_id(signed, "device"),
        seq=fields.integer(signed, "seq", 1),
        issued_at=issued_at,
        expires_at=fields.integer(signed, "expires_at", issued_at + 1, issued_at + MAX_VALID_S),
        name=fields.name(signed, "command", MAX_NAME_CHARS),
        arguments=fields.obj(signed, "arguments"),
        signatures=tuf.signatures(top),
        message=canonical_json.encode(signed),
    )


def signed_part(
    device: str, seq: int, issued_at: int, expires_at: int, name: str, arguments: "dict[str, Any]"
) -> "dict[str, Any]":
    """What is signed, in canonical form."""
    return {
        "_type": TYPE, "v": VERSION, "device": device, "seq": seq, "issued_at": issued_at, "expires_at": expires_at,
        "command": name, "arguments": arguments,
    }  # fmt: skip


def key_id(public: str) -> str:
    """The id by which signatures name a P-256 key in PEM: the one that TUF metadata gives it."""
    described = {"keytype": tuf.KEY_TYPE, "scheme": tuf.KEY_SCHEME, "keyval": {"public": public}}
    return str(hexlify(sha256(canonical_json.encode(described)).digest()), "utf-8")


def with_keys(record: "Ownership", arguments: "dict[str, Any]") -> "Ownership":
    """The ownership record after `change_keys` with these arguments.

    Raises:
        FormatError: they name no key, something else, or make no record; or two have to sign, and there are not two.
    """
    fields.only(arguments, CHANGEABLE)
    if not arguments:
        raise FormatError("nothing to change")
    changes: "dict[str, Any]" = {}
    for name in arguments:
        changes[name] = _distinct(arguments, name) if name.endswith("_keys") else arguments[name]
    changed = record.replace(**changes)
    if ownership.parse(ownership.encode(changed)) != changed:
        raise FormatError("the changed record does not read as it was written")
    return changed


def with_settings(record: "Ownership", arguments: "dict[str, Any]") -> "Ownership":
    """The ownership record after `settings` with these arguments.

    Raises:
        FormatError: they name nothing, something else, or what is out of bounds.
    """
    if PROXY in arguments:
        fields.only(arguments, (PROXY,))
        proxy_said(arguments)
        return record
    fields.only(arguments, SETTABLE)
    if not arguments:
        raise FormatError("nothing to change")
    changes: "dict[str, Any]" = {}
    for name in arguments:
        if name == "line":
            changes[name] = fields.choice(arguments, name, ownership.LINES)
        else:
            changes[name] = fields.integer(arguments, name, MIN_INTERVAL_S, ownership.MAX_INTERVAL_S)
    return record.replace(**changes)


def proxy_said(arguments: "dict[str, Any]") -> "proxy.Proxy | None":
    """The proxy that `settings` names; None for none. A login is not for a server to know, nor where it lies.

    Raises:
        FormatError: it is not what this module describes.
    """
    if PROXY in arguments and arguments[PROXY] is None:
        return None
    source = fields.obj(arguments, PROXY)
    fields.only(source, ("host", "port"))
    return proxy.parse(source)


def _distinct(arguments: "dict[str, Any]", name: str) -> "tuple[str, ...]":
    """Keys of a list, each of which can verify something: signatures are counted by keys, and not by how they look.

    Raises:
        FormatError: one is no P-256 key in PEM, or stands there twice.
    """
    found = tuple([fields.as_text(one, name) for one in fields.array(arguments, name, ownership.MAX_COMMAND_KEYS)])
    if len({tuf.point_from_pem(one) for one in found}) != len(found):
        raise FormatError(name + ": one of the keys stands there twice")
    return found


def report_body(report: CommandReport) -> "dict[str, Any]":
    """The body of the message."""
    body: "dict[str, Any]" = {"kind": KIND}
    body.update(report.as_dict())
    return body


def parse_report(body: "dict[str, Any]") -> CommandReport:
    """Read the body of a message.

    Raises:
        FormatError: a member is missing or malformed.
    """
    fields.choice(body, "kind", (KIND,))
    command = fields.text(body, "command", MAX_NAME_CHARS)
    return CommandReport(
        event=fields.choice(body, "event", EVENTS),
        seq=fields.integer(body, "seq"),
        command=command and fields.name(body, "command", MAX_NAME_CHARS),
        code=fields.text(body, "code", MAX_CODE_CHARS),
        count=fields.integer(body, "count", 1),
    )
