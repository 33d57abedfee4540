"""The outbox on the storage: what agent.core.outbox decides, done; every message sealed by the device's secret.

Alarms and papers (evidence, reports) are on the storage when `put` returns. Telemetry is gathered in memory and written
in batches, and not at all while the broker takes it before a batch is due: the flash is spared, and a power cut costs
BATCH_S of telemetry at most.

Sealing draws a nonce for each message (see DeviceSecret), so storage that is put back from an old copy makes no nonce
serve twice.
"""

from binascii import hexlify
from hashlib import sha256

from agent.app.old_messages import OldMessages
from agent.core.outbox import FILE_BYTES, FLYING, GONE, MAX_BYTES, SENT, TELEMETRY, WAITING, File, Outbox, kept
from agent.formats import outbox_record
from agent.formats.errors import FormatError, Rejected, Unavailable
from agent.formats.outbox_record import FOLDER, LANES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.core.outbox import Place

    Message = tuple[int, str, bytes]

BATCH_S = 300  # what a power cut costs of the telemetry; a mobile line is seldom away for longer
BATCH_COUNT = 64
BATCH_BYTES = 32 * 1024
SHARE = 4  # the files take so much of what is free: one in four
MIN_BYTES = 256 * 1024  # and so much where little is free at the start: a full storage says so by itself
_BATCH = "outbox"  # timer


class Pending:
    """A message that is not written yet."""

    def __init__(self, number: int, at: int, wire: bytes) -> None:
        self.number = number
        self.at = at
        self.wire = wire
        self.state = WAITING


class Outgoing:
    """The messages that wait, durably.

    Attributes:
        given_up: how many were, for want of room or because of their age, since the start.
        damaged: places in files where something lay that is no whole message, since the start.
        unread: whether the storage has not given back a message that waits; `unreceipted` has it tried again.
        written_bytes: what was written into files since the start: the wear.
    """

    def __init__(self, desk: "Desk", now_s: "Callable[[], int]") -> None:
        self._desk = desk
        self._now_s = now_s
        self._max_age_s = desk.config.telemetry_max_age_s
        self._outbox = Outbox()
        self._pending: "list[Pending]" = []
        self._open: "dict[str, File]" = {}
        self._old = OldMessages(desk, self)
        self._renamed: "dict[int, int]" = {}  # number by sequence number, where they differ
        self._last = 0
        self.given_up = 0
        self.damaged = 0
        self.unread = False
        self.written_bytes = 0

    def load(self, then: "Callable[[], None]") -> None:
        """Find what waits; `then` runs when what an older version has left is among it.

        Raises:
            Unavailable: the storage fails.
        """
        store = self._desk.ports.store
        found = []
        for name in store.names(FOLDER):
            parsed = outbox_record.parse_name(name)
            if parsed is not None:
                found.append((LANES.index(parsed[0]), parsed[1], -parsed[2]))
            else:
                self._last = max(self._last, self._old.note(name))
        last_of = dict.fromkeys(LANES, 0)
        for lane, first, thinned in sorted(found):
            last_of[LANES[lane]] = self._load(File(LANES[lane], first, -thinned), last_of[LANES[lane]])
        free = store.free_bytes() + self._outbox.size_bytes
        self._outbox.max_bytes = max(MIN_BYTES, min(MAX_BYTES, free // SHARE))
        self._old.start(then)

    def _load(self, file: File, last: int) -> int:
        """Take in the whole records of a file behind the number `last`; returns the last number.

        A thinned file comes before those it was made from, so nothing of them counts any more.
        """
        store = self._desk.ports.store
        self._last = max(self._last, file.first)
        try:
            data = store.read(file.name)
        except Unavailable:  # found again at the next start; no new message may have a number that one in there has
            self._last = max(self._last, file.first + outbox_record.MAX_RECORDS)
            return last
        end = 0
        for record in outbox_record.scan((data or b"")[: outbox_record.MAX_FILE_BYTES]):
            self.damaged += record.offset != end
            end = record.end
            if record.number > last and outbox_record.lane(record.kind) == file.lane:
                last = record.number
                file.add(record.number, record.offset, record.at)
                if record.seq != record.number:
                    self._renamed[record.seq] = record.number
        self.damaged += end != len(data or b"")
        file.size_bytes = len(data or b"")
        self._last = max(self._last, last)
        if file.live:
            self._outbox.insert(file)
        else:
            self._delete(file.name)
        return last

    def count(self) -> int:
        """How many messages wait."""
        return self._outbox.count + len(self._pending) + self._old.count()

    def number(self) -> int:
        """A number for a new message, higher than all before."""
        self._last += 1
        return self._last

    def lost(self) -> int:
        """How many are not going to arrive."""
        return self.given_up + self.damaged

    # Filling

    def put(self, kind: str, number: int, at: int, wire: bytes, seq: int = 0) -> None:
        """Take a message in; durable when it returns, unless it is telemetry.

        `seq`: what the message is numbered itself, where that is another number.

        Raises:
            FormatError: it is too long, or the numbers are used up.
            Unavailable: it could not be stored.
        """
        lane = outbox_record.lane(kind)
        if lane == TELEMETRY:
            self._pending.append(Pending(number, at, wire))
            if len(self._pending) == 1:
                self._desk.at(_BATCH, self._desk.now + BATCH_S, self._due)
            if len(self._pending) >= BATCH_COUNT or sum(len(one.wire) for one in self._pending) >= BATCH_BYTES:
                self.flush()
            self._make_room(lane)
            return
        record = self._record(kind, number, seq or number, at, wire)
        if seq:
            self._renamed[seq] = number
        try:
            self._append(lane, [(number, at, WAITING, record)])
        except Unavailable:
            if not self._give_up(TELEMETRY):
                raise
            self._append(lane, [(number, at, WAITING, record)])
        self._make_room(lane)
        if self._outbox.find(number) is None:
            raise Unavailable("there is no room for another message")

    def _due(self) -> None:
        self.flush()

    def flush(self) -> bool:
        """Write what is only in memory; what cannot be written (False) stays there, thinned when it is too much."""
        before = self._now_s() - self._max_age_s
        for file in self._outbox.expired(before):
            self.given_up += file.live
            self._remove(file)
        fresh = [one for one in self._pending if one.at >= before]
        self.given_up += len(self._pending) - len(fresh)
        self._pending = fresh
        if not fresh:
            return True
        try:
            records = [
                (one.number, one.at, one.state, self._record(TELEMETRY, one.number, one.number, one.at, one.wire))
                for one in fresh
            ]
            self._append(TELEMETRY, records)
        except (Rejected, Unavailable):
            self._desk.at(_BATCH, self._desk.now + BATCH_S, self._due)
            if len(fresh) >= BATCH_COUNT:
                self._thin_pending()
            return False
        self._pending = []
        return True

    def _record(self, kind: str, number: int, seq: int, at: int, wire: bytes) -> bytes:
        sealed = self._desk.ports.secret.seal(outbox_record.sealed_name(kind, number), wire)
        return outbox_record.encode(kind, number, seq, max(0, min(at, 0xFFFFFFFF)), sealed)

    def _append(self, lane: str, records: "list[tuple[int, int, int, bytes]]") -> None:
        """Write (number, time, state, record) behind each other. Durable when it returns.

        Raises:
            Unavailable: the storage fails or is full.
        """
        data = b"".join([record for _, _, _, record in records])
        file = self._open.get(lane)
        if file is None or file.size_bytes + len(data) > FILE_BYTES:
            file = File(lane, records[0][0])
        try:
            offset = self._desk.ports.spool.append(file.name, data)
        except Unavailable:
            self._open.pop(lane, None)  # what lies at its end now is not known
            raise
        if self._open.get(lane) is not file:
            self._open[lane] = file
            self._outbox.insert(file)
        for number, at, state, record in records:
            file.add(number, offset, at, state)
            offset += len(record)
        file.size_bytes = offset
        self.written_bytes += len(data)

    # Making room

    def _make_room(self, lane: str) -> None:
        """Give up what the bounds want, nothing that is more important than `lane`."""
        while self._outbox.over(len(self._pending)):
            if not self._thin() and not self._give_up(lane):
                self._thin_pending()
                return

    def _give_up(self, lane: str) -> bool:
        """Give up the oldest file of the least important lane; False if there is none that may go."""
        file = self._outbox.to_give_up(lane)
        if file is None:
            return False
        self.given_up += file.live
        self._remove(file)
        return True

    def _thin(self) -> bool:
        """Thin the telemetry's oldest files, two into one; False if that gains nothing or cannot be done."""
        files = self._outbox.to_thin()
        left = sum(len(kept(file)) for file in files)
        gone = sum(file.live for file in files) - left
        if gone == 0:
            return False
        thinned = File(TELEMETRY, files[0].first, files[0].thinned + 1)
        store = self._desk.ports.store
        parts = []
        try:
            for file in files:
                data = store.read(file.name) or b""
                for index in kept(file):
                    offset, length = file.span(index)
                    thinned.add(file.number(index), thinned.size_bytes, file.last_at, file.state(index))
                    parts.append(data[offset : offset + length])
                    thinned.size_bytes += len(parts[-1])
            store.write(thinned.name, b"".join(parts))  # whole or not at all: then what it was made from goes
        except Unavailable:
            return False
        self.written_bytes += thinned.size_bytes
        self.given_up += gone
        for file in files:
            self._remove(file)
        self._outbox.insert(thinned)
        return True

    def _thin_pending(self) -> None:
        last = len(self._pending) - 1
        left = [one for at, one in enumerate(self._pending) if at % 2 == 0 or at == last]
        self.given_up += len(self._pending) - len(left)
        self._pending = left

    # Emptying

    def next(self) -> "Message | None":
        """Number, kind and bytes of the message to send now, which flies from now on; None while there is none."""
        if self._old.count():
            return None  # they are older than all others
        before = self._now_s() - self._max_age_s
        while True:
            place = self._outbox.next()
            if place is None:
                return self._next_pending()
            file, index = place.file, place.index
            try:
                record, wire = self._read(place)
            except Unavailable:
                file.mark(index, SENT)  # tried again as if its receipt were missing; telemetry in the next session
                self.unread = True
                continue
            except Rejected:
                self.damaged += 1
                self._settle(file, index, GONE)
                continue
            if file.lane == TELEMETRY and record.at < before:
                self.given_up += 1
                self._settle(file, index, GONE)
                continue
            file.mark(index, FLYING)
            return record.number, record.kind, wire

    def _next_pending(self) -> "Message | None":
        for one in self._pending:
            if one.state == WAITING:
                one.state = FLYING
                return one.number, TELEMETRY, one.wire
        return None

    def back(self, number: int) -> None:
        """It could not be handed over: it waits again."""
        self._mark(number, WAITING, WAITING)

    def acknowledged(self, number: int) -> bool:
        """The broker has it: telemetry goes, the rest stays for its receipt. Returns whether one is awaited."""
        return self._mark(number, GONE, SENT) == SENT

    def taken(self, seq: int, digest: str) -> bool:
        """The server has taken the message of this number and SHA-256, or never will: it goes, if it is that one.

        The caller has verified who says so.
        """
        for number in (seq, self._renamed.get(seq, 0)):
            place = self._outbox.find(number)
            if place is None or place.file.lane == TELEMETRY:
                continue
            try:
                _, wire = self._read(place)
            except (Rejected, Unavailable):
                continue  # `next` finds the same
            if str(hexlify(sha256(wire).digest()), "utf-8") == digest:
                self._settle(place.file, place.index, GONE)
                return True
        return False

    def again(self) -> None:
        """A new session: whatever was on its way waits again."""
        self.unread = False
        self._outbox.rewind((FLYING, SENT))
        for one in self._pending:
            one.state = WAITING

    def unreceipted(self) -> int:
        """The receipts are late: what the broker has of alarms and papers waits again. Returns how many that are."""
        self.unread = False
        return self._outbox.rewind((SENT,), LANES[:-1])

    def _mark(self, number: int, telemetry: int, other: int) -> int:
        """Change a message's state, by its class; returns the new one."""
        for one in self._pending:
            if one.number == number:
                one.state = telemetry
                self._pending = [one for one in self._pending if one.state != GONE]
                return telemetry
        place = self._outbox.find(number)
        if place is None:
            return GONE
        state = telemetry if place.file.lane == TELEMETRY else other
        self._settle(place.file, place.index, state)
        return state

    def _read(self, place: "Place") -> "tuple[outbox_record.Record, bytes]":
        """A message as it is stored.

        Raises:
            Rejected: it is damaged.
            Unavailable: the storage fails.
        """
        file, index = place.file, place.index
        offset, length = file.span(index)
        record, body = outbox_record.read(self._desk.ports.spool.read(file.name, offset, length))
        if record.number != file.number(index):
            raise FormatError("another message")
        return record, self._desk.ports.secret.open(outbox_record.sealed_name(record.kind, record.number), body)

    def _settle(self, file: File, index: int, state: int) -> None:
        file.mark(index, state)
        if not file.live:
            self._remove(file)

    def _remove(self, file: File) -> None:
        self._outbox.remove(file)
        if self._open.get(file.lane) is file:
            del self._open[file.lane]
        self._delete(file.name)

    def _delete(self, name: str) -> None:
        try:
            self._desk.ports.store.delete(name)
        except Unavailable:
            pass  # found again at the next start
