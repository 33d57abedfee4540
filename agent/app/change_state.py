"""What a camera keeps of the operator's order to change passwords: `trust/director/required_change.json`.

It lies with what the director has signed, and goes when the operator does (agent.app.handover). It names old passwords
by their hashes, exactly as the credential store has them: an account is behind for as long as its own hash is among
them. Nothing has to be written when a password is changed, so no power cut can come in between.
"""

from agent.app.accounts import MAX_USERS, user_name_ok
from agent.formats import fields, required_change
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.formats.required_change import RequiredChange

DOCUMENT = "trust/director/required_change.json"
MAX_OLD = 3  # of one account: the last orders' passwords; each costs a hashing when its user chooses another one
MAX_HASH_CHARS = 512
MAX_DOCUMENT_BYTES = 64 * 1024


class State(Value):
    """The order, and how far it has come.

    Fields:
        since_at, taken_at: of the last order that was taken; kept when it is withdrawn. See agent.core.required_change.
        order: None when none is in force.
        reached: the strictest stage so far.
        told: what was reported last, and of how many accounts.
        old: by user, hashes of passwords that are not to be used any more, the newest first.
    """

    FIELDS = ("since_at", "taken_at", "order", "reached", "told", "behind", "old")
    since_at: int
    taken_at: int
    order: "RequiredChange | None"
    reached: str
    told: str
    behind: int
    old: "dict[str, tuple[str, ...]]"


NOTHING = State(0, 0, None, required_change.ORDERED, "", 0, {})
"""A camera that was never told."""


def encode(state: State) -> bytes:
    """The stored form."""
    members = state.as_dict()
    members["v"] = 1
    members["order"] = None if state.order is None else required_change.as_json(state.order)
    members["old"] = {user: list(hashes) for user, hashes in state.old.items()}
    return dump(members)


def decode(body: bytes) -> State:
    """Read the stored form.

    Raises:
        FormatError: it is damaged. It counts as absent then, and the next look at the director brings the order again.
    """
    source = parse_object(body, MAX_DOCUMENT_BYTES)
    fields.integer(source, "v", 1, 1)
    listed = fields.obj(source, "old")
    if len(listed) > MAX_USERS or not all(user_name_ok(user) for user in listed):
        raise FormatError("old names what cannot be users")
    order: "Any" = source.get("order")
    return State(
        since_at=fields.integer(source, "since_at"),
        taken_at=fields.integer(source, "taken_at"),
        order=None if order is None else required_change.parse(order),
        reached=fields.choice(source, "reached", required_change.STAGES),
        told=fields.choice(source, "told", ("",) + required_change.EVENTS),
        behind=fields.integer(source, "behind", 0, MAX_USERS),
        old={user: _hashes(fields.array(listed, user, MAX_OLD)) for user in listed},
    )


def _hashes(items: "list[Any]") -> "tuple[str, ...]":
    return tuple([fields.as_text(item, "a hash", MAX_HASH_CHARS) for item in items])
