"""Writes one release into the inactive slot, block by block; the active slot is only ever read.

Every 4 KiB block is checked against the release's tree before it is written. Blocks that are there already (after a
power cut, or unchanged since the version before last) and blocks that the active slot has at the same place are not
fetched. The journal (`update/progress.bin`) is written after a flush of the device, so a block that it names is on the
medium.

Work is cut into pieces of 64 KiB, one per step.
"""

from agent.core.trust import ArbitrarySoftware
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES, leaf
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.formats.errors import CamwardError
    from agent.formats.release import Release

    Ended = Callable[[str, CamwardError | None], None]

STEP_BLOCKS = 16  # 64 KiB: some milliseconds of hashing on the smallest camera
FETCH_BLOCKS = 64  # 256 KiB per request: little overhead per request, little lost with a dropped connection
IN_FLIGHT = 2  # one request under way while the blocks of the one before are written
JOURNAL_BLOCKS = 1024  # 4 MiB: what a power cut may cost at most, and it costs hashing, not fetching
MAX_BAD_PASSES = 3  # bytes damaged on the way come right when asked for again; swapped ones do not

PROGRESS = "update/progress.bin"
_TIMER = "install"


class BadMedium(Rejected):
    """The slot does not keep what is written into it."""

    code = "medium"


class ImageTooLarge(Rejected):
    """The release does not fit into the slot."""

    code = "image_too_large"


class Slots:
    """Byte offsets of the two slots of one installation."""

    def __init__(self, target_offset: int, target_length: int, active_offset: int, active_length: int) -> None:
        self.target_offset = target_offset
        self.target_length = target_length
        self.active_offset = active_offset
        self.active_length = active_length


class Installing:
    """One installation. `ended(event, error)` gets complete, damaged, refused or unavailable (agent.core.update)."""

    def __init__(self, desk: "Desk", release: "Release", leaves: bytes, slots: Slots, ended: "Ended") -> None:
        """`leaves`: the verified block tree of the release.

        Raises:
            ImageTooLarge: it does not fit.
        """
        if release.block_count * BLOCK_BYTES > slots.target_length:
            raise ImageTooLarge(release.target)
        self._desk = desk
        self._release = release
        self._leaves = leaves
        self._slots = slots
        self._ended = ended
        self._count = release.block_count
        self._have = self._journalled()
        self._unsaved = 0
        self._at = 0
        self._round = 0
        self._in_flight = 0
        self._arrived: "list[tuple[int, bytes]]" = []
        self._bad = 0
        self._bad_passes = 0
        self._damaged = 0
        self._surveyed = False
        self._problem: "Rejected | Unavailable | None" = None
        self.fetched_blocks = 0
        self.copied_blocks = 0

    def write_blocks(self) -> None:
        """Bring every block into the inactive slot; safe to repeat at any moment."""
        self._stop()
        self._at = 0
        self._desk.soon(_TIMER, self._guarded(self._fetch if self._surveyed else self._survey))

    def read_back(self) -> None:
        """Compare the whole slot with the tree, from the medium."""
        self._stop()
        self._at = 0
        self._damaged = 0
        self._desk.soon(_TIMER, self._guarded(self._compare))

    def stop(self) -> None:
        """Drop everything under way."""
        self._stop()

    def progress(self) -> int:
        """Blocks that are in place, in percent."""
        return sum(_bits(byte) for byte in self._have) * 100 // self._count

    # What is there already

    def _survey(self) -> None:
        """Look at the next blocks of the inactive slot, and at the same blocks of the active one."""
        while self._at < self._count and self._all_there(self._at):
            self._at += STEP_BLOCKS
        if self._at >= self._count:
            self._at = 0
            self._surveyed = True
            self._desk.soon(_TIMER, self._guarded(self._fetch))
            return
        first, count = self._at, min(STEP_BLOCKS, self._count - self._at)
        self._adopt(first, count, self._slots.target_offset, self._slots.target_length, copy=False)
        self._adopt(first, count, self._slots.active_offset, self._slots.active_length, copy=True)
        self._at += count
        self._journal_when_due()
        self._desk.soon(_TIMER, self._guarded(self._survey))

    def _adopt(self, first: int, count: int, offset: int, length: int, copy: bool) -> None:
        """Mark the missing blocks that one slot has at their place; `copy` writes them over."""
        if self._all_there(first) or (first + count) * BLOCK_BYTES > length:
            return
        data = self._desk.ports.device.read(offset + first * BLOCK_BYTES, count * BLOCK_BYTES)
        for index in range(first, first + count):
            at = (index - first) * BLOCK_BYTES
            block = data[at : at + BLOCK_BYTES]
            if not self._is_there(index) and leaf(block) == self._wanted(index):
                if copy:
                    self._desk.ports.device.write(self._slots.target_offset + index * BLOCK_BYTES, block)
                    self.copied_blocks += 1
                    self._unsaved += 1
                self._mark(index)

    # What has to be fetched

    def _fetch(self) -> None:
        """Keep requests under way; at the end of a pass, finish or begin another for the blocks that came damaged."""
        while self._problem is None and self._in_flight + len(self._arrived) < IN_FLIGHT:
            first = self._next_missing(self._at)
            if first < 0:
                break
            last = first
            while last + 1 < self._count and last + 1 - first < FETCH_BLOCKS and not self._is_there(last + 1):
                last += 1
            self._at = last + 1
            self._request(first, last + 1 - first)
        if self._in_flight or self._arrived:
            return
        if self._problem is not None:
            raise self._problem
        if self._bad:
            self._bad, self._bad_passes = 0, self._bad_passes + 1
            if self._bad_passes >= MAX_BAD_PASSES:
                raise ArbitrarySoftware(self._release.target + ": blocks are not what the release signed")
            self._at = 0
            self._desk.soon(_TIMER, self._guarded(self._fetch))
            return
        self._save()
        self._ended("complete", None)

    def _request(self, first: int, count: int) -> None:
        """Ask for these blocks. What comes is used even when another request fails: nothing is fetched twice."""
        number = self._round
        length = count * BLOCK_BYTES
        self._in_flight += 1

        def arrived(body: "bytes | None", error: "CamwardError | None") -> None:
            if number != self._round:
                return
            self._in_flight -= 1
            got = 0 if body is None else len(body)
            if error is None and got != length:
                error = Unavailable(self._release.target + ": the server has not these bytes")
            if isinstance(error, (Rejected, Unavailable)):
                self._problem = error
            if body is not None and BLOCK_BYTES <= got <= length:
                self._arrived.append((first, body[: got - got % BLOCK_BYTES]))
            self._desk.soon(_TIMER, self._guarded(self._write))

        path = "/targets/" + self._release.sha256 + "." + self._release.target
        self._desk.call("fetcher", "get", (path, length, first * BLOCK_BYTES, length), arrived)

    def _write(self) -> None:
        """Verify and write the next 64 KiB of what has arrived."""
        if self._arrived:
            first, body = self._arrived.pop(0)
            piece, rest = body[: STEP_BLOCKS * BLOCK_BYTES], body[STEP_BLOCKS * BLOCK_BYTES :]
            if rest:
                self._arrived.insert(0, (first + STEP_BLOCKS, rest))
            self._write_piece(first, piece)
        self._journal_when_due()
        if self._arrived:
            self._desk.soon(_TIMER, self._guarded(self._write))
        self._fetch()

    def _write_piece(self, first: int, piece: bytes) -> None:
        for index in range(first, first + len(piece) // BLOCK_BYTES):
            at = (index - first) * BLOCK_BYTES
            block = piece[at : at + BLOCK_BYTES]
            if leaf(block) != self._wanted(index):
                self._bad += 1
                continue
            self._desk.ports.device.write(self._slots.target_offset + index * BLOCK_BYTES, block)
            self._mark(index)
            self._unsaved += 1
            self.fetched_blocks += 1

    # Reading back

    def _compare(self) -> None:
        if self._at >= self._count:
            if self._damaged:
                self._surveyed = False
                self._save()
                self._ended("damaged", BadMedium(str(self._damaged) + " blocks did not stay as written"))
            else:
                self._ended("complete", None)
            return
        count = min(STEP_BLOCKS, self._count - self._at)
        data = self._desk.ports.device.read(self._slots.target_offset + self._at * BLOCK_BYTES, count * BLOCK_BYTES)
        for index in range(self._at, self._at + count):
            at = (index - self._at) * BLOCK_BYTES
            if leaf(data[at : at + BLOCK_BYTES]) != self._wanted(index):
                self._damaged += 1
                self._have[index // 8] &= 0xFF ^ (1 << index % 8)
        self._at += count
        self._desk.soon(_TIMER, self._guarded(self._compare))

    # The journal

    def _journalled(self) -> bytearray:
        """Blocks that an earlier run put on the medium.

        A journal of another release, or a damaged one, is deleted before the first write makes it a lie.
        """
        body = self._desk.ports.store.read(PROGRESS)
        root = bytes.fromhex(self._release.tree_root)
        length = (self._count + 7) // 8
        head = root + self._mark_of_slot().encode()
        if body is not None and len(body) == len(head) + length and body[: len(head)] == head:
            return bytearray(body[len(head) :])
        self._desk.ports.store.delete(PROGRESS)
        return bytearray(length)

    def _mark_of_slot(self) -> str:
        return "a" if self._slots.target_offset < self._slots.active_offset else "b"

    def _journal_when_due(self) -> None:
        if self._unsaved >= JOURNAL_BLOCKS:
            self._save()

    def _save(self) -> None:
        self._desk.ports.device.flush()
        head = bytes.fromhex(self._release.tree_root) + self._mark_of_slot().encode()
        self._desk.ports.store.write(PROGRESS, head + bytes(self._have))
        self._unsaved = 0

    # Small change

    def _guarded(self, work: "Callable[[], None]") -> "Callable[[], None]":
        def run() -> None:
            try:
                work()
            except (Rejected, Unavailable) as error:
                self._fail(error)

        return run

    def _fail(self, error: "CamwardError | None") -> None:
        self._stop()
        if self._unsaved:
            try:
                self._save()  # what was verified and written stays, and is known to
            except Unavailable:
                pass  # found again by hashing
        self._ended("refused" if isinstance(error, Rejected) else "unavailable", error)

    def _stop(self) -> None:
        self._round += 1
        self._in_flight = 0
        self._arrived = []
        self._problem = None
        self._desk.cancel(_TIMER)

    def _wanted(self, index: int) -> bytes:
        return self._leaves[index * HASH_BYTES : (index + 1) * HASH_BYTES]

    def _is_there(self, index: int) -> bool:
        return bool(self._have[index // 8] & (1 << index % 8))

    def _mark(self, index: int) -> None:
        self._have[index // 8] |= 1 << index % 8

    def _all_there(self, first: int) -> bool:
        return all(self._is_there(index) for index in range(first, min(first + STEP_BLOCKS, self._count)))

    def _next_missing(self, first: int) -> int:
        for index in range(first, self._count):
            if self._have[index // 8] != 0xFF and not self._is_there(index):
                return index
        return -1


def _bits(byte: int) -> int:
    return bin(byte).count("1")
