"""The harness's watchdog: resets a guest whose heartbeat on the console stops.

It stands in for a hardware watchdog, which the emulated board lacks: the kernel of the image has no driver for any that
QEMU's `virt` can have. softdog lives in the guest's kernel and dies with it; this does not.
"""

import threading
import time
from types import TracebackType
from typing import Protocol, Self

from firmware_sim.qemu.console import Console
from firmware_sim.qemu.errors import MachineError

HEARTBEAT = "camward-heartbeat"
MARGIN_S = 60.0
"""As long as softdog waits: a guest that is emulated beside others may be slow."""
LOOK_EVERY_S = 0.2


class Resettable(Protocol):
    """What is watched: a Machine."""

    console: Console

    def reset(self) -> None:
        """Press the reset button."""


class Heartbeat:
    """Watches while inside. Like a hardware watchdog it is armed by the first beat, and again after each reset.

    Attributes:
        resets: how often it has reset the machine.
    """

    def __init__(self, machine: Resettable, marker: str = HEARTBEAT, margin_s: float = MARGIN_S) -> None:
        """`marker`: a text that the guest prints over and over; `margin_s`: how long it may be absent."""
        self._machine = machine
        self._marker = marker
        self._margin_s = margin_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)
        self.resets = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        beats, seen_at, armed = self._beats(), time.monotonic(), False
        while not self._ended.wait(LOOK_EVERY_S):
            now, found = time.monotonic(), self._beats()
            if found != beats:
                beats, seen_at, armed = found, now, True
            elif armed and now - seen_at > self._margin_s:
                armed = False
                try:
                    self._machine.reset()
                except MachineError:
                    continue  # it is off: nothing hangs
                self.resets += 1

    def _beats(self) -> int:
        """Of what the console keeps; it may fall when old text is dropped, which is a change as well."""
        return self._machine.console.text().count(self._marker)
