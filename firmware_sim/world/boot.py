"""The boot loader: agent/boot/boot.cmd as a pure function, and the boot record on the world's disk.

`plan` is the whole decision; tests/scenario compares it with the script itself, run by a small interpreter.
"""

from agent.formats import boot_record
from agent.formats.boot_record import COUNT_MAX, NO_TRIAL, RECORD_BYTES, BootRecord
from agent.formats.errors import Unavailable
from agent.formats.value import Value
from firmware_sim.world.disk import StrictBlockDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FRESH = BootRecord(0, "a", NO_TRIAL, 0, 0, 0)
"""What the boot script takes where both copies are damaged."""


class Attempt(Value):
    """What one pass of the boot loader does.

    Fields:
        save: the record to write before anything starts (its generation is one more).
        slots: to start, in this order, until one is accepted.
        on_trial: whether this is a trial boot.
        after: the record to write where none was accepted, before the reset; None: nothing is written.
    """

    FIELDS = ("save", "slots", "on_trial", "after")
    save: BootRecord
    slots: "tuple[str, ...]"
    on_trial: bool
    after: "BootRecord | None"


def other(slot: str) -> str:
    """The other slot."""
    return "b" if slot == "a" else "a"


def plan(record: BootRecord) -> Attempt:
    """What the boot loader does with the record that counts."""
    if record.trial != NO_TRIAL and record.left > 0:
        counted = _next(record, left=record.left - 1)
        return Attempt(counted, (record.trial,), True, _next(counted, left=0))
    return plan_committed(record)


def plan_committed(record: BootRecord) -> Attempt:
    """The same without a trial: also what follows where a trial's count could not be written."""
    if record.tries < COUNT_MAX:
        counted = _next(record, tries=record.tries + 1)
    else:
        counted = _next(record, tries=1, active=other(record.active))
    return Attempt(counted, (counted.active, other(counted.active)), False, None)


def _next(record: BootRecord, **changes: "int | str") -> BootRecord:
    return record.replace(generation=record.generation + 1, **changes)


class RecordSectors:
    """The two copies on the disk, written through a handle of their own.

    Args:
        device: may write both sectors.
        offsets: of the two copies, in bytes.
    """

    def __init__(self, device: StrictBlockDevice, offsets: "tuple[int, int]") -> None:
        self._device = device
        self._offsets = offsets

    def load(self) -> "tuple[BootRecord | None, int]":
        """The record that counts, or None, and the index of the copy to write next.

        Raises:
            Unavailable: the medium fails.
        """
        first, second = (self._device.read(offset, RECORD_BYTES) for offset in self._offsets)
        return boot_record.newer(first, second)

    def save(self, record: BootRecord) -> None:
        """Write `record` as it is over the older copy; durable when it returns.

        Raises:
            Unavailable: the medium fails.
        """
        _, index = self.load()
        self._device.write(self._offsets[index], boot_record.encode(record))
        self._device.flush()


class WorldBootControl:
    """Implements the port BootControl on the record's sectors.

    Args:
        sectors: where the record is.
        slot: the one that was booted.
        restart: called by `reboot`.
    """

    def __init__(self, sectors: RecordSectors, slot: str, restart: "Callable[[], None]") -> None:
        self._sectors = sectors
        self._slot = slot
        self._restart = restart

    def booted_slot(self) -> str:
        """The booted slot."""
        return self._slot

    def read(self) -> BootRecord:
        """The record that counts.

        Raises:
            Unavailable: both copies are damaged, or the medium fails.
        """
        record, _ = self._sectors.load()
        if record is None:
            raise Unavailable("both copies of the boot record are damaged")
        return record

    def write(self, record: BootRecord) -> None:
        """Make it the one that counts; old or new after a power cut.

        Raises:
            Unavailable: the medium fails.
        """
        old, _ = self._sectors.load()
        self._sectors.save(record.replace(generation=(old.generation if old else 0) + 1))

    def reboot(self) -> None:
        """Ask the world for a restart."""
        self._restart()


class UnsafeWorldRollbackStore:
    """Implements the port RollbackStore in the boot record, which anybody with the disk in hand can rewrite."""

    def __init__(self, control: WorldBootControl) -> None:
        self._control = control

    def read(self) -> int:
        """The index.

        Raises:
            Unavailable: the boot record cannot be read.
        """
        return self._control.read().rollback_index

    def raise_to(self, epoch: int) -> None:
        """Raise it; durable.

        Raises:
            Unavailable: the medium fails.
        """
        record = self._control.read()
        if epoch > record.rollback_index:
            self._control.write(record.replace(rollback_index=epoch))

    def protection(self) -> str:
        """Nothing protects it."""
        return "none"
