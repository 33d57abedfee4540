"""The inactive slot during an installation: which blocks are in place, on the medium, and seen there again.

`update/progress.bin` is the journal: tree root, slot letter, one bit for each block that a flush has made durable.
`update/slot-a.tree` and `slot-b.tree` are the block trees of what each slot was last seen to hold, so that the next
update need not hash both slots; they are hints: what is copied is verified, and what is left in place is read back.
"""

from agent.app.reading_back import PIECE_BLOCKS, ReadingBack
from agent.app.runs import joined
from agent.app.slot_reading import ActiveSlot, hashes
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES, leaf
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.app.desk import Desk
    from agent.app.runs import Runs
    from agent.app.work import Steps, Ticket, Work
    from agent.formats.release import Release

PROGRESS = "update/progress.bin"
UNIT_BLOCKS = 64  # 256 KiB: what one step verifies and writes at most
HINT_STEP_BLOCKS = 2048  # hashes compared in one step
FLUSH_BYTES = 4 * 1024 * 1024  # at most so much is lost with the power ...
FLUSH_S = 10.0  # ... and on a slow line what came in this time


class BadMedium(Rejected):
    """The slot does not keep what is written into it, or cannot be read or written."""

    code = "medium"


class ImageTooLarge(Rejected):
    """The release does not fit into the slot."""

    code = "image_too_large"


class Slots:
    """The two slots of one installation: byte offsets and lengths, and the name of the one that is written."""

    def __init__(
        self,
        target_offset: int,
        target_length: int,
        active_offset: int,
        active_length: int,
        target: str,
        active: str,
        erase_bytes: int = BLOCK_BYTES,
    ) -> None:
        self.target_offset = target_offset
        self.target_length = target_length
        self.active_offset = active_offset
        self.active_length = active_length
        self.target = target
        self.active = active
        self.erase_bytes = erase_bytes


def slot_tree(slot: str) -> str:
    """The document with the tree of what this slot holds."""
    return "update/slot-" + slot + ".tree"


class Medium:
    """The slot that is written, and the slot that is read beside it."""

    def __init__(self, desk: "Desk", work: "Work", release: "Release", leaves: bytes, slots: Slots) -> None:
        self._desk = desk
        self._work = work
        self._leaves = leaves
        self._slots = slots
        self._root = bytes.fromhex(release.tree_root)
        self.count = release.block_count
        self._erase_blocks = max(1, slots.erase_bytes // BLOCK_BYTES)
        self.unit_blocks = -(-UNIT_BLOCKS // self._erase_blocks) * self._erase_blocks
        self.damaged = 0
        self._have = self._journalled()
        self._surveyed = False
        self._unsaved = 0
        self._flush: "Ticket | None" = None
        self._flushing = b""  # what is in place once the flush that is under way has ended
        self._flushed_at = desk.now
        self._reading_back = ReadingBack(leaves, self._hashed)
        self.active = ActiveSlot(desk, work, slots.active_offset, slots.active_length, slot_tree(slots.active))
        self.lost_blocks = 0  # that were in place, and then were not

    # Which blocks are in place

    def wanted(self, block: int, count: int = 1) -> bytes:
        """The hashes of `count` blocks."""
        return self._leaves[block * HASH_BYTES : (block + count) * HASH_BYTES]

    def has(self, block: int) -> bool:
        """Whether it is in place."""
        return bool(self._have[block // 8] & (1 << block % 8))

    def present(self) -> int:
        """How many blocks are in place."""
        return sum(bin(byte).count("1") for byte in self._have)

    def next_missing(self, block: int) -> int:
        """The first block from there on that is not in place, or -1."""
        while block < self.count:
            if self._have[block // 8] == 0xFF:
                block += 8 - block % 8
            elif self.has(block):
                block += 1
            else:
                return block
        return -1

    def missing(self, first: int, end: int) -> "Iterator[int]":
        """The blocks from `first` on, before `end`, that are not in place: for those who go through all of them."""
        for at in range(first // 8, (end + 7) // 8):
            bits = self._have[at]
            if bits != 0xFF:
                for block in range(max(first, at * 8), min(end, at * 8 + 8)):
                    if not bits & (1 << block % 8):
                        yield block

    def survey(self) -> "Steps":
        """Find what is in place already. What cannot be read is not: it may be once it was written."""
        if self._surveyed:
            return
        store = self._desk.ports.store
        hint = store.read(slot_tree(self._slots.target))
        if hint is not None:
            for first in range(0, self.count, HINT_STEP_BLOCKS):
                last = min(first + HINT_STEP_BLOCKS, self.count) * HASH_BYTES
                self._mark_equal(first, hint[first * HASH_BYTES : last])
                yield None
            store.delete(slot_tree(self._slots.target))  # before the first write makes it a lie
        else:
            for first in range(0, self.count, PIECE_BLOCKS):
                count = min(PIECE_BLOCKS, self.count - first)
                missing = self.next_missing(first)
                if 0 <= missing < first + count:
                    offset = self._slots.target_offset + first * BLOCK_BYTES
                    # A cut may have taken the rest of an erase block with it that the journal names.
                    self._have[first // 8 : (first + count + 7) // 8] = bytes((count + 7) // 8)
                    found, _ = yield from hashes(self._work, offset, count)
                    self._mark_equal(first, found)
        self._surveyed = True

    # Reading and writing

    def write_unit(self, first: int, runs: "Runs") -> None:
        """Write verified blocks of the unit that begins at block `first`: runs of blocks, in any order.

        Where the erase block is larger than a block, it is written whole or not at all: as long as one of its blocks is
        neither given nor in place, the others are given in vain.

        Raises:
            BadMedium: the device refuses.
        """
        if self._erase_blocks <= 1:
            for begin, data in joined(runs):
                self._write(begin, data)
            return
        given = {begin + at // BLOCK_BYTES: data[at : at + BLOCK_BYTES] for begin, data in runs for at in _steps(data)}
        for at in range(first, min(first + self.unit_blocks, self.count), self._erase_blocks):
            if any(block in given for block in range(at, at + self._erase_blocks)):
                self._write_erase_block(at, given)

    def _write_erase_block(self, first: int, given: "dict[int, bytes | memoryview]") -> None:
        content: "list[bytes | memoryview]" = []
        whole = True
        for block in range(first, first + self._erase_blocks):
            data = given.get(block)
            if data is None:
                data = self._read(self._slots.target_offset + block * BLOCK_BYTES)
                if block < self.count and leaf(data) != self.wanted(block):
                    self._unmark(block)
                    whole = False  # with the next pass
            content.append(data)
        if whole:
            self._write(first, b"".join(content))

    def _write(self, first: int, data: "bytes | bytearray | memoryview") -> None:
        try:
            self._desk.ports.device.write(self._slots.target_offset + first * BLOCK_BYTES, data)
        except Unavailable as error:
            raise BadMedium(str(error)) from None
        count = len(data) // BLOCK_BYTES
        self._mark(first, min(first + count, self.count))
        self._reading_back.written(first, count)
        self._unsaved += count

    def _read(self, offset: int) -> bytes:
        """A block; zeros for one that cannot be read, which is lost already."""
        try:
            return self._desk.ports.device.read(offset, BLOCK_BYTES)
        except Unavailable:
            return bytes(BLOCK_BYTES)

    # The journal

    def tick(self) -> None:
        """Between two units: flush when it is time, write the journal when a flush has ended, look at what it left.

        Raises:
            BadMedium: the device refuses.
        """
        wrong = self._reading_back.take()
        if wrong is not None:
            self._lose(wrong)
            self._reading_back.begin(self._have)
        if self._flush is not None:
            self._take_flush()
        elif self._unsaved * BLOCK_BYTES >= FLUSH_BYTES or (
            self._unsaved and self._desk.now >= self._flushed_at + FLUSH_S
        ):
            self._begin_flush()

    def save(self) -> "Steps":
        """Flush, and write the journal.

        Raises:
            BadMedium: the device refuses.
        """
        if self._flush is not None and not self._flush.done:
            yield from _settled(self._flush)
        if self._flush is not None:
            self._take_flush()
        self._begin_flush()
        if self._flush is not None:
            yield from _settled(self._flush)
            self._take_flush()

    def save_now(self) -> None:
        """The same within this step, after the work was stopped by an error.

        Raises:
            Unavailable: the device or the storage refuses.
        """
        self._flush = None
        self._reading_back.stop()
        if self._unsaved:
            self._desk.ports.device.flush()
            self._unsaved = 0
            self._reading_back.all_flushed()
            self._journal(bytes(self._have))

    def _begin_flush(self) -> None:
        self._flushing = bytes(self._have)
        self._reading_back.flushing()
        self._unsaved = 0
        self._flushed_at = self._desk.now
        self._flush = self._work.ask("device", "flush", ())

    def _take_flush(self) -> None:
        flush = self._flush
        if flush is None or not flush.done:
            return
        self._flush = None
        if flush.error is not None:
            raise BadMedium(str(flush.error))
        self._reading_back.flushed()
        self._journal(self._flushing)
        self._reading_back.begin(self._have)

    def _journal(self, have: bytes) -> None:
        try:
            self._desk.ports.store.write(PROGRESS, self._root + self._slots.target.encode() + have)
        except Unavailable:
            pass  # a full data partition costs a survey after the next restart, not the update

    def _journalled(self) -> bytearray:
        """Blocks that an earlier run put on the medium.

        A journal of another release, or a damaged one, is deleted before the first write makes it a lie.
        """
        store, length = self._desk.ports.store, (self.count + 7) // 8
        body = store.read(PROGRESS)
        head = self._root + self._slots.target.encode()
        if body is not None and len(body) == len(head) + length and body[: len(head)] == head:
            return bytearray(body[len(head) :])
        store.delete(PROGRESS)
        return bytearray(length)

    # Reading back

    def compare(self) -> "Steps":
        """Read from the medium what has not been seen again yet; unmark and count what is not as it was written."""
        self._reading_back.stop()
        self.damaged = 0
        for number, first, count in self._reading_back.unseen():
            found, _ = yield from hashes(self._work, self._slots.target_offset + first * BLOCK_BYTES, count)
            self._lose(self._reading_back.judge(number, found))
        store = self._desk.ports.store
        if self.damaged:
            self._surveyed = False
            self._journal(bytes(self._have))
            return
        try:
            store.write(slot_tree(self._slots.target), self._leaves)
        except Unavailable:
            pass  # the next update hashes the slot

    def _hashed(self, first: int, count: int) -> "Ticket":
        return self._work.ask("device", "digests", (self._slots.target_offset + first * BLOCK_BYTES, count))

    def _lose(self, blocks: "tuple[int, ...]") -> None:
        for block in blocks:
            self._unmark(block)
            self.damaged += 1

    # Small change

    def _mark(self, first: int, end: int) -> None:
        """Blocks from `first` on, before `end`: whole bytes of bits at once, since nearly all of them are."""
        while first < end:
            if first % 8 or end - first < 8:
                self._have[first // 8] |= 1 << first % 8
                first += 1
            else:
                count = (end - first) // 8
                self._have[first // 8 : first // 8 + count] = b"\xff" * count
                first += 8 * count

    def _unmark(self, block: int) -> None:
        if self.has(block):
            self._have[block // 8] &= 0xFF ^ (1 << block % 8)
            self.lost_blocks += 1

    def _mark_equal(self, first: int, hashes: bytes) -> None:
        wanted = self.wanted(first, len(hashes) // HASH_BYTES)
        for at in range(0, len(hashes), HASH_BYTES):
            if hashes[at : at + HASH_BYTES] == wanted[at : at + HASH_BYTES]:
                block = first + at // HASH_BYTES
                self._have[block // 8] |= 1 << block % 8


def _steps(data: "bytes | memoryview") -> range:
    return range(0, len(data), BLOCK_BYTES)


def _settled(ticket: "Ticket") -> "Steps":
    """Wait for a ticket whose error its owner takes."""
    try:
        yield ticket
    except (Rejected, Unavailable):
        pass
