"""The trial of a new system: handed over to the boot loader, watched after the restart, committed or rolled back.

Most of this are actions of the table of agent.core.update; agent.app.updating runs them and keeps the state. The rest
is what an ordinary boot makes of the boot record once it is healthy. What counts against a system is said in
agent.core.slots; the boot script counts.
"""

from agent.app.medium import BadMedium
from agent.core import slots, update
from agent.formats.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from agent.app.desk import Desk
    from agent.app.health import Health
    from agent.app.update_state import State
    from agent.formats.boot_record import BootRecord
    from agent.formats.errors import CamwardError

    class Shell(Protocol):
        """What a trial needs of agent.app.updating: the saved state, and the way to change it."""

        state: State

        def go(self, event: str, error: "CamwardError | None" = None, **changes: Any) -> None:
            """Follow the edge of the table: save, then run the actions."""

        def save(self, **changes: Any) -> None:
            """Save changes of the state that lead to no other phase."""

        def report_gave_way(self, version: str, cause: str) -> None:
            """Tell that a committed version does not run any more."""


QUIET_S = 6 * 3600.0
"""Without a reset for so long, those before are forgotten. A camera that lives on sunlight runs longer than this in
winter; a fault that comes back usually needs less."""
MAX_FAILURES = 5  # a minute or more, by the waits of agent.app.updating
UNKEPT = "boot_record_unkept"
"""A problem of the desk: the boot record could not be written."""
_QUIET = "quiet"


class Trial:
    """Arms, watches, commits and rolls back, for an update that `shell` keeps the state of."""

    def __init__(self, desk: "Desk", health: "Health", shell: "Shell") -> None:
        self._desk = desk
        self._health = health
        self._shell = shell
        self._failures = 0  # to write the boot record, in a row

    def actions(self) -> "dict[str, Callable[[], None]]":
        """The actions of the table that belong to a trial, by name."""
        return {
            "switch_over": self._switch_over,
            "arm": self._arm,
            "restart": self._restart,
            "watch_health": self._watch_health,
            "commit": self._commit,
            "record_failure": self._record_failure,
            "settle_record": self._settle_record,
            "remember_failure": self._remember_failure,
        }

    def cause(self, record: "BootRecord") -> str:
        """Why a trial that was not committed has ended, by what was recorded."""
        state = self._shell.state
        return slots.why_ended(record, state.slot, state.unhealthy, state.cause)

    def seen_healthy(self) -> None:
        """An ordinary boot has come up: settle the boot record, and from now on wait for a long quiet time.

        Raises:
            Unavailable: the boot record or the store fails.
        """
        boot = self._desk.ports.boot
        record, booted = boot.read(), boot.booted_slot()
        if self._shell.state.phase in update.BOOT_PHASES:
            settled = slots.seen_healthy(record)  # a trial is being prepared or undone: leave it alone
        else:
            # Also where the committed slot gave way to this one: this one is the one to keep.
            settled = slots.settle(record, booted)
        if settled != record:
            self.write_record(lambda: boot.write(settled))
        self._desk.at(_QUIET, self._desk.now + QUIET_S, self._quiet)

    def _quiet(self) -> None:
        boot = self._desk.ports.boot
        try:
            record = boot.read()
            if slots.quiet(record) != record:
                self.write_record(lambda: boot.write(slots.quiet(record)))
        except Unavailable:
            self._desk.at(_QUIET, self._desk.now + QUIET_S, self._quiet)

    def tell_what_gave_way(self, record: "BootRecord", booted: str) -> None:
        """Report it if this system runs in place of the committed one; before anything is installed again.

        A version that gave way once because of resets is installed again: its slot may have been damaged. Twice, it
        has failed. Silent ends and damage say nothing about a version.

        Raises:
            Unavailable: the store fails.
        """
        state, running = self._shell.state, self._desk.config.version
        cause = slots.why_gave_way(record, booted)
        if not cause or state.committed in ("", running):
            return
        version = state.committed
        self._shell.report_gave_way(version, cause)
        failed, once = state.failed, tuple(one for one in state.gave_way if one != version)
        if record.gave != "r":
            once = state.gave_way
        elif version not in state.gave_way:
            once = (once + (version,))[-update.MAX_REMEMBERED_FAILURES :]
        elif version not in failed:
            failed = (failed + (version,))[-update.MAX_REMEMBERED_FAILURES :]
        self._shell.save(committed=running, gave_way=once, failed=failed)

    def write_record(self, write: "Callable[[], None]") -> None:
        """Call what writes the boot record.

        Raises:
            BadMedium: it has failed several times in a row, and the update under way comes to nothing without it.
            Unavailable: it fails.
        """
        try:
            write()
        except Unavailable as error:
            self._desk.problem(UNKEPT)
            self._failures += 1
            if self._failures >= MAX_FAILURES and self._shell.state.phase in update.REFUSABLE:
                self._failures = 0
                raise BadMedium("the boot record: " + error.detail) from error
            raise
        self._failures = 0

    def _switch_over(self) -> None:
        boot, recovery = self._desk.ports.boot, slots.other(self._shell.state.slot)
        record = boot.read()
        switched = slots.switch_over(record, recovery)
        if switched != record:
            self.write_record(lambda: boot.write(switched))
        self._shell.go("complete")

    def _arm(self) -> None:
        boot, slot = self._desk.ports.boot, self._shell.state.slot
        record = boot.read()
        if record.active == slot:
            # The committed slot did not boot and the boot loader took this one: this one is the one to keep.
            record = slots.commit(record, slots.other(slot))
        armed = slots.arm(record, slot)
        self.write_record(lambda: boot.write(armed))
        self._shell.go("complete", cause="", unhealthy=0, server_seen=self._health.server_reached())

    def _restart(self) -> None:
        """Never unannounced: where the boot record cannot be written, a restart after the other would lead nowhere."""
        boot = self._desk.ports.boot
        record = boot.read()
        if slots.announce(record) != record:
            boot.write(slots.announce(record))
        self._desk.reboot("update: " + self._shell.state.phase)

    def _watch_health(self) -> None:
        self._health.watch(self._judged, self._shell.state.server_seen)

    def _judged(self, healthy: bool, detail: str) -> None:
        if self._shell.state.phase == update.TRIAL:
            if healthy:
                self._shell.go("healthy")
            else:
                self._shell.go("unhealthy", cause=detail, unhealthy=self._shell.state.unhealthy + 1)

    def _commit(self) -> None:
        boot = self._desk.ports.boot
        committed = slots.commit(boot.read(), self._shell.state.slot)
        self.write_record(lambda: boot.write(committed))
        self._shell.go("complete")

    def _record_failure(self) -> None:
        boot = self._desk.ports.boot
        record = boot.read()
        failed = slots.fail(record, boot.booted_slot())
        if failed != record:
            self.write_record(lambda: boot.write(failed))
        self._shell.go("complete")

    def _settle_record(self) -> None:
        boot = self._desk.ports.boot
        record = boot.read()
        if record.trial == self._shell.state.slot:
            self.write_record(lambda: boot.write(slots.roll_back(record)))

    def _remember_failure(self) -> None:
        state = self._shell.state
        version = str(state.release["version"]) if state.release is not None else ""
        if version and version not in state.failed:
            self._shell.save(failed=(state.failed + (version,))[-update.MAX_REMEMBERED_FAILURES :])
