"""The harness watchdog: whatever a test forgets, its machine ends. It is not the guest's own, which resets a camera."""

import subprocess
import threading

WATCHDOG_S = 1800.0
"""No test or demo needs one machine for longer; `None` is for people at a console."""


class Watchdog:
    """Kills the machine's process, of whichever power-on, some time after the first one.

    Attributes:
        seconds: from the first power-on; None for never.
        fired: whether it has killed.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.fired = False
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def guard(self, process: subprocess.Popen[bytes]) -> None:
        """This is the process now; the first one starts the clock."""
        self._process = process
        if self._timer is None and self.seconds is not None:
            self._timer = threading.Timer(self.seconds, self._bite)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """Stop the clock. Safe to repeat."""
        if self._timer is not None:
            self._timer.cancel()

    def _bite(self) -> None:
        self.fired = True
        if self._process is not None:
            self._process.kill()
