"""`programs` of agent.json: the camera's other programs that may use the encrypted link, and how much of it.

Each has a local socket (docs/link-socket.md), topics of its own below `camward/1/ID/app/NAME/`, and bounds of its own.
"""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_PROGRAMS = 8  # a file of waiting messages each, and a turn each at the link
MAX_TOPICS = 16  # of one program, in each direction
MAX_NAME_CHARS = 16
MAX_TOPIC_CHARS = 32
MAX_UID = 65534
MAX_MESSAGE_BYTES = 16 * 1024  # what a small camera seals, writes and sends without anybody noticing
MAX_PER_MINUTE = 600
MAX_PER_HOUR_BYTES = 16 * 1024 * 1024
MIN_KEEP_BYTES = 64 * 1024  # one file (agent.core.outbox)
MAX_KEEP_BYTES = 2 * 1024 * 1024  # eight of them are a quarter of the smallest data partition that we know
MEMBERS = (
    "name", "uid", "gid", "publish", "receive", "max_message_bytes", "messages_per_minute", "bytes_per_hour",
    "keep_bytes",
)  # fmt: skip

_NAME = "abcdefghijklmnopqrstuvwxyz0123456789"


class Program(Value):
    """One program.

    Attributes:
        name: of its socket and its topics.
        uid: whose processes may use the socket, beside root's.
        gid: the group that the socket's file belongs to.
        publish: the topics that it may send on; True for those whose messages are kept until the broker has them.
        receive: the topics that it may hear.
        max_message_bytes: the longest message it may send.
        messages_per_minute, bytes_per_hour: how fast it may send, in the long run; so much at once after a pause.
        keep_bytes: of files with messages that wait; 0 where none are kept.
    """

    FIELDS = MEMBERS
    name: str
    uid: int
    gid: int
    publish: "dict[str, bool]"
    receive: "tuple[str, ...]"
    max_message_bytes: int
    messages_per_minute: int
    bytes_per_hour: int
    keep_bytes: int


def parse(source: "dict[str, Any]") -> "tuple[Program, ...]":
    """Read the member `programs`.

    Raises:
        FormatError: they are not what this module describes; the message names the member.
    """
    found = tuple([_program(item) for item in fields.array(source, "programs", MAX_PROGRAMS)])
    if len({program.name for program in found}) != len(found):
        raise FormatError("programs: a name repeats")
    return found


def program_name(value: "Any") -> str:
    """The value itself, if it can be a program's name: 1 to 16 lower-case letters and digits.

    Raises:
        FormatError: it is something else.
    """
    found = fields.as_text(value, "the name of a program", MAX_NAME_CHARS)
    if not found or any(character not in _NAME for character in found):
        raise FormatError("the name of a program is not of lower-case letters and digits")
    return found


def _program(item: "Any") -> Program:
    source = fields.as_object(item, "a program")
    fields.only(source, MEMBERS)
    publish: "dict[str, bool]" = {}
    for one in fields.array(source, "publish", MAX_TOPICS):
        topic = fields.as_object(one, "a topic")
        fields.only(topic, ("topic", "durable"))
        name = fields.name(topic, "topic", MAX_TOPIC_CHARS)
        if name in publish:
            raise FormatError("programs: a topic repeats")
        publish[name] = fields.boolean(topic, "durable")
    received = fields.array(source, "receive", MAX_TOPICS) if "receive" in source else []
    durable = any(publish.values())
    if not durable and "keep_bytes" in source:
        raise FormatError("programs: keep_bytes without a durable topic")
    return Program(
        name=program_name(source.get("name")),
        uid=fields.integer(source, "uid", 0, MAX_UID),
        gid=fields.integer(source, "gid", 0, MAX_UID),
        publish=publish,
        receive=tuple([fields.as_name(topic, "receive", MAX_TOPIC_CHARS) for topic in received]),
        max_message_bytes=fields.integer(source, "max_message_bytes", 1, MAX_MESSAGE_BYTES),
        messages_per_minute=fields.integer(source, "messages_per_minute", 1, MAX_PER_MINUTE),
        bytes_per_hour=fields.integer(source, "bytes_per_hour", 1, MAX_PER_HOUR_BYTES),
        keep_bytes=fields.integer(source, "keep_bytes", MIN_KEEP_BYTES, MAX_KEEP_BYTES) if durable else 0,
    )
