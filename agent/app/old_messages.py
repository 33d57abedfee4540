"""Messages that an older version has left, one in each file `outbox/NUMBER.KIND.SIZE` and in clear: taken in, some in
each step, so that a thousand of them do not hold up the start.
"""

from agent.formats import envelope
from agent.formats.errors import FormatError, Rejected, Unavailable
from agent.formats.outbox_record import FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.outgoing import Outgoing

EACH_STEP = 8  # two writes each
MAX_DIGITS = 9
_TIMER = "old outbox"


class OldMessages:
    """What is left of them; each file goes when its message is durably in the outbox."""

    def __init__(self, desk: "Desk", outgoing: "Outgoing") -> None:
        self._desk = desk
        self._outgoing = outgoing
        self._left: "list[tuple[int, str]]" = []
        self._then: "Callable[[], None]" = _nothing

    def note(self, name: str) -> int:
        """A document of the outbox that is no file of records: its message's number, 0 if it holds none."""
        parts = name[len(FOLDER) + 1 :].split(".")
        digits = all(character in "0123456789" for character in parts[0]) and 0 < len(parts[0]) <= MAX_DIGITS
        if len(parts) != 3 or not digits or parts[1] not in envelope.TYPES:
            return 0
        self._left.append((int(parts[0]), name))
        return int(parts[0])

    def count(self) -> int:
        """How many are left."""
        return len(self._left)

    def start(self, then: "Callable[[], None]") -> None:
        """Begin; `then` runs when none is left, unless none was."""
        self._left.sort()
        self._then = then
        if self._left:
            self._desk.soon(_TIMER, self._step)

    def _step(self) -> None:
        batch, self._left = self._left[:EACH_STEP], self._left[EACH_STEP:]
        done = []
        for seq, name in batch:
            try:
                self._take_in(seq, name)
                done.append(name)
            except Unavailable:
                pass  # found again at the next start
        if self._outgoing.flush():
            for name in done:
                try:
                    self._desk.ports.store.delete(name)
                except Unavailable:
                    pass  # found again at the next start; the server knows the message by then
        if self._left:
            self._desk.soon(_TIMER, self._step)
        else:
            self._then()

    def _take_in(self, seq: int, name: str) -> None:
        """Under a new number: its own may be taken, since the older version did not see the files of this one.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            wire = self._desk.ports.store.read(name) or b""
            found = envelope.parse(wire)
            if found.seq != seq:
                raise FormatError("another message")
            self._outgoing.put(found.type, self._outgoing.number(), found.at, wire, seq)
        except Rejected:
            self._outgoing.damaged += 1


def _nothing() -> None:
    """Nobody waits."""
