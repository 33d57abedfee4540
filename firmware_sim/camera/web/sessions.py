"""Signed-in browsers: random identifiers in this process's memory alone, bounded in number and in time."""

import threading
from collections.abc import Callable
from typing import NamedTuple

MAX_SESSIONS = 32
"""A camera has a handful of people; the session idle for longest makes room."""

LIVES_FOR_S = 600.0
"""As long as the agent's grant, with which everything but the picture is asked for."""

IDENTIFIER_BYTES = 32
"""256 random bits: not to be guessed."""


class Session(NamedTuple):
    """One signed-in browser.

    Attributes:
        identifier: cookie value.
        user: name as signed in.
        role: administrator, operator or viewer.
        grant: what the agent wants to see with privileged operations.
        generation: what the agent tells logins apart by that a change of the password ends.
    """

    identifier: str
    user: str
    role: str
    grant: str
    generation: str


class Sessions:
    """The table of sessions; threads may share it. Time and randomness are arguments."""

    def __init__(self, clock: Callable[[], float], random_text: Callable[[int], str]) -> None:
        self._clock = clock
        self._random_text = random_text
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[Session, float, float]] = {}

    def open(self, user: str, role: str, grant: str, generation: str) -> Session:
        """A new session; the one idle for longest ends when the table is full.

        Raises:
            Nothing: there is always room for the newest.
        """
        session = Session(self._random_text(IDENTIFIER_BYTES), user, role, grant, generation)
        now = self._clock()
        with self._lock:
            self._sweep(now)
            if len(self._sessions) >= MAX_SESSIONS:
                del self._sessions[min(self._sessions, key=lambda name: self._sessions[name][1])]
            self._sessions[session.identifier] = (session, now, now)
        return session

    def find(self, identifier: str) -> Session | None:
        """The live session of a cookie, which thereby makes room for others last.

        Raises:
            Nothing: a stranger's cookie finds nothing.
        """
        now = self._clock()
        with self._lock:
            self._sweep(now)
            entry = self._sessions.get(identifier)
            if entry is None:
                return None
            self._sessions[identifier] = (entry[0], now, entry[2])
            return entry[0]

    def close(self, identifier: str) -> None:
        """End a session, if it lives.

        Raises:
            Nothing: ending twice is ending.
        """
        with self._lock:
            self._sessions.pop(identifier, None)

    def _sweep(self, now: float) -> None:
        over = [name for name, (_, _, opened_at) in self._sessions.items() if now - opened_at > LIVES_FOR_S]
        for name in over:
            del self._sessions[name]
