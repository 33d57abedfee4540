"""The power supply, and the one counter of operations that leave something durable.

Every write, flush, document write and delete in the world asks `Power.operation` first. A test runs a scenario once to
learn how many operations it has, then once for every index, with the power failing during exactly that operation.
"""

from firmware_sim.world.chance import Chance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LOST = "lost"  # nothing of what was not yet durable survives the cut
KEPT = "kept"  # all of it survives, the operation itself included
TORN = "torn"  # each sector, each document survives or not as the seed decides
OUTCOMES = (LOST, KEPT, TORN)
ERASED = "erased"  # as `LOST`, and each erase block that was being written is blank, whatever else it held
SPLIT = "split"  # as `LOST`, and each sector that was being written is new to some byte and old behind it
FADED = "faded"  # as `LOST`, and each sector that was being written cannot be read until it is written again
DISK_OUTCOMES = OUTCOMES + (ERASED, SPLIT, FADED)
_ERASED_OF = 4  # of the erase blocks that a `TORN` cut hits, one in so many is blank
_SPLITS = 9  # new are 1, 2, 4 ... 256 bytes: a boot record is some 80 bytes long, other things fill their sector


class PowerCut(BaseException):
    """The power is gone. No Exception, so that nothing on the camera can catch it."""


class Misuse(Exception):
    """The agent did what no correct agent does (it wrote outside its window, say): our own bug."""


class Power:
    """Counts operations; cuts the power during the one that was chosen.

    Attributes:
        count: operations begun since the world was made.
        trace: what they were, in order, for tests that must know what they cut.
    """

    def __init__(self, seed: int = 0) -> None:
        self.count = 0
        self.trace: list[str] = []
        self.chance = Chance(seed)
        self._cut_at: int | None = None
        self._outcome = LOST
        self._off = False
        self._handles: list[Callable[[], None]] = []

    def settles(self, settle: "Callable[[], None]") -> None:
        """Register what decides, at the cut, which volatile bytes of one open handle survive."""
        self._handles.append(settle)

    def cut_at(self, index: "int | None", outcome: str = LOST) -> None:
        """Cut the power during the operation with this index (as `count` was before it); None: never."""
        if outcome not in DISK_OUTCOMES:
            raise ValueError(outcome)
        self._cut_at = index
        self._outcome = outcome

    def operation(self, what: str) -> bool:
        """Announce a durable operation.

        Returns:
            True when the power fails during it: the caller settles what survives (`survives`) and calls `fail`.

        Raises:
            PowerCut: the power is off already.
        """
        if self._off:
            raise PowerCut("the power is off")
        index = self.count
        self.count += 1
        self.trace.append(what)
        return index == self._cut_at

    def survives(self) -> bool:
        """Whether one thing that was not durable yet (a sector, a document) survives this cut."""
        if self._outcome == TORN:
            return self.chance.below(2) == 1
        return self._outcome == KEPT

    def erases(self) -> bool:
        """Whether one erase block that was being written is blank after this cut."""
        if self._outcome == TORN:
            return self.chance.below(_ERASED_OF) == 0
        return self._outcome == ERASED

    def split_bytes(self) -> int:
        """How many bytes at the beginning of one sector that does not survive are new after this cut; 0 for none."""
        return 1 << self.chance.below(_SPLITS) if self._outcome == SPLIT else 0

    def fades(self) -> bool:
        """Whether a sector that was being written cannot be read after this cut."""
        return self._outcome == FADED

    def fail(self) -> "PowerCut":
        """Switch off and settle what survives of every open handle; the caller raises what this returns."""
        self._switch_off()
        self._cut_at = None
        return PowerCut("cut during operation " + str(self.count - 1) + ": " + self.trace[-1])

    def unplug(self, outcome: str = LOST) -> None:
        """Cut the power between two operations."""
        self._outcome = outcome
        if not self._off:
            self._switch_off()

    def restore(self) -> None:
        """Switch on again. A cut planned meanwhile stays planned: the boot loader may be cut as well."""
        self._off = False
        self._handles = []

    def _switch_off(self) -> None:
        self._off = True
        for settle in self._handles:
            settle()
        self._handles = []

    def is_off(self) -> bool:
        """Whether the power is off."""
        return self._off
