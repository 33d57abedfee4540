"""A disk that is stricter than hardware."""

from binascii import hexlify
from hashlib import sha256

from agent.formats.block_tree import BLOCK_BYTES, leaves_of
from agent.formats.errors import Unavailable
from firmware_sim.world.power import Misuse, Power, PowerCut

SECTOR_BYTES = 512  # what a good disk writes whole or not at all
BLANK = b"\xff"  # what flash reads after it was erased


class Medium:
    """What keeps its content without power: the sectors of one disk.

    Args:
        size_bytes: of the whole disk.
        power: its supply.
        erase_bytes: what it erases at once; a multiple of `SECTOR_BYTES`. A cut during a write may take all of it.

    Attributes:
        bad_sectors: numbers of sectors that fail on reading and writing.
        unreadable: numbers of sectors that take every write and fail on reading.
        fading: numbers of sectors that fail on reading until they are written again, as where a disk remaps them.
        forgetful: numbers of sectors that take every write and keep what they held.
        read_only: refuse every write, as worn flash does.
    """

    def __init__(self, size_bytes: int, power: Power, erase_bytes: int = SECTOR_BYTES) -> None:
        self.power = power
        self.erase_bytes = erase_bytes
        self.content = bytearray(size_bytes)
        self.bad_sectors: set[int] = set()
        self.unreadable: set[int] = set()
        self.fading: set[int] = set()
        self.forgetful: set[int] = set()
        self.read_only = False

    def keep(self, offset_bytes: int, data: bytes) -> None:
        """Hold these bytes, where the medium can; the length is any."""
        spoilt = [sector for sector in self.forgetful if _overlaps(sector, offset_bytes, len(data))]
        old = {at: self.content[at : at + SECTOR_BYTES] for at in (sector * SECTOR_BYTES for sector in spoilt)}
        self.content[offset_bytes : offset_bytes + len(data)] = data
        self.fading -= {sector for sector in self.fading if _overlaps(sector, offset_bytes, len(data))}
        for at, sector in old.items():
            self.content[at : at + SECTOR_BYTES] = sector

    def blank(self, offset_bytes: int) -> None:
        """Lose the whole erase block in which this byte lies."""
        begin = offset_bytes - offset_bytes % self.erase_bytes
        length = min(self.erase_bytes, len(self.content) - begin)
        self.content[begin : begin + length] = BLANK * length

    def digest(self, offset_bytes: int, length_bytes: int) -> str:
        """SHA-256 of a region, taken from outside: what a test compares before and after."""
        # Not copied: on a small heap there may be no room for a slot in one piece.
        piece = memoryview(self.content)[offset_bytes : offset_bytes + length_bytes]
        return hexlify(sha256(piece).digest()).decode()

    def check(self, offset_bytes: int, length_bytes: int, reading: bool) -> None:
        """Refuse what the medium cannot do.

        Raises:
            Unavailable: beyond the end, or a bad sector.
        """
        if offset_bytes < 0 or length_bytes < 0 or offset_bytes + length_bytes > len(self.content):
            raise Unavailable("beyond the end of the disk")
        for sector in self.bad_sectors | self.unreadable | self.fading if reading else self.bad_sectors:
            if _overlaps(sector, offset_bytes, length_bytes):
                raise Unavailable("sector " + str(sector) + " is bad")


def _overlaps(sector: int, offset_bytes: int, length_bytes: int) -> bool:
    return offset_bytes < (sector + 1) * SECTOR_BYTES and sector * SECTOR_BYTES < offset_bytes + length_bytes


class StrictBlockDevice:
    """One open handle of the disk; implements the port BlockDevice.

    Writes stay in a volatile cache of this handle until `flush`; a flush through one handle makes nothing durable that
    another one wrote, and reading never sees what is not flushed. When the power fails, each sector that is not durable
    survives or not, on its own, so writes are torn and reordered; or each is new in front and old behind; or none of
    them can be read until it is written again; or the erase block that was being written is blank, with everything else
    in it. Writing outside the windows is `Misuse`.

    Args:
        medium: the disk.
        windows: (offset, length) pairs in bytes that may be written.
        align_bytes: offset and length of every write are multiples of it.
    """

    def __init__(self, medium: Medium, windows: "list[tuple[int, int]]", align_bytes: int) -> None:
        self._medium = medium
        self._windows = windows
        self._align = align_bytes
        self._cache: list[tuple[int, bytes]] = []
        medium.power.settles(self._lose_power)

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Exactly `length_bytes` bytes of the medium: what a power cut now would leave, never the cache.

        Raises:
            Unavailable: beyond the end, or a bad sector.
        """
        if self._medium.power.is_off():
            raise PowerCut("the power is off")
        self._medium.check(offset_bytes, length_bytes, True)
        return bytes(self._medium.content[offset_bytes : offset_bytes + length_bytes])

    def digests(self, offset_bytes: int, blocks: int) -> bytes:
        """The SHA-256 of each block, of what a power cut now would leave.

        Raises:
            Unavailable: as `read`.
        """
        return leaves_of(self.read(offset_bytes, blocks * BLOCK_BYTES))

    def write(self, offset_bytes: int, data: "bytes | bytearray | memoryview") -> None:
        """Put into the cache; not durable.

        Raises:
            Unavailable: beyond the end, misaligned, a bad sector, or the medium is read-only.
            Misuse: outside the windows.
        """
        self._medium.check(offset_bytes, len(data), False)
        if offset_bytes % self._align or len(data) % self._align:
            raise Unavailable("misaligned write")
        if not any(
            begin <= offset_bytes and offset_bytes + len(data) <= begin + length for begin, length in self._windows
        ):
            raise Misuse("write outside the permitted window, at " + str(offset_bytes))
        if self._medium.read_only:
            raise Unavailable("the disk is read-only")
        fails = self._medium.power.operation("write " + str(offset_bytes) + "+" + str(len(data)))
        self._cache.append((offset_bytes, bytes(data)))
        if fails:
            raise self._medium.power.fail()

    def flush(self) -> None:
        """Make every earlier write of this handle durable.

        Raises:
            Unavailable: the medium is read-only; what was written is lost.
        """
        if self._medium.power.operation("flush"):
            raise self._medium.power.fail()
        for offset, data in self._cache:
            self._medium.keep(offset, data)
        self._cache = []

    def size_bytes(self) -> int:
        """Length of the disk."""
        return len(self._medium.content)

    def _lose_power(self) -> None:
        power = self._medium.power
        for offset, data in self._cache:
            for at in range(0, len(data), SECTOR_BYTES):
                new_bytes = SECTOR_BYTES if power.survives() else power.split_bytes()
                if new_bytes:
                    self._medium.keep(offset + at, data[at : at + new_bytes])
                if power.fades():
                    self._medium.fading.add((offset + at) // SECTOR_BYTES)
        size = self._medium.erase_bytes
        hit = {at - at % size for offset, data in self._cache for at in range(offset, offset + len(data), SECTOR_BYTES)}
        for begin in sorted(hit):
            if power.erases():
                self._medium.blank(begin)
        self._cache = []
