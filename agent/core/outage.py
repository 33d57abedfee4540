"""What kept the camera from its broker, for the server to learn once it is over.

Pure: the time comes in. How long it lasted is measured by the monotonic clock, so a wall clock that is put right
meanwhile makes no outage longer. In memory: of what was before the agent's start nothing is known.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TOLD_FROM_S = 300.0  # a broker's restart, or a radio cell that is changed, is no news
_ENDS = ("closed", "silent")  # how a session ends; what comes behind says why none begins


class Outage:
    """The one that lasts, if any, and the last one that is over."""

    def __init__(self) -> None:
        self._began: "float | None" = None
        self._trouble = ""
        self._told: "dict[str, Any]" = {}

    def down(self, trouble: str, now: float) -> None:
        """There is no session; `trouble`: a code (docs/login-socket.md), or empty while nothing was tried.

        Of several the last counts that says why no session begins. `now`: monotonic seconds.
        """
        if self._began is None:
            self._began = now
        if trouble and (not self._trouble or trouble not in _ENDS):
            self._trouble = trouble

    def up(self, now: float, at: int) -> None:
        """There is a session; `at` is Unix seconds."""
        began, trouble = self._began, self._trouble
        self._began, self._trouble = None, ""
        if began is not None and trouble and now - began >= TOLD_FROM_S:
            since_at = max(0, at - int(now - began))
            self._told = {"outage": trouble, "outage_since_at": since_at, "outage_until_at": at}

    def facts(self) -> "dict[str, Any]":
        """Members of telemetry (agent.formats.messages) about the last one that is over."""
        return dict(self._told)
