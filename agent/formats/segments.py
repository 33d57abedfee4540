"""The index of a segment artifact: which blocks of a slot it holds, and how each of its segments is packed.

An artifact is one file: this index, then the stored segments one after the other. It holds some blocks of a release's
slot (all, or those that an older release does not have) as one stream in ascending order, cut into segments of at most
1 MiB that can be fetched, verified and unpacked alone.

The plain form of a segment is one zstd frame (RFC 8878) that names its content size; blocks of the older release's slot
precede its content as a raw prefix. In an encrypted artifact, what is stored is the frame under AES-256-GCM: nonce =
segment number (12 bytes, big endian), associated data = the magic, tag at the end. Each artifact has a key of its own,
which is wrapped for one camera at a time: HPKE (RFC 9180), info = `KEY_INFO` + SHA-256 of the index.

Big endian: magic, u32 flags, u32 runs, u32 segments; each run u32 first, u32 count; each segment u32 blocks, u32 stored
bytes, u32 first source block, u32 source blocks, 32 bytes SHA-256 of what is stored.

Nothing in here is trusted beyond where to look: a segment counts when its hash is the signed one, a block when its hash
is in the release's tree.
"""

from array import array

from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAGIC = b"CWSEGS1\n"
ENCRYPTED = 1  # the one flag
TAG_BYTES = 16  # of AES-GCM
KEY_BYTES = 32  # AES-256
KEY_INFO = b"camward artifact key 1\0"  # HPKE's info: a key wrapped for another purpose or artifact does not open
MAX_SEGMENT_BLOCKS = 256  # 1 MiB: what a device holds in memory twice, packed and unpacked
MAX_SOURCE_BLOCKS = 512  # 2 MiB: and this beside it
MAX_BLOCKS = 2**20  # as in a release: 4 GiB
MAX_INDEX_BYTES = 512 * 1024  # 65,000 runs; a release scattered wider than that is better fetched whole
MAX_GROWTH_BYTES = 1024  # what a frame may be larger than its content, tag included
_HEAD_BYTES = 20
_RUN_BYTES = 8
_SEGMENT_BYTES = 16 + HASH_BYTES


class Segment(Value):
    """One segment.

    Fields:
        number: 0 for the first.
        blocks: 1..256, how many it unpacks to.
        offset: where its stored bytes begin in the artifact.
        stored_bytes: how many they are.
        source_first: number of the first block of the older slot that precedes the content.
        source_blocks: 0..512, how many do.
        sha256: 32 bytes, over the stored bytes.
    """

    FIELDS = ("number", "blocks", "offset", "stored_bytes", "source_first", "source_blocks", "sha256")
    number: int
    blocks: int
    offset: int
    stored_bytes: int
    source_first: int
    source_blocks: int
    sha256: bytes


class Index:
    """A parsed index; holds its bytes and eight bytes for each run and segment."""

    def __init__(self, data: bytes, runs: "array[int]", ends: "array[int]", positions: "array[int]") -> None:
        """Made by `parse`.

        Args:
            data: the index.
            runs: position in the stream of each run's first block.
            ends: offset in the artifact of the end of each segment.
            positions: position in the stream of the end of each segment.
        """
        self._data = data
        self._runs = runs
        self._ends = ends
        self._positions = positions
        self.encrypted = bool(_u32(data, 8))
        self.segment_count = len(ends)
        self.length_bytes: int = ends[-1]

    def segment(self, number: int) -> Segment:
        """The segment of that number (0 to `segment_count` - 1)."""
        at = _HEAD_BYTES + _RUN_BYTES * len(self._runs) + _SEGMENT_BYTES * number
        stored = _u32(self._data, at + 4)
        return Segment(
            number=number,
            blocks=_u32(self._data, at),
            offset=self._ends[number] - stored,
            stored_bytes=stored,
            source_first=_u32(self._data, at + 8),
            source_blocks=_u32(self._data, at + 12),
            sha256=self._data[at + 16 : at + _SEGMENT_BYTES],
        )

    def segment_of(self, block: int) -> int:
        """Number of the segment that a block of the slot is in, or -1."""
        low, high = 0, len(self._runs)
        while low < high:  # the last run that begins at or before the block
            middle = (low + high) // 2
            if _u32(self._data, _HEAD_BYTES + _RUN_BYTES * middle) <= block:
                low = middle + 1
            else:
                high = middle
        at = _HEAD_BYTES + _RUN_BYTES * (low - 1)
        if not low or block >= _u32(self._data, at) + _u32(self._data, at + 4):
            return -1
        position = self._runs[low - 1] + block - _u32(self._data, at)
        low, high = 0, len(self._positions)
        while low < high:  # the first segment that ends behind the position
            middle = (low + high) // 2
            if self._positions[middle] <= position:
                low = middle + 1
            else:
                high = middle
        return low

    def blocks_of(self, number: int) -> "Iterator[int]":
        """The blocks of the slot that a segment unpacks to, in their order."""
        end = self._positions[number]
        position = self._positions[number - 1] if number else 0
        run = 0
        while run + 1 < len(self._runs) and self._runs[run + 1] <= position:
            run += 1
        while position < end:
            at = _HEAD_BYTES + _RUN_BYTES * run
            within = position - self._runs[run]
            count = min(_u32(self._data, at + 4) - within, end - position)
            first = _u32(self._data, at) + within
            for block in range(first, first + count):
                yield block
            position += count
            run += 1


def parse(data: bytes) -> Index:
    """Read an index.

    Raises:
        FormatError: it is not what the module describes, or beyond its bounds.
    """
    if len(data) > MAX_INDEX_BYTES:
        raise FormatError("the segment index is longer than " + str(MAX_INDEX_BYTES) + " bytes")
    if data[: len(MAGIC)] != MAGIC or len(data) < _HEAD_BYTES:
        raise FormatError("no segment index")
    flags, run_count, count = _u32(data, 8), _u32(data, 12), _u32(data, 16)
    if flags & ~ENCRYPTED:
        raise FormatError("the segment index has unknown flags")
    if not run_count or not count or len(data) != _HEAD_BYTES + _RUN_BYTES * run_count + _SEGMENT_BYTES * count:
        raise FormatError("the segment index has another length than it says")
    runs, total = _read_runs(data, run_count)
    ends, positions = array("I"), array("I")
    offset, position = len(data), 0
    least = TAG_BYTES if flags else 0
    for at in range(_HEAD_BYTES + _RUN_BYTES * run_count, len(data), _SEGMENT_BYTES):
        blocks, stored, first, sources = (_u32(data, at + step) for step in (0, 4, 8, 12))
        if not 1 <= blocks <= MAX_SEGMENT_BLOCKS or sources > MAX_SOURCE_BLOCKS or first + sources > MAX_BLOCKS:
            raise FormatError("a segment is too large")
        if not least < stored <= blocks * BLOCK_BYTES + MAX_GROWTH_BYTES:
            raise FormatError("a segment is stored in an impossible length")
        offset += stored
        position += blocks
        if offset > 0xFFFFFFFF:
            raise FormatError("the segments are longer than any slot")
        ends.append(offset)
        positions.append(position)
    if position != total:
        raise FormatError("segments and runs differ in their blocks")
    return Index(data, runs, ends, positions)


def encode(
    runs: "Sequence[tuple[int, int]]", segments: "Sequence[tuple[int, int, int, int, bytes]]", encrypted: bool = False
) -> bytes:
    """The index of runs (first, count) and segments (blocks, stored bytes, first source block, source blocks, SHA-256).

    Raises:
        FormatError: `parse` would refuse it.
    """
    parts = [MAGIC]
    parts.extend(number.to_bytes(4, "big") for number in (ENCRYPTED if encrypted else 0, len(runs), len(segments)))
    for run in runs:
        parts.extend(number.to_bytes(4, "big") for number in run)
    for segment in segments:
        parts.extend(number.to_bytes(4, "big") for number in segment[:4])
        parts.append(segment[4])
    data = b"".join(parts)
    parse(data)
    return data


def _read_runs(data: bytes, count: int) -> "tuple[array[int], int]":
    """Position in the stream of each run, and the blocks of all.

    Raises:
        FormatError: they do not ascend, or leave the slot.
    """
    positions = array("I")
    total = end = 0
    for at in range(_HEAD_BYTES, _HEAD_BYTES + _RUN_BYTES * count, _RUN_BYTES):
        first, length = _u32(data, at), _u32(data, at + 4)
        if not length or (at > _HEAD_BYTES and first < end) or first + length > MAX_BLOCKS:
            raise FormatError("the runs of blocks do not ascend")
        positions.append(total)
        end = first + length
        total += length
    return positions, total


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")
