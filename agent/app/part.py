"""The part of a segment that has arrived, which a slow line brings over minutes.

What a while has brought is on the storage as well, so a camera that has no power for longer than that gets on all the
same. There are two files, taken in turn: where a segment ends within an erase block, its last blocks wait in memory for
the first ones of the next. A file: the SHA-256 that the whole segment is to have, then records, each a u32 length and
a u32 CRC-32 (big endian) of the bytes that follow it. The CRC finds what a power cut has left of a record. Nothing in
there is trusted: the segment is verified when it is whole, as if all of it had just come.
"""

import binascii
from hashlib import sha256

from agent.app.medium import FLUSH_S
from agent.formats.block_tree import HASH_BYTES
from agent.formats.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.medium import Medium
    from agent.app.packed import Packed
    from agent.app.sources import Sources
    from agent.app.work import Work
    from agent.formats.delivery import Source
    from agent.formats.segments import Segment

    Whole = tuple[bytearray, list[Source]]

NAMES = ("update/part-0.bin", "update/part-1.bin")
_WORD = 4
_HEADER_BYTES = 2 * _WORD


class Part:
    """Of one segment at a time; its number is -1 while there is none."""

    def __init__(self, desk: "Desk", work: "Work", medium: "Medium", sources: "Sources") -> None:
        self._desk = desk
        self._work = work
        self._medium = medium
        self._sources = sources
        self._number = -1
        self._data = bytearray()  # from the segment's begin on
        self._givers: "list[Source]" = []
        self._remembered = False  # whether some of it came in a run before, from nobody knows whom
        self._sha256 = b""
        self._turn = 0  # which of the files is this segment's
        self._kept_bytes = 0  # on the storage
        self._kept_at = 0.0

    def rest(self, packed: "Packed", number: int, needed: "set[int]") -> "Generator[Any, Any, Whole]":
        """Fetch what is missing of a segment; of one that was begun another time, nothing that has come.

        `needed`: the numbers of the segments that will be asked for.

        Returns:
            The segment as it is stored, if it is right, else no bytes; and who gave it. What is on the storage stays
            until the one after the next: its last blocks may be in memory until the next one has come.

        Raises:
            Unavailable: no source has it now.
        """
        segment = packed.index.segment(number)
        stop, end = segment.offset + segment.stored_bytes, packed.end_of_run(number, needed)
        recalls = True
        while True:
            self._begin(number, segment, recalls)
            while len(self._data) < segment.stored_bytes:
                at = segment.offset + len(self._data)
                asked = self._sources.begin(self._work, packed.path, at, stop, end, 1)
                piece, source = yield from self._sources.take(self._work, asked)
                self._data += piece
                self._givers.append(source)
                if self._desk.now >= self._kept_at + FLUSH_S:
                    if not self._kept_bytes:
                        yield from self._medium.save()  # what has come of the segment in the file that goes now
                    self._keep()
            data, givers, remembered = self._data, self._givers, self._remembered
            self._forget()
            if sha256(data).digest() == segment.sha256:
                return data, givers
            self._delete(NAMES[self._turn])
            if not remembered:
                return bytearray(), givers
            recalls = False  # nobody knows whose it was: from the begin, once more

    def _begin(self, number: int, segment: "Segment", recalls: bool) -> None:
        if number != self._number:
            self._forget()
            self._number, self._sha256 = number, segment.sha256
            self._kept_at = self._desk.now
            if recalls:
                self._recall(segment.stored_bytes)

    def _forget(self) -> None:
        self._number = -1
        self._data, self._givers, self._remembered = bytearray(), [], False
        self._kept_bytes = 0

    # On the storage

    def _keep(self) -> None:
        """Add what has come since the last time; where the storage fails, the next time tries again from the begin."""
        self._kept_at = self._desk.now
        name, ports = NAMES[self._turn], self._desk.ports
        fresh = self._data[self._kept_bytes :]
        head = b"" if self._kept_bytes else self._sha256
        try:
            if head:
                ports.store.delete(name)
            ports.spool.append(name, head + _header(fresh) + fresh)
            self._kept_bytes = len(self._data)
        except Unavailable:
            self._delete(name)

    def _recall(self, most_bytes: int) -> None:
        """What a run before has kept of this segment, if any has; a torn end goes, and what is behind it."""
        spool = self._desk.ports.spool
        try:
            known = [turn for turn in (0, 1) if spool.read(NAMES[turn], 0, HASH_BYTES) == self._sha256]
            self._turn = known[0] if known else 1 - self._turn
            name, at = NAMES[self._turn], HASH_BYTES
            while known:
                header = spool.read(name, at, _HEADER_BYTES)
                length = int.from_bytes(header[:_WORD], "big")
                piece = spool.read(name, at + _HEADER_BYTES, min(length, most_bytes - len(self._data)))
                if not piece or _header(piece) != header:
                    break
                self._data += piece
                self._remembered = True
                at += _HEADER_BYTES + length
            # Behind a torn end nothing can be added: the next time writes it anew.
            self._kept_bytes = 0 if spool.read(name, at, 1) else len(self._data)
        except Unavailable:
            pass

    def clear(self) -> None:
        """Nothing of any segment is wanted any more."""
        for name in NAMES:
            self._delete(name)

    def _delete(self, name: str) -> None:
        self._kept_bytes = 0
        try:
            if self._desk.ports.spool.read(name, 0, 1):
                self._desk.ports.store.delete(name)
        except Unavailable:
            pass  # it names its segment: of no use to any other


def _header(piece: "bytes | bytearray") -> bytes:
    return len(piece).to_bytes(_WORD, "big") + (binascii.crc32(piece) & 0xFFFFFFFF).to_bytes(_WORD, "big")
