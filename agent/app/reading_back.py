"""Reading back what was written: each piece of a slot is hashed once more, from the medium.

A piece is looked at once it is whole and a flush has put it on the medium, one at a time, while other pieces are still
on their way; what has not been seen by then, at the end. What is written again has to be seen again.
"""

from agent.formats.block_tree import HASH_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.app.work import Ticket

PIECE_BLOCKS = 256  # 1 MiB hashed by one call, in a worker: 60 ms of the slowest camera
# What is known of a piece: on the medium (or nothing), read back from there, or not there yet.
_FLUSHED, _SEEN, _WRITTEN, _FLUSHING = range(4)


class ReadingBack:
    """What is known of each piece of one slot."""

    def __init__(self, leaves: bytes, ask: "Callable[[int, int], Ticket]") -> None:
        """`leaves`: what the slot is to hold; `ask(first block, blocks)` has them hashed by the device."""
        self._leaves = leaves
        self._ask = ask
        self._count = len(leaves) // HASH_BYTES
        self._pieces = bytearray((self._count + PIECE_BLOCKS - 1) // PIECE_BLOCKS)  # a byte for each: its state
        self._look: "tuple[int, Ticket] | None" = None

    # What happens to the slot

    def written(self, first: int, count: int) -> None:
        """These blocks were written: what was seen of their pieces, or is being looked at, counts no more."""
        last = min((first + count - 1) // PIECE_BLOCKS + 1, len(self._pieces))
        for number in range(first // PIECE_BLOCKS, last):
            self._pieces[number] = _WRITTEN
            if self._look is not None and self._look[0] == number:
                self._look = None  # it may have read this from memory, and not from the medium

    def flushing(self) -> None:
        """A flush begins."""
        self._turn((_WRITTEN,), _FLUSHING)

    def flushed(self) -> None:
        """That flush has ended."""
        self._turn((_FLUSHING,), _FLUSHED)

    def all_flushed(self) -> None:
        """A flush after the last write has ended."""
        self._turn((_WRITTEN, _FLUSHING), _FLUSHED)

    # Looking

    def begin(self, have: bytearray) -> None:
        """Have one piece hashed that is on the medium and whole by the bits in `have`, unless one is being hashed."""
        if self._look is not None:
            return
        for number, state in enumerate(self._pieces):
            first, count = self._blocks(number)
            if state == _FLUSHED and _whole(have, first, count):
                self._look = (number, self._ask(first, count))
                return

    def take(self) -> "tuple[int, ...] | None":
        """The blocks that a look found wrong which has ended, else None; one that failed is repeated at the end."""
        if self._look is None or not self._look[1].done:
            return None
        number, ticket = self._look
        self._look = None
        return () if ticket.error is not None else self.judge(number, ticket.value)

    def stop(self) -> None:
        """Drop the look under way."""
        self._look = None

    def unseen(self) -> "Iterator[tuple[int, int, int]]":
        """Number, first block and length of each piece that was not seen; to be hashed and given to `judge`."""
        for number in range(len(self._pieces)):
            if self._pieces[number] != _SEEN:
                first, count = self._blocks(number)
                yield number, first, count

    def judge(self, number: int, digests: bytes) -> "tuple[int, ...]":
        """The blocks of a piece that are not as they should be; none: it is seen."""
        first, count = self._blocks(number)
        if digests == self._leaves[first * HASH_BYTES : (first + count) * HASH_BYTES]:
            self._pieces[number] = _SEEN
            return ()
        return tuple(
            block
            for block in range(first, first + count)
            if digests[(block - first) * HASH_BYTES : (block - first + 1) * HASH_BYTES]
            != self._leaves[block * HASH_BYTES : (block + 1) * HASH_BYTES]
        )

    def _blocks(self, number: int) -> "tuple[int, int]":
        first = number * PIECE_BLOCKS
        return first, min(PIECE_BLOCKS, self._count - first)

    def _turn(self, before: "tuple[int, ...]", after: int) -> None:
        for number, state in enumerate(self._pieces):
            if state in before:
                self._pieces[number] = after


def _whole(have: bytearray, first: int, count: int) -> bool:
    """Whether the bits of all blocks of a piece are set; pieces begin at a byte."""
    end = first + count
    if any(have[byte] != 0xFF for byte in range(first // 8, end // 8)):
        return False
    return not end % 8 or have[end // 8] == (1 << end % 8) - 1
