"""The part of a segment that has arrived, which a slow line brings over minutes.

What a while has brought is on the storage as well (`update/part.bin`), so a camera that has no power for longer than
that gets on all the same. The file: the SHA-256 that the whole segment is to have, then records, each a u32 length and
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

NAME = "update/part.bin"
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
        self._kept_bytes = 0  # on the storage
        self._kept_at = self._began_at = 0.0
        self._was_slow = False  # whether the last whole one was long on its way

    def rest(self, packed: "Packed", number: int, needed: "set[int]") -> "Generator[Any, Any, Whole]":
        """Fetch what is missing of a segment; of one that was begun another time, nothing that has come.

        `needed`: the numbers of the segments that will be asked for.

        Returns:
            The segment as it is stored, if it is right, else no bytes; and who gave it. What is on the storage stays
            until the next one: the blocks of this one are in memory yet.

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
                if self._was_slow:
                    self._was_slow = False
                    yield from self._medium.save()  # what the one before has brought is not lost with the power
                piece, source = yield from self._sources.take(self._work, asked)
                self._data += piece
                self._givers.append(source)
                if self._desk.now >= self._kept_at + FLUSH_S:
                    self._keep()
            data, givers, remembered = self._data, self._givers, self._remembered
            self._was_slow = remembered or self._desk.now - self._began_at >= FLUSH_S
            self._forget()
            if sha256(data).digest() == segment.sha256:
                return data, givers
            self.clear()
            if not remembered:
                return bytearray(), givers
            recalls = False  # nobody knows whose it was: from the begin, once more

    def _begin(self, number: int, segment: "Segment", recalls: bool) -> None:
        if number != self._number:
            self._forget()
            self._number, self._sha256 = number, segment.sha256
            self._began_at = self._kept_at = self._desk.now
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
        fresh = bytes(self._data[self._kept_bytes :])
        try:
            if not self._kept_bytes:
                self._desk.ports.store.delete(NAME)
            self._desk.ports.spool.append(NAME, (b"" if self._kept_bytes else self._sha256) + _header(fresh) + fresh)
            self._kept_bytes = len(self._data)
        except Unavailable:
            self.clear()

    def _recall(self, most_bytes: int) -> None:
        """What a run before has kept, if it is of this segment; a torn end goes, and what is behind it."""
        spool = self._desk.ports.spool
        try:
            at = HASH_BYTES
            same = spool.read(NAME, 0, at) == self._sha256
            while same:
                header = spool.read(NAME, at, _HEADER_BYTES)
                length = int.from_bytes(header[:_WORD], "big")
                piece = spool.read(NAME, at + _HEADER_BYTES, min(length, most_bytes - len(self._data)))
                if not piece or _header(piece) != header:
                    break
                self._data += piece
                self._remembered = True
                at += _HEADER_BYTES + length
            # Behind a torn end nothing can be added: the next time writes it anew.
            self._kept_bytes = 0 if spool.read(NAME, at, 1) else len(self._data)
        except Unavailable:
            pass

    def clear(self) -> None:
        """Nothing of it is wanted any more."""
        self._kept_bytes = 0
        try:
            if self._desk.ports.spool.read(NAME, 0, 1):
                self._desk.ports.store.delete(NAME)
        except Unavailable:
            pass  # it names its segment: of no use to any other


def _header(piece: bytes) -> bytes:
    return len(piece).to_bytes(_WORD, "big") + (binascii.crc32(piece) & 0xFFFFFFFF).to_bytes(_WORD, "big")
