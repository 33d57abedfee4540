"""`enrol/state.json`: the phase of an enrolment and its token, until the last step is done."""

from agent.formats import fields, token
from agent.formats.json import dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.token import Token

ENROLMENT = "enrol/state.json"
TRANSFER = "enrol/transfer.json"
PHASES = ("certifying", "owning", "introducing")
MAX_STATE_BYTES = 8 * 1024


def encode(phase: str, parsed: "Token") -> bytes:
    """The stored form, for `decode`."""
    return dump({"v": 1, "phase": phase, "token": token.encode(parsed)})


def decode(body: bytes) -> "tuple[str, Token]":
    """Phase and token.

    Raises:
        FormatError: it is damaged.
    """
    source = parse_object(body, MAX_STATE_BYTES)
    phase = fields.choice(source, "phase", PHASES)
    return phase, token.parse(fields.text(source, "token", token.MAX_TOKEN_CHARS))
