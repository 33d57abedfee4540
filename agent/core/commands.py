"""Is a command followed? And what a camera keeps of the commands that it has followed. Pure.

The rules, in their order:

1. It is for this camera.
2. The same command again is answered again, and nothing is done twice; also where its keys count no more, because it
   was a change of keys, and the first answer got lost.
3. Enough keys of the ownership record have signed it: one of `command_keys`; for a grave one (agent.formats.command)
   two of `authority_keys`, which people hold and no server.
4. Its number is higher than that of the last one of its kind. Each kind counts for itself: whoever stole a command key
   cannot use up the numbers of grave ones.
5. It was not issued before the camera lost what it kept of earlier ones.
6. No other one of its kind is still being carried out.
7. It has not expired, and was not issued in the future, by proven time. Where the time is not proven in this boot a
   command waits, except `check`, which does nothing that the camera would not do by itself. Before the caller refuses
   one as of the future it asks for the time once more: a machine that was put back to an earlier state has lost time.

The caller must still: save the command before it carries it out.
"""

from agent.core import trust_threshold
from agent.formats import command as commands
from agent.formats import fields, tuf
from agent.formats.command import ACCEPTED, EVENTS, GRAVE
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.core.trust_threshold import VerifySignature
    from agent.formats.command import Command
    from agent.formats.ownership import Ownership

TAKE, AGAIN, BUSY, UNSURE = "take", "again", "busy", "unsure"
"""Carry it out; answer once more; wait for another one; wait for the time."""
WRONG_DEVICE, FORGED, TOO_FEW, REPLAYED, EXPIRED, FUTURE = (
    "wrong_device", "forged", "too_few_signatures", "replayed", "expired", "future",
)  # fmt: skip
FORMAT = "format"
REFUSALS = (FORMAT, WRONG_DEVICE, FORGED, TOO_FEW, REPLAYED, EXPIRED, FUTURE)

LEEWAY_S = 300  # how far the issuing machine's clock may be ahead of the server's, which has said what time it is
ONE, GRAVES = "one", "grave"
MAX_STATE_BYTES = 32 * 1024
BURST = 16  # messages that are read one after the other: a verification takes 0.1 s on a small camera
READ_EVERY_S = 10.0  # and then one in this time; a server has one under way, and sends again what got lost
TELL_EVERY_S = 3600.0  # one report of each refusal: 8 codes make 192 in a day, and a server takes 500
ANSWER_EVERY_S = 600.0  # the same command delivered again: its answer lies in the outbox already


class Kept(Value):
    """The last command of its kind.

    `event` is ACCEPTED while it is being carried out; then what it was answered, with `code`.
    """

    FIELDS = ("seq", "digest", "name", "arguments", "event", "code")
    seq: int
    digest: str
    name: str
    arguments: "dict[str, Any]"
    event: str
    code: str


class State(Value):
    """What is kept: the last command of each kind, and from when on commands count (0: always)."""

    FIELDS = ("since_at", "one", "grave")
    since_at: int
    one: "Kept | None"
    grave: "Kept | None"

    def last(self, name: str) -> "Kept | None":
        """The last command of the kind that `name` is of."""
        return self.grave if name in GRAVE else self.one

    def under_way(self) -> "list[Kept]":
        """What is still being carried out."""
        return [kept for kept in (self.one, self.grave) if kept is not None and kept.event == ACCEPTED]

    def kept(self, name: str, kept: "Kept | None") -> "State":
        """With another last command of that kind."""
        return self.replace(grave=kept) if name in GRAVE else self.replace(one=kept)


NOTHING = State(0, None, None)
"""A camera that was never told."""


class Keys:
    """Whose signature counts, of one ownership record."""

    def __init__(self, record: "Ownership | None" = None) -> None:
        self._one = _by_id(() if record is None else record.command_keys)
        self._grave = _by_id(() if record is None else record.authority_keys)

    def known(self) -> bool:
        """Whether there is a key at all: an operator from before commands has none."""
        return bool(self._one or self._grave)

    def refusal(self, command: "Command", verify: "VerifySignature") -> str:
        """Why the signatures of this command are not enough; empty if they are."""
        keys, threshold = (self._grave, 2) if command.name in GRAVE else (self._one, 1)
        role = tuf.RoleKeys(tuple(keys), threshold)
        count = trust_threshold.count(command.message, command.signatures, role, keys, verify)
        if count >= threshold:
            return ""
        return TOO_FEW if count else FORGED


def _by_id(publics: "tuple[str, ...]") -> "dict[str, tuf.Key]":
    keys = {}
    for public in publics:
        keyid = commands.key_id(public)
        keys[keyid] = tuf.read_p256_key(keyid, tuf.KEY_TYPE, tuf.KEY_SCHEME, public)
    return keys


def judge(
    command: "Command",
    device_id: str,
    keys: Keys,
    state: State,
    proven_at: int,
    certain: bool,
    verify: "VerifySignature",
) -> str:
    """What to do with a command: TAKE, AGAIN, BUSY, UNSURE, or one of REFUSALS.

    Args:
        command: as it came.
        device_id: this camera's.
        keys: the ownership record's.
        state: what was kept.
        proven_at: what time it is at least.
        certain: whether it was proven in this boot what time it is.
        verify: as `agent.core.trust.Check` takes it.
    """
    if command.device != device_id:
        return WRONG_DEVICE
    last = state.last(command.name)
    if last is not None and command.seq == last.seq and command.digest() == last.digest:
        return AGAIN
    wrong = keys.refusal(command, verify)
    if wrong:
        return wrong
    if last is not None and command.seq <= last.seq:
        return REPLAYED
    if command.issued_at <= state.since_at:
        return REPLAYED
    if last is not None and last.event == ACCEPTED:
        return BUSY
    if proven_at >= command.expires_at:
        return EXPIRED
    if not certain:
        return TAKE if command.name == commands.CHECK else UNSURE
    return FUTURE if command.issued_at > proven_at + LEEWAY_S else TAKE


class Patience:
    """How much a flood of messages costs: how many are read, and how many are told of. Not persistent.

    Those of a thief of the command key are followed, and each costs the flash two writes: they count like others.
    """

    def __init__(self) -> None:
        self._tokens = float(BURST)
        self._at = 0.0
        self._next: "dict[str, float]" = {}
        self._count: "dict[str, int]" = {}

    def reads(self, now: float) -> bool:
        """Whether another message is read."""
        self._tokens = min(float(BURST), self._tokens + max(0.0, now - self._at) / READ_EVERY_S)
        self._at = now
        return self._tokens >= 1.0

    def spent(self) -> None:
        """One was read."""
        self._tokens -= 1.0

    def forget(self, what: str) -> None:
        """The next one of this kind is told of at once."""
        self._next.pop(what, None)
        self._count.pop(what, None)

    def tells(self, what: str, every_s: float, now: float) -> int:
        """For how many of this kind a report speaks that is made now; 0 if none is to be made."""
        count = self._count.get(what, 0) + 1
        if now < self._next.get(what, now):
            self._count[what] = count
            return 0
        self._next[what] = now + every_s
        self._count[what] = 0
        return count


def encode(state: State) -> bytes:
    """The stored form."""
    members: "dict[str, Any]" = {"v": 1, "since_at": state.since_at}
    for name, kept in ((ONE, state.one), (GRAVES, state.grave)):
        members[name] = None if kept is None else kept.as_dict()
    return dump(members)


def decode(body: bytes) -> State:
    """Read the stored form.

    Raises:
        FormatError: it is damaged: commands that were issued until now count no more.
    """
    source = parse_object(body, MAX_STATE_BYTES)
    fields.integer(source, "v", 1, 1)
    return State(fields.integer(source, "since_at"), _kept(source, ONE), _kept(source, GRAVES))


def _kept(source: "dict[str, Any]", name: str) -> "Kept | None":
    if name in source and source[name] is None:
        return None
    one = fields.obj(source, name)
    kept = Kept(
        seq=fields.integer(one, "seq", 1),
        digest=fields.hexadecimal(one, "digest", 32),
        name=fields.name(one, "name", commands.MAX_NAME_CHARS),
        arguments=fields.obj(one, "arguments"),
        event=fields.choice(one, "event", EVENTS),
        code=fields.text(one, "code", commands.MAX_CODE_CHARS),
    )
    if (kept.name in GRAVE) != (name == GRAVES):
        raise FormatError("a command is kept in the place of the other kind")
    return kept
