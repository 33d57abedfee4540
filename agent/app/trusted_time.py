"""The time by which expiry is judged: the wall clock, but never before the persisted time floor (agent.core.clock)."""

from agent.core import clock
from agent.formats.errors import FormatError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.desk import Desk

FLOOR = "clock/floor.json"


class TrustedTime:
    """Holds the floor; the build time is its first value."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._floor_at = desk.config.build_time
        body = desk.ports.store.read(FLOOR)
        if body is not None:
            try:
                self._floor_at = clock.parse(body, desk.config.build_time)
            except FormatError:
                pass  # the build time is still true
        self._saved_at = self._floor_at

    def now_s(self) -> int:
        """Unix seconds."""
        return clock.effective_now(self._desk.ports.clock.wall_s(), self._floor_at)

    def vouched(self, at: int) -> None:
        """The director (or another proof) has signed that it is at least `at`."""
        self._floor_at = clock.raised(self._floor_at, at)
        if clock.worth_saving(self._saved_at, self._floor_at):
            try:
                self._desk.ports.store.write(FLOOR, clock.encode(self._floor_at))
                self._saved_at = self._floor_at
            except Unavailable:
                pass  # tried again with the next proof
