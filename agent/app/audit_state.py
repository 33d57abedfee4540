"""What the audit of accounts keeps in `evidence/accounts.json`: how far each hash was tried, what the server was told.

It is sealed: a key of a trial is a fast hash of something that may equal a password. It goes with the operator and with
an erase (agent.app.handover); then all is tried again, and told to whoever comes.
"""

from agent.formats import fields, sealed
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.ports.secrets import DeviceSecret

DOCUMENT = "evidence/accounts.json"
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_TRIALS = 256  # 32 users of ours have four hashes each
MAX_TOLD = 64
CLEAN, FITS = -1, -2
"""In the place of the next candidate's number: none fitted; one did."""
_KEY_BYTES = 16
_MAX_CANDIDATES = 100_000


class State(Value):
    """Which list was tried (agent.core.deny_list), by key the next candidate, CLEAN or FITS, and what was told."""

    FIELDS = ("tried_list", "progress", "told")
    tried_list: str
    progress: "dict[str, int]"
    told: "tuple[str, ...]"


NOTHING = State("", {}, ())


def encode(state: State, secret: "DeviceSecret") -> bytes:
    """The stored form.

    Raises:
        Unavailable: the secret cannot be used.
    """
    body = dump({"v": 1, "list": state.tried_list, "progress": state.progress, "told": list(state.told)})
    return sealed.encode(secret.seal(DOCUMENT, body))


def decode(body: bytes, secret: "DeviceSecret") -> State:
    """Read the stored form.

    Raises:
        Rejected: it is damaged, or another device's. It counts as absent then.
        Unavailable: the secret cannot be read.
    """
    inner = sealed.parse(body, MAX_DOCUMENT_BYTES)
    if inner is None:
        raise FormatError("the state of the audit is not sealed")
    return parse_state(secret.open(DOCUMENT, inner))


def parse_state(body: bytes) -> State:
    """Read the plain form.

    Raises:
        FormatError: malformed, or beyond the limits.
    """
    source = parse_object(body, MAX_DOCUMENT_BYTES)
    fields.integer(source, "v", 1, 1)
    listed = fields.obj(source, "progress")
    if len(listed) > MAX_TRIALS:
        raise FormatError("more trials than there can be")
    progress = {}
    for key in listed:
        progress[fields.as_hex(key, "a trial", _KEY_BYTES)] = fields.integer(listed, key, FITS, _MAX_CANDIDATES)
    told = [fields.as_text(item, "a finding", 256) for item in fields.array(source, "told", MAX_TOLD)]
    return State(fields.text(source, "list", 64), progress, tuple(told))
