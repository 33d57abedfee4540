"""Which logins are over, so that streams and sessions stop: by a change of the password, or an order to change it."""

import threading


class Revocations:
    """Counts password changes by user for everything in this process that outlives one request. Threads may share it.

    Bounded: only users who exist have their password changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: dict[str, int] = {}
        self._turned_out = 0
        self._times = 0

    def mark(self, user: str) -> int:
        """A number to remember at login; it differs once the user's password has been changed.

        Raises:
            Nothing: an unknown user has no changes.
        """
        with self._lock:
            return self._changes.get(user, 0) + self._times

    def turned_out(self, number: int) -> None:
        """The agent's number of the order that shuts old passwords out: with a new one, every login is asked again.

        Raises:
            Nothing: 0 stands for no such order, and ends nothing.
        """
        with self._lock:
            self._times += number not in (0, self._turned_out)
            self._turned_out = number

    def revoke(self, user: str) -> None:
        """This user's password was changed: what was opened before is over.

        Raises:
            Nothing: only a number is kept.
        """
        with self._lock:
            self._changes[user] = self._changes.get(user, 0) + 1
