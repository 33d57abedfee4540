"""The boot loader: agent/boot/boot.cmd as a pure function, and the boot record on the world's disk.

`boot_pass` is the whole decision; tests/scenario compares it with the script itself, run by a small interpreter.
"""

from agent.core.slots import RECORDED_FAILURES, SILENT_ENDS, other, trial_due
from agent.formats import boot_record
from agent.formats.boot_record import FRESH, NO_TRIAL, RECORD_BYTES, BootRecord
from agent.formats.errors import Unavailable
from agent.formats.value import Value
from firmware_sim.world.disk import StrictBlockDevice
from firmware_sim.world.store import MemoryStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from agent.ports.boot import BootControl

ROLLBACK_COPY = "trust/rollback_index"
SILENT, TRIAL, COMMITTED = "silent", "trial", "committed"
"""How the last boot ended, by the word in memory: the power went; or the power stayed, and this was running."""


class Save(Value):
    """The boot loader writes this record over copy 0 or 1; it is told whether that worked."""

    FIELDS = ("copy", "record")
    copy: int
    record: BootRecord


class Start(Value):
    """The boot loader starts this slot, and does not come back."""

    FIELDS = ("slot", "on_trial")
    slot: str
    on_trial: bool


def boot_pass(
    first: bytes, second: bytes, accepts: "Callable[[str, int], bool]", ended: str = SILENT
) -> "Generator[Save | Start, bool | None, None]":
    """Everything from reset to a started system, or to the next reset where it ends without a `Start`.

    Args:
        first: copy 0 of the boot record, 512 bytes.
        second: copy 1.
        accepts: whether the slot's system verifies and is not below the rollback index: (slot, index) -> bool.
        ended: SILENT, TRIAL or COMMITTED.
    """
    found, copy = boot_record.newer(first, second)
    record = counted(FRESH if found is None else found, ended)
    if trial_due(record):
        record = _next(record, left=record.left - 1)
        saved = yield Save(copy, record)
        if saved:
            if accepts(record.trial, record.rollback_index):
                yield Start(record.trial, True)
                return
            yield Save(1 - copy, _next(record, trial=NO_TRIAL, left=0, fails=0))
            return
    if record.resets >= RECORDED_FAILURES:
        record = record.replace(active=other(record.active), gave="r", tries=0, resets=0)
    elif record.tries >= SILENT_ENDS:
        record = record.replace(active=other(record.active), gave="s", tries=0, resets=0)
    record = _next(record, tries=record.tries + 1)
    yield Save(copy, record)
    for slot in (record.active, other(record.active)):
        if accepts(slot, record.rollback_index):
            yield Start(slot, False)
            return


def counted(record: BootRecord, ended: str) -> BootRecord:
    """The record with the end of the last boot counted: a boot counts as silent until here it turns out otherwise."""
    fails, resets = min(record.fails, RECORDED_FAILURES), min(record.resets, RECORDED_FAILURES)
    left, tries, unannounced = record.left, record.tries, 1 - record.said
    if ended == TRIAL and record.trial == NO_TRIAL:
        ended = COMMITTED  # in the boot that ended
    if ended == TRIAL:
        left = min(left + 1, SILENT_ENDS)
        fails = min(fails + unannounced, RECORDED_FAILURES)
    elif ended == COMMITTED:
        tries = max(tries - 1, 0)
        resets = min(resets + unannounced, RECORDED_FAILURES)
    return record.replace(left=left, fails=fails, tries=tries, resets=resets, said=0)


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

    def copies(self) -> "tuple[bytes, bytes]":
        """Both sectors; empty where one cannot be read, which is then as good as damaged."""
        first, second = self._offsets
        return self._copy(first), self._copy(second)

    def _copy(self, offset_bytes: int) -> bytes:
        try:
            return self._device.read(offset_bytes, RECORD_BYTES)
        except Unavailable:
            return b""

    def load(self) -> "tuple[BootRecord | None, int]":
        """The record that counts, or None, and the index of the copy to write next."""
        first, second = self.copies()
        return boot_record.newer(first, second)

    def save(self, copy: int, record: BootRecord) -> None:
        """Write `record` as it is over one copy; durable when it returns.

        Raises:
            Unavailable: the medium fails.
        """
        self._device.write(self._offsets[copy], boot_record.encode(record))
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
            Unavailable: both copies are damaged, or cannot be read.
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
        old, copy = self._sectors.load()
        self._sectors.save(copy, record.replace(generation=(old.generation if old else 0) + 1))

    def reboot(self) -> None:
        """Ask the world for a restart."""
        self._restart()


class UnsafeWorldRollbackStore:
    """Implements the port RollbackStore: in the boot record, and in a copy that outlives damage to both records.

    Anybody with the disk in hand can rewrite either.
    """

    def __init__(self, control: "BootControl", store: MemoryStore) -> None:
        self._control = control
        self._store = store

    def read(self) -> int:
        """The index: the higher of both.

        Raises:
            Unavailable: the boot record or the store cannot be read.
        """
        return max(self._control.read().rollback_index, self._copy())

    def raise_to(self, epoch: int) -> None:
        """Raise it in both places, the copy first; durable.

        Raises:
            Unavailable: the medium fails.
        """
        if epoch > self._copy():
            self._store.write(ROLLBACK_COPY, str(epoch).encode())
        record = self._control.read()
        if epoch > record.rollback_index:
            self._control.write(record.replace(rollback_index=epoch))

    def protection(self) -> str:
        """Nothing protects it."""
        return "none"

    def _copy(self) -> int:
        return int(self._store.read(ROLLBACK_COPY) or b"0")
