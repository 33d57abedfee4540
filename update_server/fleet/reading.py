"""What can be said of a message before the database is asked: whose it is by its topic, and what is inside."""

import re
from dataclasses import dataclass

from agent.formats import cose
from agent.formats import envelope as envelopes
from agent.formats.envelope import Envelope
from agent.formats.errors import FormatError
from update_server.fleet.sealed import SealingKeys, Unopened

TOPIC = re.compile(
    r"camward/1/(?P<id>[a-z2-7]{26})/(?:up/(?P<kind>telemetry|alarm|evidence|report)|(?P<state>state))\Z"
)
STATE = "state"


@dataclass(frozen=True)
class Incoming:
    """One message as the broker delivered it."""

    topic: str
    payload: bytes


class Refused(Exception):
    """A message is not taken; `code` and the text say why. Unless it is `final`, the same one may be taken later."""

    def __init__(self, code: str, detail: str, *, final: bool = True) -> None:
        super().__init__(detail)
        self.code = code
        self.final = final


@dataclass(frozen=True)
class Content:
    """What is in a message that is no birth or will: its own bytes, opened where they came sealed, and the envelope."""

    sealed: bool
    wire: bytes
    envelope: Envelope


@dataclass(frozen=True)
class Read:
    """A message, read. `device_id` and `kind` are empty where the topic is none of ours.

    Either `content` is there or `refused`, or neither: births and wills, and what is on no topic of ours.
    """

    message: Incoming
    device_id: str
    kind: str
    content: Content | None = None
    refused: Refused | None = None


def read(message: Incoming, sealing: SealingKeys) -> Read:
    """Read a message; what is wrong with it is in what is returned."""
    match = TOPIC.match(message.topic)
    if match is None:
        return Read(message, "", "")
    device_id, kind = match["id"], match["kind"] or STATE
    if kind == STATE:
        return Read(message, device_id, kind)
    try:
        return Read(message, device_id, kind, content=_content(message, sealing))
    except Refused as error:
        return Read(message, device_id, kind, refused=error)


def _content(message: Incoming, sealing: SealingKeys) -> Content:
    """What is inside.

    Anybody can seal to a public key: what was sealed is the camera's only where the camera has signed it. Whether
    the signature verifies is not looked at here.

    Raises:
        Refused: it is none, it does not open, or what is inside does not go with what is outside.
    """
    wire = message.payload
    try:
        if not cose.is_sealed(wire):
            return Content(False, wire, envelopes.parse(wire))
        sealed = cose.parse(wire)
        wire = sealing.open(sealed, message.topic)
        envelope = envelopes.parse(wire)
    except FormatError as error:
        raise Refused("format", str(error)) from None
    except Unopened as error:
        raise Refused("sealed", str(error)) from None
    if (sealed.boot, sealed.seq) != (envelope.boot, envelope.seq):
        raise Refused("format", "the number in the envelope is not the one that it was sealed with")
    if not envelope.signature:
        raise Refused("signature", "a sealed message that nobody has signed")
    return Content(True, wire, envelope)
