"""Bodies of messages: telemetry, update reports, and the retained `state` topic. Evidence has its own module.

Members that are not measured are left out on the wire and None here. Unknown members are ignored: a newer camera may
say more.
"""

from agent.formats import address, fields
from agent.formats.block_tree import HASH_BYTES
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UPDATE_EVENTS = (
    "started", "refused", "installed", "committed", "rolled_back", "failed", "source_lied", "waiting", "cancelled",
)  # fmt: skip
SLOTS = ("a", "b", "")
GONE = ("erase", "transfer", "disown")
MAX_STATE_BYTES = 2048
MAX_DETAIL_CHARS = 500
MAX_AT = 253402300799  # the last second of the year 9999: what can be shown as a date

_COUNTS = (
    "uptime_s",
    "rss_bytes",
    "mem_available_bytes",
    "disk_free_bytes",
    "outbox_count",
    "outbox_lost",
    "outbox_written_bytes",
    "listeners_count",
    "password_age_days",
    "passwords_behind",
)


class Telemetry(Value):
    """What the camera measures. Only `version`, `slot` and `phase` are always there."""

    FIELDS = (
        "version",
        "slot",
        "phase",
        "uptime_s",
        "rss_bytes",
        "mem_available_bytes",
        "disk_free_bytes",
        "outbox_count",
        "outbox_lost",
        "outbox_written_bytes",
        "listeners_count",
        "cpu_percent",
        "temperature_c",
        "problems",
        "address",
        "serves",
        "serves_port",
        "password_age_days",
        "password_policy",
        "password_stage",
        "passwords_behind",
        "certificate_ends_at",
        "quarantined_at",
        "outage",
        "outage_since_at",
        "outage_until_at",
    )
    version: str
    slot: str
    phase: str
    uptime_s: "int | None"
    rss_bytes: "int | None"
    mem_available_bytes: "int | None"
    disk_free_bytes: "int | None"
    outbox_count: "int | None"
    outbox_lost: "int | None"  # messages that the camera has given up, or lost to damage, since the agent started
    outbox_written_bytes: "int | None"  # what waiting messages have cost the flash since then
    listeners_count: "int | None"
    cpu_percent: "float | None"
    temperature_c: "float | None"
    problems: "str | None"  # what the camera lacks, separated by commas
    address: "str | None"  # of a camera that serves its site: its own, on the way to the operator's server
    serves: "str | None"  # SHA-256 of the slot image that it serves, hexadecimal
    serves_port: "int | None"
    password_age_days: "int | None"  # of the oldest; nothing is said of whose it is
    password_policy: "str | None"  # profile and a hash of all that the policy says
    password_stage: "str | None"  # of an order to change passwords; "none" without one, "done" when it is followed
    passwords_behind: "int | None"  # accounts that such an order still concerns
    certificate_ends_at: "int | None"  # Unix seconds; of the certificate by which the camera knows itself
    quarantined_at: "int | None"  # Unix seconds: since when the camera is in quarantine
    outage: "str | None"  # what kept the camera from its broker the last time (agent.core.outage); a code
    outage_since_at: "int | None"  # Unix seconds
    outage_until_at: "int | None"


class Report(Value):
    """What an update did.

    `source` and `to` are versions, `code` an error code or empty, `slot` the one concerned or empty. Of `waiting`,
    `code` is the reason (agent.core.schedule) and `until_at` when it ends by itself in Unix seconds, None if unknown.
    """

    FIELDS = ("event", "source", "to", "code", "detail", "slot", "until_at")
    event: str
    source: str
    to: str
    code: str
    detail: str
    slot: str
    until_at: "int | None"


class State(Value):
    """The retained state: online (with what runs) or, by the broker's will, offline.

    `gone` is one of GONE: who is offline for good, because people at the camera had it leave; empty otherwise.
    """

    FIELDS = ("online", "version", "slot", "gone")
    online: bool
    version: str
    slot: str
    gone: str


def telemetry_body(measured: "dict[str, Any]") -> "dict[str, Any]":
    """The body for what was measured: known members that have a value.

    Raises:
        FormatError: `version`, `slot` or `phase` is missing, or a value is out of range.
    """
    body = {name: measured[name] for name in Telemetry.FIELDS if measured.get(name) is not None}
    parse_telemetry(body)
    return body


def parse_telemetry(body: "dict[str, Any]") -> Telemetry:
    """Read the body of a telemetry message.

    Raises:
        FormatError: a member is missing, malformed or out of range.
    """
    found: "dict[str, Any]" = {
        "version": fields.name(body, "version", 32),
        "slot": fields.choice(body, "slot", SLOTS),
        "phase": fields.text(body, "phase", 32),
        "cpu_percent": fields.number(body, "cpu_percent", 0, 100 * 64) if "cpu_percent" in body else None,
        "temperature_c": fields.number(body, "temperature_c", -100, 300) if "temperature_c" in body else None,
        "problems": fields.text(body, "problems", 200) if "problems" in body else None,
    }
    for name, most in (("password_policy", 64), ("password_stage", 16), ("outage", 16)):
        found[name] = fields.text(body, name, most) if name in body else None
    found["address"] = address.parse(fields.text(body, "address", address.MAX_CHARS)) if "address" in body else None
    found["serves"] = fields.hexadecimal(body, "serves", HASH_BYTES) if "serves" in body else None
    found["serves_port"] = fields.integer(body, "serves_port", 1, 65535) if "serves_port" in body else None
    for name in ("certificate_ends_at", "quarantined_at", "outage_since_at", "outage_until_at"):
        found[name] = fields.integer(body, name, 0, MAX_AT) if name in body else None
    for name in _COUNTS:
        found[name] = fields.integer(body, name) if name in body else None
    return Telemetry(*[found[name] for name in Telemetry.FIELDS])  # by name it takes longer, and fleets send many


def report_body(report: Report) -> "dict[str, Any]":
    """The body of an update report."""
    body: "dict[str, Any]" = {
        "kind": "update",
        "event": report.event,
        "from": report.source,
        "to": report.to,
        "code": report.code,
        "detail": report.detail[:MAX_DETAIL_CHARS],
        "slot": report.slot,
    }
    if report.until_at is not None:
        body["until_at"] = report.until_at
    return body


def parse_report(body: "dict[str, Any]") -> Report:
    """Read the body of a report.

    Raises:
        FormatError: a member is missing or malformed.
    """
    fields.choice(body, "kind", ("update",))
    return Report(
        event=fields.choice(body, "event", UPDATE_EVENTS),
        source=fields.text(body, "from", 32),
        to=fields.text(body, "to", 32),
        code=fields.text(body, "code", 64),
        detail=fields.text(body, "detail", MAX_DETAIL_CHARS),
        slot=fields.choice(body, "slot", SLOTS),
        until_at=fields.integer(body, "until_at") if "until_at" in body else None,
    )


def encode_state(state: State) -> bytes:
    """The payload of the `state` topic; the will is that of `State(False, "", "", "")`."""
    if not state.online:
        offline: "dict[str, Any]" = {"v": 1, "online": False}
        if state.gone:
            offline["gone"] = state.gone
        return dump(offline)
    return dump({"v": 1, "online": True, "version": state.version, "slot": state.slot})


def parse_state(payload: bytes) -> State:
    """Read the payload of the `state` topic.

    Raises:
        FormatError: it is not one.
    """
    source = parse_object(payload, MAX_STATE_BYTES)
    fields.integer(source, "v", 1, 1)
    if not fields.boolean(source, "online"):
        return State(False, "", "", fields.choice(source, "gone", GONE) if "gone" in source else "")
    return State(True, fields.name(source, "version", 32), fields.choice(source, "slot", SLOTS), "")
