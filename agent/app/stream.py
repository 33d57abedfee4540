"""Blocks of a target on their way as they are: what has arrived, and the pieces that are asked for behind it.

Two pieces are asked for at a time. So while one is hashed and written, and while the agent does something else for a
moment, the line has the next one to bring.
"""

from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES, with_leaves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from agent.app.sources import Asked, Sources
    from agent.app.work import Work
    from agent.formats.delivery import Source

    Blocks = tuple[memoryview, bytes]


class Stream:
    """A run of blocks, one behind the other.

    Attributes:
        block: the number of the first one that was not taken yet.
        end: behind the last one.
        source: where what was taken last came from.
    """

    def __init__(self, work: "Work", sources: "Sources", path: str, block: int, end: int) -> None:
        """Ask for the first pieces of `path`."""
        self.block = block
        self.end = end
        self.source: "Source | None" = None
        self._work = work
        self._sources = sources
        self._path = path
        self._data = memoryview(b"")  # cut without copies
        self._leaves = b""
        self._asked: "Asked | None" = None
        self._ahead: "Asked | None" = None
        self._ask(block)

    def take(self, most: int) -> "Generator[Any, Any, Blocks]":
        """The next blocks, 1 to `most`, and their hashes.

        Raises:
            Rejected: as `Sources.take`.
            Unavailable: no source has them now; this stream has ended.
        """
        if not self._data:
            if self._asked is None:
                raise ValueError("a stream that has ended")
            piece, self.source = yield from self._sources.take(self._work, self._asked)
            self._ask(self.block + len(piece) // BLOCK_BYTES)
            # By another thread than the one that receives the next piece meanwhile.
            piece, self._leaves = yield self._work.ask("unpacker", "plain", (piece,), with_leaves)
            self._data = memoryview(piece)
        count = min(most, len(self._data) // BLOCK_BYTES)
        data, self._data = self._data[: count * BLOCK_BYTES], self._data[count * BLOCK_BYTES :]
        leaves, self._leaves = self._leaves[: count * HASH_BYTES], self._leaves[count * HASH_BYTES :]
        self.block += count
        return data, leaves

    def _ask(self, block: int) -> None:
        """Ask for the piece that begins there, unless that was done, and for the one behind it."""
        at, end = block * BLOCK_BYTES, self.end * BLOCK_BYTES
        ahead = self._ahead
        if ahead is not None and ahead.at == at and ahead.ticket is not None and ahead.ticket.error is None:
            self._asked = ahead
        elif at < end:  # the first one, or behind one that came short
            self._asked = self._sources.begin(self._work, self._path, at, end, end, BLOCK_BYTES)
        else:
            self._asked = None
        self._ahead = None if self._asked is None else self._sources.run_ahead(self._work, self._asked)
