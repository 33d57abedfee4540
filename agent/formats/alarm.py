"""The body of an alarm about passwords: guessing at them, and one that was sent in the clear.

It holds no user name: people type passwords into that field. Alarms of guessing come at growing intervals as long as
an attack lasts, so that who attacks cannot flood the server with them.
"""

from agent.formats import fields
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KIND = "attack"
STARTED, DISTRIBUTED, CONTINUES, ENDED, LOGIN = EVENTS = ("started", "distributed", "continues", "ended", "login")
CLAIM, NOBODY = "claim", ""
TARGETS = ("administrator", "operator", "viewer", CLAIM, NOBODY)
IN_CLEAR_KIND, IN_CLEAR = "in_clear", "password_in_clear"
MAX_SOURCES = 256
MAX_SOURCE_CHARS = 64
MAX_WRONG = 10**9


class Alarm(Value):
    """What is told of an attack.

    Attributes:
        event: one of EVENTS; `login`: somebody got in after many wrong tries.
        since_at: when it began, Unix seconds by the camera's clock; of `login`, when that was.
        wrong: wrong tries beyond those that everybody has free, refused ones included, up to MAX_WRONG.
        sources: how many sources they came from (a /64 of IPv6 is one); MAX_SOURCES stands for more as well.
        source: the source of most of them; of `login`, from where it was.
        target: role of the account that most were about: one of TARGETS; NOBODY when no such user exists.
    """

    FIELDS = ("event", "since_at", "wrong", "sources", "source", "target")
    event: str
    since_at: int
    wrong: int
    sources: int
    source: str
    target: str


def body(alarm: Alarm) -> "dict[str, Any]":
    """The body of the message; a source of other than printable ASCII is told with question marks."""
    found: "dict[str, Any]" = {"kind": KIND}
    found.update(alarm.as_dict())
    found["source"] = _shown(alarm.source)
    return found


def in_clear(role: str, source: str) -> "dict[str, Any]":
    """The body about a right password of this role that came from there without encryption, as servers of before read.

    It is to be changed: whoever has heard it can guess at it in peace.
    """
    return {"kind": IN_CLEAR_KIND, "code": IN_CLEAR, "detail": role + ", from " + _shown(source)}


def _shown(source: str) -> str:
    return "".join([c if " " <= c <= "~" else "?" for c in source[:MAX_SOURCE_CHARS]])


def parse(source: "dict[str, Any]") -> Alarm:
    """Read the body of a message.

    Raises:
        FormatError: a member is missing or malformed.
    """
    fields.choice(source, "kind", (KIND,))
    return Alarm(
        event=fields.choice(source, "event", EVENTS),
        since_at=fields.integer(source, "since_at"),
        wrong=fields.integer(source, "wrong", 1, MAX_WRONG),
        sources=fields.integer(source, "sources", 1, MAX_SOURCES),
        source=fields.text(source, "source", MAX_SOURCE_CHARS),
        target=fields.choice(source, "target", TARGETS),
    )
