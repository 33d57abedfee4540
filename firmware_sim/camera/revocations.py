"""Which logins a password change has ended, so that streams and sessions opened with the old password stop."""

import threading


class Revocations:
    """Counts password changes by user for everything in this process that outlives one request. Threads may share it.

    Bounded: only users who exist have their password changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: dict[str, int] = {}

    def mark(self, user: str) -> int:
        """A number to remember at login; it differs once the user's password has been changed.

        Raises:
            Nothing: an unknown user has no changes.
        """
        with self._lock:
            return self._changes.get(user, 0)

    def revoke(self, user: str) -> None:
        """This user's password was changed: what was opened before is over.

        Raises:
            Nothing: only a number is kept.
        """
        with self._lock:
            self._changes[user] = self._changes.get(user, 0) + 1
