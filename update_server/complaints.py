"""Lines in the log about what goes wrong again and again."""

import logging
import threading
import time
from collections.abc import Callable

COMPLAIN_S = 60.0  # between two lines of one kind in the log, however often it goes wrong


class Complaints:
    """The first line of each kind at once, then one in a while. The kinds are a few words of ours, never a camera's."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, int]] = {}

    def say(self, kind: str, text: str) -> None:
        """Say `text`, or count it; how many of its `kind` were counted is said with the next one."""
        with self._lock:
            now = self._clock()
            last, more = self._said.get(kind, (float("-inf"), 0))
            if now - last < COMPLAIN_S:
                self._said[kind] = (last, more + 1)
                return
            self._said[kind] = (now, 0)
        self._log.warning("%s%s", text, f" ({more} times more since the last such line)" if more else "")
