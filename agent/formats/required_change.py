"""The operator's order that passwords be changed, `x-camward-credentials` in the director's targets, and its reports.

The order names moments and a reason, and nothing else: no account, no password, no role. So whoever signs one can make
people change their passwords, and cannot say into what. Members we do not know are refused: a camera that followed half
of an order would report more than it has done.
"""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MEMBER = "x-camward-credentials"
REASONS = ("compromised", "staff_left", "policy", "routine")
NEVER = 0
"""For a stage that the order does not have."""

ORDERED, REMINDER, RESTRICTED, CLAIM_ONLY = "ordered", "reminder", "restricted", "claim_only"
STAGES = (ORDERED, REMINDER, RESTRICTED, CLAIM_ONLY)
"""From mild to strict: not begun; people are told; old passwords open nothing but their own change; and of these only
administrators' (docs/operator.md)."""

EVENTS = ("accepted", "refused", "withdrawn", REMINDER, RESTRICTED, CLAIM_ONLY, "changed", "done")
KIND = "credentials"
MAX_CODE_CHARS = 32
MAX_USERS = 1000  # more than any camera has; a number that is shown to people


class RequiredChange(Value):
    """One order, in Unix seconds.

    Fields:
        since_at: passwords that were set before this are to be changed. Tells orders apart.
        remind_at, restrict_at, claim_only_at: when each stage begins; NEVER for one that does not come.
        reason: one of REASONS.
    """

    FIELDS = ("since_at", "remind_at", "restrict_at", "claim_only_at", "reason")
    since_at: int
    remind_at: int
    restrict_at: int
    claim_only_at: int
    reason: str


class ChangeReport(Value):
    """What has become of an order: how many of the camera's accounts still have an old password, and no name of any.

    `code` says why an order was refused; otherwise it is empty.
    """

    FIELDS = ("event", "since_at", "behind", "users", "code")
    event: str
    since_at: int
    behind: int
    users: int
    code: str


def parse(value: "Any") -> RequiredChange:
    """Read an order.

    Raises:
        FormatError: it is not what this module describes, or its stages are not in their order.
    """
    source = fields.as_object(value, "the required change")
    fields.integer(source, "v", 1, 1)
    fields.only(source, ("v",) + RequiredChange.FIELDS)
    moments = [
        fields.integer(source, name, 1) if name in source else NEVER for name in ("restrict_at", "claim_only_at")
    ]
    order = RequiredChange(
        fields.integer(source, "since_at", 1), fields.integer(source, "remind_at", 1), moments[0], moments[1],
        fields.choice(source, "reason", REASONS),
    )  # fmt: skip
    before = order.remind_at
    for moment in moments:
        if moment != NEVER:
            if moment < before:
                raise FormatError("a stage begins before the one that it follows")
            before = moment
    return order


def as_json(order: RequiredChange) -> "dict[str, Any]":
    """The object that `parse` reads."""
    found: "dict[str, Any]" = {"v": 1}
    for name, value in order.as_dict().items():
        if value != NEVER:
            found[name] = value
    return found


def report_body(report: ChangeReport) -> "dict[str, Any]":
    """The body of the message."""
    body: "dict[str, Any]" = {"kind": KIND}
    body.update(report.as_dict())
    return body


def parse_report(body: "dict[str, Any]") -> ChangeReport:
    """Read the body of a message.

    Raises:
        FormatError: a member is missing or malformed.
    """
    fields.choice(body, "kind", (KIND,))
    return ChangeReport(
        event=fields.choice(body, "event", EVENTS),
        since_at=fields.integer(body, "since_at"),
        behind=fields.integer(body, "behind", 0, MAX_USERS),
        users=fields.integer(body, "users", 0, MAX_USERS),
        code=fields.text(body, "code", MAX_CODE_CHARS),
    )
