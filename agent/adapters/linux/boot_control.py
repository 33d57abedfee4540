"""The boot record in the raw sectors before slot A, and the restart."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from agent.core import slots
from agent.formats import boot_record
from agent.formats.boot_record import BootRecord
from agent.formats.errors import Unavailable
from agent.ports.boot import BootControl
from agent.ports.storage import BlockDevice, Store

_SLOT = re.compile(r"(?:^|\s)camward\.slot=([ab])(?:\s|$)")
ROLLBACK_COPY = "trust/rollback_index"
READS = 3  # of a copy that cannot be read
_RB_AUTOBOOT = 0x01234567  # reboot(2): restart at once, with the default command


class RawBootControl:
    """`agent.ports.boot.BootControl`: two copies at fixed offsets of the disk, shared with the boot loader.

    A sector is written whole or not at all by the media this is for; a torn one fails its CRC, or cannot be read, and
    the other copy counts.
    """

    def __init__(
        self,
        device: BlockDevice,
        offsets: tuple[int, int],
        command_line: Path,
        restart: Callable[[], None],
        erase_bytes: int,
    ) -> None:
        """Use the disk and the byte offsets of both copies; `restart` is called by `reboot` after a sync."""
        self._device = device
        self._erase_bytes = erase_bytes
        self._offsets = offsets
        self._command_line = command_line
        self._restart = restart

    def booted_slot(self) -> str:
        """See `BootControl.booted_slot`.

        Raises:
            Unavailable: the kernel's command line names no slot.
        """
        try:
            found = _SLOT.search(self._command_line.read_text())
        except OSError as error:
            raise Unavailable(f"{self._command_line}: {error.strerror}") from error
        if found is None:
            raise Unavailable("the kernel was not told which slot it runs from")
        return found[1]

    def read(self) -> BootRecord:
        """See `BootControl.read`.

        Raises:
            Unavailable: no copy is valid, or none can be read.
        """
        record, _ = self._newer()
        if record is None:
            raise Unavailable("both copies of the boot record are damaged, or cannot be read")
        return record

    def write(self, record: BootRecord) -> None:
        """See `BootControl.write`; durable when it returns.

        Raises:
            Unavailable: the medium fails, or keeps it not, or no generation is left.
        """
        current, index = self._newer()
        generation = 1 if current is None else current.generation + 1
        if generation > boot_record.NUMBER_MAX:
            raise Unavailable("the boot record has no generation left")
        sector = boot_record.encode(record.replace(generation=generation))
        # The device writes in erase blocks: the rest of the block stays as it is.
        size = max(BLOCK_BYTES, self._erase_bytes)
        at = self._offsets[index] % size
        begin = self._offsets[index] - at
        block = self._block(begin, size)
        block[at : at + boot_record.RECORD_BYTES] = sector
        self._device.write(begin, bytes(block))
        self._device.flush()
        if self._copy(self._offsets[index]) != sector:
            raise Unavailable("the medium does not keep the boot record that was written")

    def reboot(self) -> None:
        """See `BootControl.reboot`.

        Raises:
            Unavailable: the system refuses.
        """
        os.sync()
        self._restart()

    def _newer(self) -> tuple[BootRecord | None, int]:
        first, second = (self._copy(offset) for offset in self._offsets)
        return boot_record.newer(first, second)

    def _block(self, begin: int, size: int) -> bytearray:
        """What lies there; zeros for each 4096 bytes that cannot be read: those of the copy are alone in theirs."""
        try:
            return bytearray(self._device.read(begin, size))
        except Unavailable:
            block = bytearray(size)
        for at in range(0, size, BLOCK_BYTES):
            try:
                block[at : at + BLOCK_BYTES] = self._device.read(begin + at, BLOCK_BYTES)
            except Unavailable:
                pass
        return block

    def _copy(self, offset: int) -> bytes:
        """One copy, as it is; nothing where it cannot be read: the boot script takes the other one then, as well.

        Not at the first failure: the other copy is the older one, and what is written next makes it the newest.
        """
        for _ in range(READS):
            try:
                return self._device.read(offset, boot_record.RECORD_BYTES)
            except Unavailable:
                pass
        return b""


BLOCK_BYTES = 4096
"""Each copy is alone in a block of this size, and in its erase block (agent.core.slots)."""


class UnsafeFileRollbackStore:
    """`agent.ports.boot.RollbackStore` in the boot record, which the boot script enforces, and a copy in the store.

    The copy outlives damage to both boot records. Unsafe: who can write the disk can lower both. What is stopped is old
    software, not an attacker with the disk in hand.
    """

    def __init__(self, boot: BootControl, store: Store) -> None:
        self._boot = boot
        self._store = store

    def read(self) -> int:
        """See `RollbackStore.read`: the higher of both.

        Raises:
            Unavailable: the boot record or the store cannot be read.
        """
        return max(self._boot.read().rollback_index, self._copy())

    def raise_to(self, epoch: int) -> None:
        """See `RollbackStore.raise_to`: both places, the copy first; durable when it returns.

        Raises:
            Unavailable: the medium fails.
        """
        if epoch > self._copy():
            self._store.write(ROLLBACK_COPY, str(epoch).encode())
        record = self._boot.read()
        if epoch > record.rollback_index:
            self._boot.write(slots.raise_index(record, epoch))

    def protection(self) -> str:
        """See `RollbackStore.protection`."""
        return "none"

    def _copy(self) -> int:
        body = self._store.read(ROLLBACK_COPY) or b""
        found = int(body) if body.isdigit() and len(body) <= 10 else 0
        return found if found <= boot_record.NUMBER_MAX else 0  # damaged: the boot record still counts


def restart_machine() -> None:
    """reboot(2).

    Raises:
        Unavailable: the kernel refuses (no CAP_SYS_BOOT).
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.reboot(_RB_AUTOBOOT):
        raise Unavailable(f"the kernel refuses to restart: {os.strerror(ctypes.get_errno())}")
