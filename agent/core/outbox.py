"""The index of messages waiting to be sent: which to send next, and which to give up when the space is used.

Pure: the messages themselves lie in files, whose names this index is made from; it holds what is needed to choose. Two
classes: `telemetry` may be thinned when space runs out (every second one first, so that the curve keeps its ends), the
others go only when no telemetry is left, lowest priority and oldest first.
"""

from agent.formats.value import Value

PRIORITY = {"alarm": 3, "evidence": 2, "report": 2, "telemetry": 0}
"""Kinds of messages; the higher is sent first."""
MAX_COUNT = 1000
MAX_BYTES = 4 * 1024 * 1024  # the share of the data partition that messages may take


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
        """Up to `most` messages to send now: most important first, oldest first among equals, none in flight."""
        waiting = [entry for entry in self._entries.values() if entry.seq not in in_flight]
        waiting.sort(key=lambda entry: (-PRIORITY[entry.kind], entry.seq))
        return tuple(waiting[:most])

    def numbers(self) -> "tuple[int, ...]":
        """All waiting numbers, rising."""
        return tuple(sorted(self._entries))

    def _victims(self) -> "list[int]":
        telemetry = sorted(seq for seq, entry in self._entries.items() if entry.kind == "telemetry")
        thin = [seq for index, seq in enumerate(telemetry) if index % 2 == 1 and index < len(telemetry) - 1]
        if thin:
            return thin
        return [min(self._entries.values(), key=lambda entry: (PRIORITY[entry.kind], entry.seq)).seq]
