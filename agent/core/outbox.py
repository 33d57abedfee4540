"""The index of messages waiting to be sent: which to send next, and which to give up when the space is used.

Pure: the messages themselves lie encrypted in files named by `seq`; this holds what is needed to choose. Two classes:
`telemetry` may be thinned when space runs out (every second one first, so that the curve keeps its ends), the others
go only when no telemetry is left, lowest priority and oldest first, and evidence last.
"""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

PRIORITY = {"alarm": 3, "evidence": 2, "report": 2, "telemetry": 0}
"""Kinds of messages; the higher is sent first."""
MAX_COUNT = 1000
MAX_BYTES = 4 * 1024 * 1024  # the share of the data partition that messages may take
MAX_INDEX_BYTES = 128 * 1024
MAX_MESSAGE_BYTES = 256 * 1024


class Entry(Value):
    """One waiting message: its number (unique, rising), kind, and size on disk."""

    FIELDS = ("seq", "kind", "size_bytes")
    seq: int
    kind: str
    size_bytes: int


class Outbox:
    """The waiting messages in the order of their numbers."""

    def __init__(self, max_count: int = MAX_COUNT, max_bytes: int = MAX_BYTES) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._entries: "dict[int, Entry]" = {}
        self._bytes = 0

    @property
    def count(self) -> int:
        """How many messages wait."""
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """How many bytes they take."""
        return self._bytes

    def add(self, entry: Entry) -> "tuple[int, ...]":
        """Take a message in, making room if need be.

        Returns:
            The numbers of messages that were given up for it and whose files are to be deleted; the new one's own
            number is among them if nothing less important waits.

        Raises:
            ValueError: its number is taken, or its kind unknown.
        """
        if entry.seq in self._entries or entry.kind not in PRIORITY:
            raise ValueError("outbox: number taken or kind unknown")
        self._entries[entry.seq] = entry
        self._bytes += entry.size_bytes
        dropped: "list[int]" = []
        while len(self._entries) > self._max_count or self._bytes > self._max_bytes:
            for seq in self._victims():
                self.done(seq)
                dropped.append(seq)
        return tuple(dropped)

    def done(self, seq: int) -> bool:
        """Forget a message that was delivered or deleted; False if it was not waiting."""
        entry = self._entries.pop(seq, None)
        if entry is None:
            return False
        self._bytes -= entry.size_bytes
        return True

    def next(self, most: int, in_flight: "frozenset[int] | set[int]" = frozenset()) -> "tuple[Entry, ...]":
        """

        P to `most` messages to send now, most important first, oldest first among equals, none that is in flight.
        """
        waiting = [entry for entry in self._entries.values() if entry.seq not in in_flight]
        waiting.sort(key=lambda entry: (-PRIORITY[entry.kind], entry.seq))
        return tuple(waiting[:most])

    def numbers(self) -> "tuple[int, ...]":
        """All waiting numbers, rising."""
        return tuple(sorted(self._entries))

    def encode(self) -> bytes:
        """The stored form, for `parse`."""
        rows = []
        for seq in sorted(self._entries):
            entry = self._entries[seq]
            rows.append([seq, entry.kind, entry.size_bytes])
        return dump({"v": 1, "entries": rows})

    def _victims(self) -> "list[int]":
        telemetry = sorted(seq for seq, entry in self._entries.items() if entry.kind == "telemetry")
        thin = [seq for index, seq in enumerate(telemetry) if index % 2 == 1 and index < len(telemetry) - 1]
        if thin:
            return thin
        return [min(self._entries.values(), key=lambda entry: (PRIORITY[entry.kind], entry.seq)).seq]


def parse(body: bytes, max_count: int = MAX_COUNT, max_bytes: int = MAX_BYTES) -> Outbox:
    """Read the stored form.

    Raises:
        FormatError: it is damaged; rebuild the index from the files.
    """
    source = parse_object(body, MAX_INDEX_BYTES)
    fields.integer(source, "v", 1, 1)
    outbox = Outbox(max_count, max_bytes)
    for item in fields.array(source, "entries", MAX_COUNT):
        row = fields.row(item, "an entry", 3)
        entry = Entry(
            fields.as_integer(row[0], "seq"),
            fields.as_text(row[1], "kind", 16),
            fields.as_integer(row[2], "size", 0, MAX_MESSAGE_BYTES),
        )
        try:
            outbox.add(entry)
        except ValueError:
            raise FormatError("outbox: an entry repeats or has an unknown kind") from None
    return outbox
