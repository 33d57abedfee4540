"""Reads what QEMU's `blklogwrites` has logged, and gives every state in which a power cut could have left the disk.

The format is that of the kernel's dm-log-writes target (Documentation/admin-guide/device-mapper/log-writes.rst, QEMU's
block/blklogwrites.c): little endian; a superblock, then one entry after the other, each in a sector of its own and
followed by its data. QEMU writes the number of entries at each flush: what it logged after the last one is not seen,
unless it ended in order.

Pure: bytes in, bytes out.
"""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

MAGIC = 0x6A736677736872
VERSION = 1
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")
SECTOR_SIZES = (512, 4096)
MAX_ENTRIES = 1 << 22
"""More writes than an update of hours; a wrong count must not become an endless loop."""
UNIT_BYTES = 512
"""What a disk writes whole or not at all, whatever the sector size of the log."""
DENSE = 32
"""With fewer unflushed writes than this, each prefix is torn as well; with more, every sixteenth."""
_SPARSE_EVERY = 16

PREFIX, TORN = "prefix", "torn"


class WriteLogError(ValueError):
    """The log is not what this module describes, or ends in mid-entry."""


class Entry(NamedTuple):
    """One logged operation; `data` is empty for flushes, and zeroes for what was discarded."""

    offset_bytes: int
    data: bytes
    flags: int


class Crash(NamedTuple):
    """One state of the disk after a cut: after the entry with this number, with how many writes that were not flushed.

    `kind`: `PREFIX`, all of them survived, or `TORN`, each of their sectors did or did not.
    """

    number: int
    kind: str
    unflushed: int


class Content(Protocol):
    """A disk's bytes: a bytearray, or a mapped file."""

    def __getitem__(self, place: slice, /) -> bytes | bytearray:
        """Bytes of it."""
        ...

    def __setitem__(self, place: slice, data: bytes, /) -> None:
        """Change bytes of it, as many as were there."""
        ...


def parse(log: bytes | memoryview) -> list[Entry]:
    """Every entry that the superblock counts, in order.

    Raises:
        WriteLogError: it is no such log, or is shorter than it says.
    """
    if len(log) < _SUPER.size:
        raise WriteLogError("the log has no superblock")
    magic, version, count, sector_bytes = _SUPER.unpack_from(log)
    if magic != MAGIC or version != VERSION:
        raise WriteLogError("this is no log of writes")
    if sector_bytes not in SECTOR_SIZES or count > MAX_ENTRIES:
        raise WriteLogError("the superblock is damaged")
    entries = []
    at = sector_bytes
    for _ in range(count):
        if at + _ENTRY.size > len(log):
            raise WriteLogError("the log ends early")
        sector, sectors, flags, _private = _ENTRY.unpack_from(log, at)
        at += sector_bytes
        length = sectors * sector_bytes
        if flags & DISCARD:
            data = bytes(length) if length <= len(log) * MAX_ENTRIES else b""
        else:
            if at + length > len(log):
                raise WriteLogError("the log ends early")
            data = bytes(log[at : at + length])
            at += length
        entries.append(Entry(sector * sector_bytes, data, flags))
    return entries


class Replay:
    """Carries a disk through a log, and through what a power cut could have made of it at every point.

    Args:
        disk: as it was when the log began; changed in place.
        touched: called with offset and length in bytes of everything that changes, also of what changes back.
        seed: decides what survives in torn states.
    """

    def __init__(self, disk: Content, touched: Callable[[int, int], None], seed: int | str) -> None:
        self._disk = disk
        self._touched = touched
        self._chance = random.Random(seed)
        self._pending: list[tuple[int, bytes]] = []
        self._durable: dict[int, bytes] = {}  # by offset: units that pending writes have covered, as last flushed

    def crashes(self, entries: Sequence[Entry]) -> Iterator[Crash]:
        """Every state, while the disk is in it; afterwards the disk is as the whole log leaves it.

        After each entry comes the state in which every write so far survived; and, where writes are not flushed yet,
        one in which their sectors were lost at random (so that writes are dropped, torn, and overtaken by later ones).
        The state in which all of them are lost is that after the last flush.
        """
        for number, entry in enumerate(entries):
            if entry.flags & FLUSH:
                self._settle()
            if entry.data:
                self._write(entry.offset_bytes, entry.data)
            if entry.flags & FUA and entry.data:
                self._settle_last()
            count = len(self._pending)
            yield Crash(number, PREFIX, count)
            if count and (count <= DENSE or count % _SPARSE_EVERY == 0):
                whole = self._tear()
                yield Crash(number, TORN, count)
                for at, data in whole.items():
                    self._put(at, data)

    def _write(self, offset: int, data: bytes) -> None:
        for at in range(0, len(data), UNIT_BYTES):
            place = offset + at
            if place not in self._durable:
                self._durable[place] = bytes(self._disk[place : place + UNIT_BYTES])
        self._pending.append((offset, data))
        self._put(offset, data)

    def _settle(self) -> None:
        self._pending.clear()
        self._durable.clear()

    def _settle_last(self) -> None:
        """A write with FUA is durable when it ends; the ones before it are not, except where it covers them."""
        offset, data = self._pending.pop()
        for at in range(0, len(data), UNIT_BYTES):
            self._durable[offset + at] = data[at : at + UNIT_BYTES]

    def _tear(self) -> dict[int, bytes]:
        """Lose sectors; what they held with nothing lost."""
        survived: dict[int, bytes] = {}
        for offset, data in self._pending:
            for at in range(0, len(data), UNIT_BYTES):
                if self._chance.getrandbits(1):
                    survived[offset + at] = data[at : at + UNIT_BYTES]
        whole = {}
        for place, durable in self._durable.items():
            now = bytes(self._disk[place : place + UNIT_BYTES])
            torn = survived.get(place, durable)
            if torn != now:
                whole[place] = now
                self._put(place, torn)
        return whole

    def _put(self, offset: int, data: bytes) -> None:
        self._disk[offset : offset + len(data)] = data
        self._touched(offset, len(data))
