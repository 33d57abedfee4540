"""Brings the missing blocks of an installation: copied, unpacked, or fetched as they are; every one verified."""

from array import array

from agent.app.medium import HINT_STEP_BLOCKS
from agent.app.packed import ArtifactError
from agent.app.part import Part
from agent.app.runs import lacking, laid
from agent.app.same_blocks import keys, look_up, want_also
from agent.app.sources import OWN
from agent.app.stream import Stream
from agent.core.allowance import FullDownload
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES, leaves_of, with_leaves
from agent.formats.errors import Rejected, Unavailable
from agent.formats.transfer import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.medium import Medium
    from agent.app.packed import Packed
    from agent.app.runs import Runs
    from agent.app.sources import Sources
    from agent.app.work import Steps, Work
    from agent.formats.delivery import Source
    from agent.formats.release import Release

MAX_WANTED = 16384  # hashes looked for in one scan of the active slot's tree: about 2 MB of memory
MAX_SEGMENT_TRIES = 2  # from the operator's server; then its blocks are fetched as they are
MAX_REPAIR_BLOCKS = 256  # 1 MiB: what may be fetched as it is on a line where whole downloads are forbidden
PLAIN = 0xFFFFFFFF
PLAN_BYTES = 4  # for each block, all ones: PLAIN
SEGMENT = 1 << 24  # above every block number


class Filling:
    """Knows where each missing block can be had (the plan), and gets it."""

    def __init__(
        self,
        desk: "Desk",
        work: "Work",
        medium: "Medium",
        release: "Release",
        packed: "Packed | None",
        sources: "Sources",
        free: bool = False,
    ) -> None:
        """`free`: what these sources give costs the line nothing."""
        self._desk = desk
        self._work = work
        self._medium = medium
        self._packed = packed
        self._sources = sources
        self._path = "/targets/" + release.sha256 + "." + release.target
        self._target = release.target
        self._plain_forbidden = desk.config.transfer.full_downloads == NEVER and not free
        self._plan = array("I")
        self._planned_for = -1  # `Medium.lost_blocks` when the plan was made
        self._given_up: "set[int]" = set()  # segments
        self._stream: "Stream | None" = None
        self._number = -1  # of the segment whose content is kept
        self._part = Part(desk, work, medium, sources)
        self._content = self._leaves = b""
        self._tries: "dict[int, int]" = {}
        self._held: "tuple[int, Runs]" = (-1, [])
        self._needed: "set[int]" = set()
        self._plain_taken: "set[int]" = set()  # where they are limited
        self._plain_cost = 0  # blocks that were fetched as they are, and those that have to be
        self.plain_blocks = 0
        self.packed_bytes = 0
        self.fetched_blocks = 0
        self.copied_blocks = 0
        self.unpacked_blocks = 0

    def plan(self) -> "Steps":
        """Find out what the active slot has and what is in a segment; the rest has to be fetched.

        Safe to repeat: a plan stays until a block is lost that was in place, for which there was none.
        """
        if self._planned_for != self._medium.lost_blocks:
            self._plan, self._planned_for = (yield from self._made()), self._medium.lost_blocks
        yield from self._count(self._plan)

    def _made(self) -> "Generator[Any, Any, array[int]]":
        medium, plan = self._medium, array("I", b"\xff" * (PLAN_BYTES * self._medium.count))
        if medium.next_missing(0) >= 0:
            if self._packed is not None:
                index = self._packed.index
                for number in range(index.segment_count):
                    if number in self._given_up:
                        continue
                    for block in index.blocks_of(number):
                        if block < medium.count:
                            plan[block] = SEGMENT + number
                    yield None
            leaves = yield from medium.active.leaves()
            at = 0
            while at < medium.count:
                wanted, at = yield from self._want(at)
                for begin in range(0, len(leaves) if wanted else 0, HINT_STEP_BLOCKS * HASH_BYTES):
                    look_up(wanted, leaves, begin, plan)
                    yield None
        return plan

    def _count(self, plan: "array[int]") -> "Steps":
        """What the plan costs: `plain_blocks` and `packed_bytes`."""
        self.plain_blocks, self._plain_cost, self._needed = 0, len(self._plain_taken), set()
        for first in range(0, self._medium.count, HINT_STEP_BLOCKS):
            for block in self._medium.missing(first, min(first + HINT_STEP_BLOCKS, self._medium.count)):
                way = plan[block]
                if way == PLAIN:
                    self.plain_blocks += 1
                    self._plain_cost += block not in self._plain_taken
                elif way >= SEGMENT:
                    self._needed.add(way - SEGMENT)
            yield None
        packed = self._packed
        self.packed_bytes = 0
        if packed is not None:
            self.packed_bytes = sum(packed.index.segment(number).stored_bytes for number in self._needed)

    def fill(self) -> "Steps":
        """One pass over the missing blocks. Those that did not come right are still missing afterwards.

        Raises:
            BadMedium: the device refuses.
            Rejected: there is no permitted way to a block.
            Unavailable: no source has it now.
        """
        medium = self._medium
        block = medium.next_missing(0)
        while block >= 0:
            first = block - block % medium.unit_blocks
            end = min(first + medium.unit_blocks, medium.count)
            runs = self._held[1] if self._held[0] == first else []
            try:
                yield from self._gather(self._next(block, end, runs), end, runs)
            except (Rejected, Unavailable):
                # The line has just broken, say: what was verified is not fetched again.
                medium.write_unit(first, runs)
                self._held = (first, runs)
                raise
            medium.write_unit(first, runs)
            medium.tick()
            yield None
            block = medium.next_missing(end)

    def _gather(self, block: int, end: int, runs: "Runs") -> "Steps":
        while 0 <= block < end:
            way = self._plan[block]
            if way == PLAIN:
                block = yield from self._plain(block, end, runs)
            elif way >= SEGMENT:
                if runs and not (self._content and self._number == way - SEGMENT):
                    self._write_before_waiting(block, runs)
                block = yield from self._unpacked(block, end, runs)
            else:
                block = yield from self._copied(block, end, runs)

    def _write_before_waiting(self, block: int, runs: "Runs") -> None:
        """What came with one segment does not wait in memory for the next one."""
        medium = self._medium
        medium.write_unit(block - block % medium.unit_blocks, runs)
        runs[:] = lacking(runs, medium.has)

    def drop(self) -> None:
        """Forget what is on its way; the part of a segment that has arrived is kept."""
        self._stream = None

    def end(self) -> None:
        """All is there, or not wanted."""
        self._part.clear()

    def require_difference(self, why: str) -> None:
        """Refuse to fetch as it is what is too much for a line on which whole downloads are forbidden.

        Raises:
            FullDownload: it is.
        """
        if self._plain_forbidden and self._plain_cost > MAX_REPAIR_BLOCKS:
            raise FullDownload(self._target + ": " + why)

    # Copies

    def _copied(self, block: int, end: int, runs: "Runs") -> "Generator[Any, Any, int]":
        """Take a run of blocks from the active slot; what is not there after all gets another way.

        Raises:
            FullDownload: that would be too much on a line that may not.
        """
        count, origin, active = self._extent(block, end), self._plan[block], self._medium.active
        pieces = [(block, active.read(origin, count))]
        if not pieces[0][1]:
            pieces = []
            for at in range(count):  # a bad sector takes no other blocks with it
                yield None
                pieces.append((block + at, active.read(origin + at, 1)))
        kept = 0
        for first, data in pieces:
            kept += self._keep(first, data, leaves_of(data), runs)
        self.copied_blocks += kept
        if kept < count:
            active.doubt()
            known = laid(runs)
            for one in range(block, block + count):
                if one not in known:
                    self._plan[one] = self._other_way(one)
                    self._plain_cost += self._plan[one] == PLAIN and one not in self._plain_taken
            self.require_difference("the active slot does not hold what can be copied")
        return self._next(block, end, runs)

    def _other_way(self, block: int) -> int:
        if self._packed is not None:
            number = self._packed.index.segment_of(block)
            if number >= 0 and number not in self._given_up:
                return SEGMENT + number
        return PLAIN

    # Segments

    def _unpacked(self, block: int, end: int, runs: "Runs") -> "Generator[Any, Any, int]":
        """Take the blocks of this unit that are in the segment of this block."""
        packed, number = self._packed, self._plan[block] - SEGMENT
        if packed is None:
            raise ValueError("a plan with segments and no artifact")
        content = yield from self._open(packed, number)
        if not content:
            return block if self._plan[block] == PLAIN else self._medium.next_missing(end)  # in the next pass
        for at, one in enumerate(packed.index.blocks_of(number)):
            if one >= end:
                break
            if one >= block and not self._medium.has(one) and self._plan[one] == SEGMENT + number:
                data = content[at * BLOCK_BYTES : (at + 1) * BLOCK_BYTES]
                kept = self._keep(one, data, self._leaves[at * HASH_BYTES : (at + 1) * HASH_BYTES], runs)
                self.unpacked_blocks += kept
                if not kept:
                    self._give_up(packed, number, "a block is not what the release signed")
                    break
        return self._next(block, end, runs)

    def _open(self, packed: "Packed", number: int) -> "Generator[Any, Any, bytes]":
        """The content of a segment, and `_leaves`, its blocks' hashes; empty when it came damaged.

        Raises:
            Rejected: it cannot be unpacked, and there is no other way.
            Unavailable: no source has it now.
        """
        if self._content and number == self._number:
            return self._content
        self._content = self._leaves = b""
        segment = packed.index.segment(number)
        stored, givers = yield from self._part.rest(packed, number, self._needed)
        if not stored:
            self._blame(packed, number, givers)
            return b""
        try:
            if packed.index.encrypted:
                key = yield from packed.key(self._work)
                stored = yield self._work.ask("unpacker", "decrypt", (key, number, stored))
            prefix = bytearray(self._medium.active.read(segment.source_first, segment.source_blocks))
            arguments = (stored, prefix, segment.blocks * BLOCK_BYTES)
            self._content, self._leaves = yield self._work.ask("unpacker", "unpack", arguments, with_leaves)
        except Rejected as error:
            self._give_up(packed, number, str(error))
            return b""
        self._number = number
        return self._content

    def _blame(self, packed: "Packed", number: int, givers: "list[Source]") -> None:
        """A segment came damaged from these.

        Raises:
            Rejected: from the operator's server, too often, and there is no other way.
        """
        others = [source for source in givers if source != OWN]
        for source in others or [OWN]:
            self._sources.blame(source, packed.path)
        if others:
            return  # it was no try of the operator's server
        self._tries[number] = self._tries.get(number, 0) + 1
        if self._tries[number] >= MAX_SEGMENT_TRIES:
            self._give_up(packed, number, "a segment came damaged")

    def _give_up(self, packed: "Packed", number: int, why: str) -> None:
        """Fetch the blocks of a segment as they are.

        Raises:
            ArtifactError: the release is encrypted: there is nothing to fetch.
            FullDownload: too much has been fetched in this way on a line that may not.
        """
        if packed.index.encrypted:
            raise ArtifactError(self._target + ": " + why)
        self._given_up.add(number)
        for block in packed.index.blocks_of(number):
            if block < self._medium.count and self._plan[block] == SEGMENT + number:
                self._plan[block] = PLAIN
                self._plain_cost += not self._medium.has(block) and block not in self._plain_taken
        self.require_difference(why)

    # As they are

    def _plain(self, block: int, end: int, runs: "Runs") -> "Generator[Any, Any, int]":
        """Take blocks of a run that is fetched as it is, as far as they have arrived and this unit goes."""
        stream = self._stream
        if stream is None or stream.block != block or block >= stream.end:  # a run may have grown since
            end_of_run = self._extent_of_stream(block)
            stream = self._stream = Stream(self._work, self._sources, self._path, block, end_of_run)
        try:
            data, leaves = yield from stream.take(end - block)
        except Unavailable:
            self._stream = None
            raise
        count = len(data) // BLOCK_BYTES
        kept = self._keep(block, data, leaves, runs)
        self.fetched_blocks += kept
        if self._plain_forbidden:
            self._plain_taken.update(range(block, block + count))
        if kept < count and stream.source is not None:
            self._sources.blame(stream.source, self._target)
        return self._next(block + count, end, runs)

    def _extent_of_stream(self, block: int) -> int:
        """The end of the run of missing blocks that are fetched as they are."""
        plan = self._plan
        for one in self._medium.missing(block, self._medium.count):
            if one != block or plan[one] != PLAIN:
                break
            block += 1
        return block

    # All of them

    def _keep(self, first: int, data: "bytes | memoryview", found: bytes, runs: "Runs") -> int:
        """Verify blocks, whose hashes were found, and lay those that are right up for writing; how many they are."""
        if not data:
            return 0
        count = len(data) // BLOCK_BYTES
        if found == self._medium.wanted(first, count):
            runs.append((first, data))
            return count
        right = [
            number
            for number in range(count)
            if found[number * HASH_BYTES : (number + 1) * HASH_BYTES] == self._medium.wanted(first + number)
        ]
        for number in right:
            runs.append((first + number, data[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES]))
        return len(right)

    def _next(self, block: int, end: int, runs: "Runs") -> int:
        """The next block from there on that is neither in place nor laid up."""
        known = laid(runs)
        block = self._medium.next_missing(block)
        while 0 <= block < end and block in known:
            block = self._medium.next_missing(block + 1)
        return block

    def _extent(self, block: int, end: int) -> int:
        """How many missing blocks from there on are copies of blocks that follow each other as well."""
        count, plan = 1, self._plan
        while (
            block + count < end and plan[block + count] == plan[block] + count and not self._medium.has(block + count)
        ):
            count += 1
        return count

    def _want(self, at: int) -> "Generator[Any, Any, tuple[dict[int, Any], int]]":
        """The missing blocks from `at` on by the begin of their hashes, and where to go on; empty behind the last."""
        medium, wanted, left = self._medium, {}, MAX_WANTED
        while left > 0 and at < medium.count:
            end = min(at + HINT_STEP_BLOCKS, medium.count)
            begins, blocks = keys(medium.wanted(at, end - at)), list(medium.missing(at, end))
            if len(blocks) < len(begins):
                begins = tuple([begins[block - at] for block in blocks])
            found = dict(zip(begins, blocks))  # noqa: B905 (MicroPython has no `strict`)
            if len(found) == len(blocks) and not any(key in wanted for key in found):
                wanted.update(found)
            else:
                for key, block in zip(begins, blocks):  # noqa: B905 (as above)
                    want_also(wanted, key, block)
            left -= len(blocks)
            at = end
            yield None
        return wanted, at
