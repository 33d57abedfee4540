"""The index of messages waiting to be sent: which to send next, and which to give up when the space is used.

Pure: the messages themselves lie in files (agent.formats.outbox_record); this holds nine bytes for each, in arrays, and
decides. A message is in one of four states: it waits, it flies (handed over, not acknowledged), it is sent (the broker
has it, its receipt is missing), or it is gone. A file whose messages are all gone is to be deleted.

What is given up when there is no room: of telemetry, every second message of the oldest files, so that the curve keeps
its ends, and then the same again; then whole files, the oldest first: of telemetry, of papers, of alarms.
"""

from array import array

from agent.formats.outbox_record import LANES, MAX_THINNED, file_name
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_COUNT = 50_000
MAX_BYTES = 32 * 1024 * 1024  # of files; 50,000 messages of 600 bytes
FILE_BYTES = 64 * 1024  # then a file is closed: what one thinning rewrites, and one deletion frees
WAITING, FLYING, SENT, GONE = 0, 1, 2, 3
TELEMETRY = "telemetry"


class File:
    """One file of a lane, whose records have rising numbers.

    Attributes:
        lane, first, thinned: what its name is made of.
        size_bytes: its length.
        last_at: when its newest message was made.
        live: how many of its messages are not gone.
    """

    def __init__(self, lane: str, first: int, thinned: int = 0) -> None:
        self.lane = lane
        self.first = first
        self.thinned = thinned
        self.size_bytes = 0
        self.last_at = 0
        self.live = 0
        self._waiting = 0
        self._cursor = 0  # nothing before it waits
        self._numbers = array("I")
        self._offsets = array("I")
        self._states = bytearray()

    @property
    def name(self) -> str:
        """What it is called in the storage."""
        return file_name(self.lane, self.first, self.thinned)

    def add(self, number: int, offset: int, at: int, state: int = WAITING) -> None:
        """Take in the next record."""
        self._numbers.append(number)
        self._offsets.append(offset)
        self._states.append(state)
        self.last_at = max(self.last_at, at)
        self.live += state != GONE
        self._waiting += state == WAITING

    def span(self, index: int) -> "tuple[int, int]":
        """Where a record begins, and how many bytes there are until the next one or the end."""
        offset = self._offsets[index]
        end = self._offsets[index + 1] if index + 1 < len(self._offsets) else self.size_bytes
        return offset, end - offset

    def number(self, index: int) -> int:
        """The number of a record."""
        return self._numbers[index]

    def state(self, index: int) -> int:
        """The state of a record."""
        return self._states[index]

    def mark(self, index: int, state: int) -> None:
        """Change the state of a record."""
        old = self._states[index]
        self._states[index] = state
        self.live += (state != GONE) - (old != GONE)
        self._waiting += (state == WAITING) - (old == WAITING)
        if state == WAITING:
            self._cursor = min(self._cursor, index)

    def find(self, number: int) -> int:
        """The index of a number, or -1."""
        low, high = 0, len(self._numbers)
        while low < high:
            middle = (low + high) // 2
            if self._numbers[middle] < number:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self._numbers) and self._numbers[low] == number else -1

    def next_waiting(self) -> int:
        """The index of the oldest record that waits, or -1."""
        if self._waiting == 0:
            return -1
        while self._states[self._cursor] != WAITING:
            self._cursor += 1
        return self._cursor

    def rewind(self, states: "tuple[int, ...]") -> int:
        """Whatever is in one of these states waits again; how many that were."""
        before = self._waiting
        if before < self.live:
            for index in range(len(self._states)):
                if self._states[index] in states:
                    self.mark(index, WAITING)
        return self._waiting - before

    def living(self) -> "list[int]":
        """The indexes of what is not gone."""
        return [index for index in range(len(self._states)) if self._states[index] != GONE]


class Place(Value):
    """Where a message is: its file, and its index in there."""

    FIELDS = ("file", "index")
    file: File
    index: int


class Outbox:
    """All files, by lane, each lane in the order of its numbers."""

    def __init__(self, max_count: int = MAX_COUNT, max_bytes: int = MAX_BYTES) -> None:
        self.max_count = max_count
        self.max_bytes = max_bytes
        self._lanes: "dict[str, list[File]]" = {lane: [] for lane in LANES}

    @property
    def count(self) -> int:
        """How many messages are not gone."""
        return sum(file.live for file in self.files())

    @property
    def size_bytes(self) -> int:
        """How long the files are."""
        return sum(file.size_bytes for file in self.files())

    def files(self) -> "Iterator[File]":
        """Every file."""
        for lane in LANES:
            for file in self._lanes[lane]:
                yield file

    def insert(self, file: File) -> None:
        """Take in a file, at the place of its first number; of two with the same, the one thinned more often first."""
        files = self._lanes[file.lane]
        at = len(files)
        while at and (files[at - 1].first, -files[at - 1].thinned) > (file.first, -file.thinned):
            at -= 1
        files.insert(at, file)

    def remove(self, file: File) -> None:
        """Forget a file."""
        self._lanes[file.lane].remove(file)

    def next(self) -> "Place | None":
        """The message to send now: of the most important lane the oldest that waits."""
        for lane in LANES:
            for file in self._lanes[lane]:
                index = file.next_waiting()
                if index >= 0:
                    return Place(file, index)
        return None

    def find(self, number: int) -> "Place | None":
        """Where the message of this number is, unless it is gone."""
        for lane in LANES:
            files = self._lanes[lane]
            low, high = 0, len(files)
            while low < high:
                middle = (low + high) // 2
                if files[middle].first <= number:
                    low = middle + 1
                else:
                    high = middle
            index = files[low - 1].find(number) if low else -1
            if index >= 0 and files[low - 1].state(index) != GONE:
                return Place(files[low - 1], index)
        return None

    def rewind(self, states: "tuple[int, ...]", lanes: "tuple[str, ...]" = LANES) -> int:
        """Whatever is in one of these states waits again; how many that were."""
        return sum(file.rewind(states) for lane in lanes for file in self._lanes[lane])

    def over(self, extra_count: int = 0) -> bool:
        """Whether there is more than there may be, with so many more that lie elsewhere."""
        return self.count + extra_count > self.max_count or self.size_bytes > self.max_bytes

    def to_thin(self) -> "tuple[File, ...]":
        """The oldest two neighbours among the telemetry's files that were thinned the least; one, or none."""
        files = [file for file in self._lanes[TELEMETRY] if file.thinned < MAX_THINNED]
        if not files:
            return ()
        least = min(file.thinned for file in files)
        first = [file.thinned for file in files].index(least)
        pair = files[first : first + 2]
        if len(pair) == 2 and pair[1].thinned == least:
            return tuple(pair)
        return (pair[0],)

    def to_give_up(self, lane: str = LANES[0]) -> "File | None":
        """The oldest file of the least important lane, but of none that is more important than `lane`."""
        for name in reversed(LANES[LANES.index(lane) :]):
            if self._lanes[name]:
                return self._lanes[name][0]
        return None

    def expired(self, before: int) -> "tuple[File, ...]":
        """The telemetry's files of which nothing was made at or after `before` (Unix seconds)."""
        return tuple(file for file in self._lanes[TELEMETRY] if file.last_at < before)


def kept(file: File) -> "list[int]":
    """What a thinning leaves of a file: every second message, and the last."""
    living = file.living()
    return [index for at, index in enumerate(living) if at % 2 == 0 or at == len(living) - 1]
