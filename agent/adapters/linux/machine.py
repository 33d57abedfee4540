"""Clock and watchdog."""

import contextlib
import os
import time
from pathlib import Path

from agent.formats.errors import Unavailable

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """`agent.ports.machine.Clock`."""

    def wall_s(self) -> int:
        """See `Clock.wall_s`."""
        return int(time.time())

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return time.monotonic()

    def boot_id(self) -> str:
        """See `Clock.boot_id`.

        Raises:
            Unavailable: the kernel does not say.
        """
        try:
            return BOOT_ID.read_text().strip()
        except OSError as error:
            raise Unavailable(f"{BOOT_ID}: {error.strerror}") from error


class DeviceWatchdog:
    """`agent.ports.machine.Watchdog` on a kernel watchdog device."""

    def __init__(self, path: Path) -> None:
        """Open it, which starts it.

        Raises:
            Unavailable: it cannot be opened.
        """
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}") from error

    def feed(self) -> None:
        """See `Watchdog.feed`."""
        with contextlib.suppress(OSError):  # an unfed watchdog resets the machine: that is its answer
            os.write(self._handle, b"\0")

    def close(self) -> None:
        """See `Watchdog.close`; the `V` tells the driver that this is no crash."""
        with contextlib.suppress(OSError):
            os.write(self._handle, b"V")
        os.close(self._handle)


class NoWatchdog:
    """For machines without one; the evidence says so."""

    def feed(self) -> None:
        """Nothing to postpone."""

    def close(self) -> None:
        """Nothing to stop."""
