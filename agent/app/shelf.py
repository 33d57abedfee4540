"""Messages of one program that wait, durably: a queue in files of records (agent.formats.outbox_record).

Apart from the agent's own outbox, and apart from other programs': what lies here is counted against this program alone.
First in, first out. What was taken is kept until the broker has it, however long that takes; when the room that the
program has is used, nothing more is taken.
"""

from agent.core.outbox import FILE_BYTES, FLYING, GONE, File
from agent.formats import outbox_record
from agent.formats.errors import FormatError, Rejected, Unavailable
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk

FOLDER = "programs"
RESERVE_BYTES = 512 * 1024  # of the storage that stay free for the agent's own, whatever programs may keep
_DIGITS = 10
_RUN_CHARS = 8


class Full(Unavailable):
    """The program has used its room, or the storage is nearly full."""

    code = "full"


class Kept(Value):
    """A message that waits: its number here, its name for who receives it, topic, time (Unix seconds), and bytes."""

    FIELDS = ("number", "name", "topic", "at", "data")
    number: int
    name: str
    topic: str
    at: int
    data: bytes


class Shelf:
    """The queue of one program.

    Attributes:
        damaged: places where something lay that is no whole message, and messages that do not open, since the start.
    """

    def __init__(self, desk: "Desk", program: str, keep_bytes: int, run: str) -> None:
        """`run`: eight characters, other ones at each start, so that no two messages have one name."""
        self._desk = desk
        self._program = program
        self._keep_bytes = keep_bytes
        self._run = run
        self._files: "list[File]" = []
        self._next = 1  # number
        self._open = False  # whether the last file may grow
        self.damaged = 0

    def load(self) -> None:
        """Find what waits.

        Raises:
            Unavailable: the storage fails.
        """
        for name in self._desk.ports.store.names(FOLDER):
            first = first_number(name, self._program)
            if first:
                self._load(File(self._program, first))

    def _load(self, file: File) -> None:
        self._next = max(self._next, file.first)
        data = self._desk.ports.store.read(self._name(file)) or b""
        end = 0
        for record in outbox_record.scan(data[: outbox_record.MAX_FILE_BYTES]):
            self.damaged += record.offset != end
            end = record.end
            if record.number >= self._next and record.kind == outbox_record.PROGRAM:
                file.add(record.number, record.offset, record.at)
                self._next = record.number + 1
        self.damaged += end != len(data)
        file.size_bytes = len(data)
        if file.live:
            self._files.append(file)
        else:
            self._delete(file)

    def count(self) -> int:
        """How many messages wait."""
        return sum(file.live for file in self._files)

    def put(self, messages: "list[tuple[str, bytes]]", at: int) -> None:
        """Take in messages (topic and bytes) with one write. Durable when it returns.

        Raises:
            Full: there is no room for them; nothing was taken.
            Unavailable: the storage fails; nothing was taken.
        """
        first = self._next
        records = [self._record(first + step, at, *message) for step, message in enumerate(messages)]
        data = b"".join(records)
        used = sum(file.size_bytes for file in self._files)
        if used + len(data) > self._keep_bytes:
            raise Full("the program's room is used")
        if self._desk.ports.store.free_bytes() < RESERVE_BYTES + len(data):
            raise Full("the storage is nearly full")
        if not self._open or self._files[-1].size_bytes + len(data) > FILE_BYTES:
            self._files.append(File(self._program, first))
            self._open = True
        file = self._files[-1]
        self._next = first + len(records)  # whatever comes of it: a torn write may hold some of them
        try:
            offset = self._desk.ports.spool.append(self._name(file), data)
        except Unavailable:
            self._open = False  # what lies at its end now is not known
            if not file.live:
                self._files.remove(file)
                self._delete(file)
            raise
        for step, record in enumerate(records):
            file.add(first + step, offset, at)
            offset += len(record)
        file.size_bytes = offset

    def _record(self, number: int, at: int, topic: str, data: bytes) -> bytes:
        body = (self._run + topic).encode() + b"\0" + data
        sealed = self._desk.ports.secret.seal(self._sealed_name(number), body)
        return outbox_record.encode(outbox_record.PROGRAM, number, number, max(0, min(at, 0xFFFFFFFF)), sealed)

    def next(self) -> "Kept | None":
        """The oldest message that waits, which flies from now on; None while there is none.

        Raises:
            Unavailable: the storage does not give it back now; it still waits.
        """
        for file in list(self._files):
            while True:
                index = file.next_waiting()
                if index < 0:
                    break
                try:
                    found = self._read(file, index)
                except Rejected:
                    self.damaged += 1
                    self._settle(file, index, GONE)
                    continue
                file.mark(index, FLYING)
                return found
        return None

    def done(self, number: int) -> None:
        """The broker has it."""
        for file in self._files:
            index = file.find(number)
            if index >= 0:
                self._settle(file, index, GONE)
                return

    def again(self) -> None:
        """What was on its way waits again."""
        for file in self._files:
            file.rewind((FLYING,))

    def _read(self, file: File, index: int) -> Kept:
        """A message as it is stored.

        Raises:
            Rejected: it is damaged.
            Unavailable: the storage fails.
        """
        offset, length = file.span(index)
        record, body = outbox_record.read(self._desk.ports.spool.read(self._name(file), offset, length))
        if record.number != file.number(index):
            raise FormatError("another message")
        head, zero, data = self._desk.ports.secret.open(self._sealed_name(record.number), body).partition(b"\0")
        if not zero:
            raise FormatError("no topic")
        text = head.decode()
        name = text[:_RUN_CHARS] + "." + str(record.number)
        return Kept(record.number, name, text[_RUN_CHARS:], record.at, data)

    def _settle(self, file: File, index: int, state: int) -> None:
        file.mark(index, state)
        if not file.live:
            self._open = self._open and file is not self._files[-1]
            self._files.remove(file)
            self._delete(file)

    def _delete(self, file: File) -> None:
        try:
            self._desk.ports.store.delete(self._name(file))
        except Unavailable:
            pass  # found again at the next start: then it is sent again

    def _name(self, file: File) -> str:
        digits = str(file.first)
        return FOLDER + "/" + self._program + "-" + "0" * (_DIGITS - len(digits)) + digits

    def _sealed_name(self, number: int) -> str:
        return FOLDER + "/" + self._program + "/" + str(number)


def first_number(name: str, program: str) -> int:
    """The number of the first message in the file of this name; 0 where it is none of this program's."""
    head = FOLDER + "/" + program + "-"
    digits = name[len(head) :]
    if name[: len(head)] != head or len(digits) != _DIGITS or any(one not in "0123456789" for one in digits):
        return 0
    return int(digits)
