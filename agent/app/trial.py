"""The trial of a new system: handed over to the boot loader, watched after the restart, committed or rolled back.

These are actions of the table of agent.core.update; agent.app.updating runs them and keeps the state.
"""

from agent.core import slots, update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from agent.app.desk import Desk
    from agent.app.health import Health
    from agent.app.update_state import State
    from agent.formats.errors import CamwardError

    class Shell(Protocol):
        """What a trial needs of agent.app.updating: the saved state, and the way to change it."""

        state: State

        def go(self, event: str, error: "CamwardError | None" = None, **changes: Any) -> None:
            """Follow the edge of the table: save, then run the actions."""

        def save(self, **changes: Any) -> None:
            """Save changes of the state that lead to no other phase."""


class Trial:
    """Arms, watches, commits and rolls back, for an update that `shell` keeps the state of."""

    def __init__(self, desk: "Desk", health: "Health", shell: "Shell") -> None:
        self._desk = desk
        self._health = health
        self._shell = shell

    def actions(self) -> "dict[str, Callable[[], None]]":
        """The actions of the table that belong to a trial, by name."""
        return {
            "arm": self._arm,
            "restart": self._restart,
            "watch_health": self._watch_health,
            "commit": self._commit,
            "roll_back": self._roll_back,
            "settle_record": self._settle_record,
            "remember_failure": self._remember_failure,
        }

    def _arm(self) -> None:
        boot, slot = self._desk.ports.boot, self._shell.state.slot
        record = boot.read()
        if record.active == slot:
            # The committed slot did not boot and the boot loader took this one: this one is the one to keep.
            record = slots.commit(record, slots.other(slot))
        boot.write(slots.arm(record, slot))
        self._shell.go("complete")

    def _restart(self) -> None:
        self._desk.reboot("update: " + self._shell.state.phase)

    def _watch_health(self) -> None:
        self._health.watch(self._desk.config.health_deadline_s, self._judged)

    def _judged(self, healthy: bool, detail: str) -> None:
        if self._shell.state.phase == update.TRIAL:
            if healthy:
                self._shell.go("healthy")
            else:
                self._shell.go("unhealthy", cause=detail)

    def _commit(self) -> None:
        boot = self._desk.ports.boot
        boot.write(slots.commit(boot.read(), self._shell.state.slot))
        self._shell.go("complete")

    def _roll_back(self) -> None:
        boot = self._desk.ports.boot
        boot.write(slots.roll_back(boot.read()))
        self._shell.go("complete")

    def _settle_record(self) -> None:
        boot = self._desk.ports.boot
        record = boot.read()
        if record.trial == self._shell.state.slot:
            boot.write(slots.roll_back(record))

    def _remember_failure(self) -> None:
        state = self._shell.state
        version = str(state.release["version"]) if state.release is not None else ""
        if version and version not in state.failed:
            self._shell.save(failed=(state.failed + (version,))[-update.MAX_REMEMBERED_FAILURES :])
