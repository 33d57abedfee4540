"""Opens and closes the listener for RTSP in the clear as the agent says: an exception that the owner has opened.

The agent has a login socket for it whose state is `locked` while it is closed (docs/login-socket.md).
"""

import contextlib
import threading
import time
from collections.abc import Callable

from firmware_sim.camera.login import Login, LoginUnavailable, Service, service_state

SERVICE: Service = "rtsp_plain"

SOURCE = "127.0.0.1"
"""The camera itself asks."""

ASK_EVERY_S = 2.0
"""How late it opens, and how late it closes."""

MAX_SILENT = 3
"""A restarting agent does not end the recording; one that stays away does (fail closed)."""


class PlainDoor:
    """Asks again and again, and turns the door."""

    def __init__(self, login: Login, turn: Callable[[bool], None]) -> None:
        self._login = login
        self._turn = turn
        self._silent = MAX_SILENT
        self._open = False

    def start(self) -> None:
        """Begin, on a thread of its own that ends with the process."""
        threading.Thread(target=self._run, name=SERVICE, daemon=True).start()

    def ask(self) -> bool:
        """Whether the door is to be open now.

        Raises:
            Nothing: no answer closes it, after some more questions if it was open.
        """
        try:
            self._open = service_state(self._login, SERVICE, SOURCE) == "claimed"
            self._silent = 0
        except LoginUnavailable:
            self._silent += 1
            self._open = self._open and self._silent < MAX_SILENT
        return self._open

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the doorkeeper has gone, and everything is closed
            while True:
                self._turn(self.ask())
                time.sleep(ASK_EVERY_S)
