"""Clock and watchdog."""

import contextlib
import os
import time
from pathlib import Path
from typing import Protocol

from agent.adapters.linux.dates import ALWAYS, Dates
from agent.core.clock import LEFT_TO_NTP_S, differs
from agent.formats.errors import Unavailable

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Timekeeping(Protocol):
    """The part of the standard library's `time` that a SystemClock needs."""

    CLOCK_REALTIME: int
    CLOCK_BOOTTIME: int

    def time(self) -> float:
        """Unix seconds."""
        ...

    def clock_gettime(self, clk_id: int, /) -> float:
        """Seconds of a clock."""
        ...

    def clock_settime(self, clk_id: int, time: float, /) -> None:
        """Set a clock.

        Raises:
            OSError: the system refuses.
        """
        ...


class SystemClock:
    """`agent.ports.machine.Clock`, and by which time certificates are judged. Any thread may read it."""

    def __init__(self, built_at: int = 0, system: Timekeeping = time) -> None:
        """`built_at`: the build time of this firmware, which its verified root proves."""
        self._built_at = built_at
        self._floor_at = built_at
        self._system = system
        self._proven: tuple[int, float] | None = None  # wall clock and monotonic clock at one moment

    def wall_s(self) -> int:
        """See `Clock.wall_s`."""
        proven = self._proven
        if proven is None:
            return int(self._system.time())
        return proven[0] + int(self.monotonic_s() - proven[1])

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`. It goes on while the camera is suspended, or what has ended would be taken then."""
        return self._system.clock_gettime(self._system.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        """See `Clock.boot_id`.

        Raises:
            Unavailable: the kernel does not say.
        """
        try:
            return BOOT_ID.read_text().strip()
        except OSError as error:
            raise Unavailable(f"{BOOT_ID}: {error.strerror}") from error

    def set_wall_s(self, at: int) -> None:
        """See `Clock.set_wall_s`.

        Raises:
            Unavailable: the system's clock cannot be set.
        """
        self._proven = at, self.monotonic_s()
        if differs(int(self._system.time()), at):
            self._set_system(at)

    def set_floor_s(self, at: int) -> None:
        """See `Clock.set_floor_s`."""
        self._floor_at = at
        if self._system.time() < at - LEFT_TO_NTP_S:
            with contextlib.suppress(Unavailable):  # what matters to us is judged by the floor anyway
                self._set_system(at)

    def dates(self) -> Dates:
        """How the certificates of the operator's server and broker are judged: by the best that is known."""
        now = max(self.wall_s(), self._floor_at)
        return Dates(now, now)

    def dates_without_clock(self) -> Dates:
        """How they are judged by what must work before the clock is right, and while a thief has moved the floor."""
        return Dates(ALWAYS, self._built_at)

    def _set_system(self, at: int) -> None:
        try:
            self._system.clock_settime(self._system.CLOCK_REALTIME, at)
        except OSError as error:
            raise Unavailable(f"the system's clock: {error.strerror}") from error


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
        self._taken = False

    def feed(self) -> None:
        """See `Watchdog.feed`."""
        try:
            self._taken = os.write(self._handle, b"\0") == 1
        except OSError:
            self._taken = False  # an unfed watchdog resets the machine: that is its answer

    def alive(self) -> bool:
        """See `Watchdog.alive`."""
        return self._taken

    def close(self) -> None:
        """See `Watchdog.close`; the `V` tells the driver that this is no crash."""
        with contextlib.suppress(OSError):
            os.write(self._handle, b"V")
        os.close(self._handle)


class NoWatchdog:
    """For machines without one; the evidence says so."""

    def feed(self) -> None:
        """Nothing to postpone."""

    def alive(self) -> bool:
        """There is none."""
        return False

    def close(self) -> None:
        """Nothing to stop."""
