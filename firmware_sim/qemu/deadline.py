"""Deadlines as objects: a wait is given the moment it must end, so that nested waits share one budget."""

import time
from collections.abc import Callable

from firmware_sim.qemu.errors import MachineError

POLL_S = 0.1
"""Pause between two looks at a condition that cannot wake us by itself."""


class Deadline:
    """A moment on the monotonic clock after which nobody waits any more."""

    def __init__(self, after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the deadline.

        Args:
            after_s: seconds from now; zero or less has expired already.
            clock: monotonic seconds.
        """
        self._clock = clock
        self._end_s = clock() + after_s
        self.after_s = after_s

    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end_s - self._clock())

    def expired(self) -> bool:
        """Say whether the moment has passed."""
        return self.remaining_s() <= 0.0

    def within(self, after_s: float) -> "Deadline":
        """Return a deadline at most `after_s` from now and never later than this one."""
        return Deadline(min(after_s, self.remaining_s()), self._clock)

    def require(self, what: str) -> float:
        """Return the seconds left.

        Raises:
            MachineError: code `deadline` once the moment has passed; `what` names what was waited for.
        """
        left_s = self.remaining_s()
        if left_s <= 0.0:
            raise MachineError("deadline", f"waited {self.after_s:.0f} s in vain for {what}")
        return left_s


def wait_until(condition: Callable[[], bool], deadline: Deadline, what: str, poll_s: float = POLL_S) -> None:
    """Look at `condition` until it holds.

    Args:
        condition: cheap and free of side effects; looked at once more than the deadline allows, never less than once.
        deadline: when to give up.
        what: what is waited for, for the message.
        poll_s: pause between two looks.

    Raises:
        MachineError: code `deadline`.
    """
    while not condition():
        time.sleep(min(poll_s, deadline.require(what)))
