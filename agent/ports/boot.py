"""What decides which slot boots."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from agent.formats.boot_record import BootRecord
else:
    Protocol = object


class BootControl(Protocol):
    """The boot record shared with the boot loader. What to write is decided by agent.core.slots."""

    def booted_slot(self) -> str:
        """Slot this system runs from, `a` or `b`, as the boot loader told the kernel; constant until the reboot.

        Raises:
            Unavailable: the boot loader said nothing of the sort.
        """
        ...

    def read(self) -> "BootRecord":
        """The newer valid copy; one that cannot be read is none.

        Raises:
            Unavailable: no copy is valid.
        """
        ...

    def write(self, record: "BootRecord") -> None:
        """Make `record` the one that counts; its `gen` field is set by the adapter.

        Durable when it returns. Only the older copy is overwritten, so a power cut during the call leaves the
        old record or the new one.

        Raises:
            Unavailable: the medium fails, or has not kept it; the old record or the new one counts.
        """
        ...

    def reboot(self) -> None:
        """Flush all file systems and restart the machine; returns at once where the restart takes a moment.

        Raises:
            Unavailable: the system refuses.
        """
        ...


class RollbackStore(Protocol):
    """The smallest security epoch that may run on this device; it only ever grows.

    Adapters whose medium an attacker with the device in hand can rewrite have names that begin with `Unsafe`.
    """

    def read(self) -> int:
        """The rollback index.

        Raises:
            Unavailable: the medium fails.
        """
        ...

    def raise_to(self, epoch: int) -> None:
        """Raise the index to `epoch`; a smaller or equal value changes nothing. Durable when it returns.

        Raises:
            Unavailable: the medium fails; the old index still counts.
        """
        ...

    def protection(self) -> str:
        """How the index is protected, for evidence: `none` or the name of the hardware that guards it."""
        ...
