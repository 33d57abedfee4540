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
GIVE_UP_S = 300.0
UNKEPT = "boot_record_unkept"
"""A problem of the desk: the boot record could not be read or written the last time."""
_QUIET = "quiet"


class Trial:
    """Arms, watches, commits and rolls back, for an update that `shell` keeps the state of."""

    def __init__(self, desk: "Desk", health: "Health", shell: "Shell") -> None:
        self._desk = desk
        self._health = health
        self._shell = shell
        self._failing_since: "float | None" = None  # to write the boot record

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
        booted = self._desk.ports.boot.booted_slot()
        if self._shell.state.phase in update.BOOT_PHASES:
            self._write(slots.seen_healthy)  # a trial is being prepared or undone: leave it alone
        else:
            # Also where the committed slot gave way to this one: this one is the one to keep.
            self._write(lambda record: slots.settle(record, booted))
        self._desk.at(_QUIET, self._desk.now + QUIET_S, self._quiet)

    def _quiet(self) -> None:
        try:
            self._write(slots.quiet)
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

    def lasting(self) -> bool:
        """Whether the boot record takes nothing for so long that the update under way comes to nothing by waiting."""
        return self._failing_since is not None and self._desk.now >= self._failing_since + GIVE_UP_S

    def raise_index(self, epoch: int) -> None:
        """Raise the rollback index.

        Raises:
            BadMedium: the boot record has not taken it for too long.
            Unavailable: it fails.
        """
        rollback = self._desk.ports.rollback
        try:
            rollback.raise_to(epoch)
        except Unavailable as error:
            if rollback.read() < epoch:
                raise  # the copy in the storage comes first
            self._desk.problem(UNKEPT)
            self._failed()
            if self.lasting():
                raise self._given_up(error) from error
            raise

    def _write(self, change: "Callable[[BootRecord], BootRecord]") -> None:
        """Have the boot record be as `change` makes it; written only where it is not so already.

        Raises:
            Unavailable: it cannot be read or written.
        """
        boot = self._desk.ports.boot
        try:
            record = boot.read()
            if change(record) == record:
                return
            boot.write(change(record))
        except Unavailable:
            self._desk.problem(UNKEPT)
            raise
        self._desk.solved(UNKEPT)

    def _must(self, change: "Callable[[BootRecord], BootRecord]") -> None:
        """`_write` for the update under way, which cannot go on without."""
        try:
            self._write(change)
        except Unavailable:
            self._failed()
            raise
        self._failing_since = None

    def _failed(self) -> None:
        if self._failing_since is None:
            self._failing_since = self._desk.now

    def _given_up(self, error: Unavailable) -> BadMedium:
        self._failing_since = None
        return BadMedium("the boot record: " + error.detail)

    def _hand_over(self, change: "Callable[[BootRecord], BootRecord]") -> None:
        """Tell the boot loader what to start next.

        Raises:
            BadMedium: that has failed for too long, and is not what the boot loader will read.
            Unavailable: it fails.
        """
        try:
            self._must(change)
        except Unavailable as error:
            if not self.lasting():
                raise
            record = self._desk.ports.boot.read()
            if change(record) != record:
                raise self._given_up(error) from error
            self._failing_since = None  # written, whatever the medium has said

    def _switch_over(self) -> None:
        recovery = slots.other(self._shell.state.slot)
        self._hand_over(lambda record: slots.switch_over(record, recovery))
        self._shell.go("complete")

    def _arm(self) -> None:
        slot = self._shell.state.slot

        def armed(record: "BootRecord") -> "BootRecord":
            if record.active == slot:
                # The committed slot did not boot and the boot loader took this one: this one is the one to keep.
                record = slots.commit(record, slots.other(slot))
            return slots.arm(record, slot)

        self._hand_over(armed)
        self._shell.go("complete", cause="", unhealthy=0, server_seen=self._health.server_reached())

    def _restart(self) -> None:
        """Never unannounced: where the boot record cannot be written, a restart after the other would lead nowhere."""
        self._must(slots.announce)
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
        self._must(lambda record: slots.commit(record, self._shell.state.slot))
        self._shell.go("complete")

    def _record_failure(self) -> None:
        booted = self._desk.ports.boot.booted_slot()
        self._must(lambda record: slots.fail(record, booted))
        self._shell.go("complete")

    def _settle_record(self) -> None:
        slot = self._shell.state.slot
        try:
            self._must(lambda record: slots.roll_back(record) if record.trial == slot else record)
        except Unavailable:
            if not self.lasting():
                raise
            self._failing_since = None  # the report does not wait for ever; a healthy boot settles the record as well

    def _remember_failure(self) -> None:
        state = self._shell.state
        version = str(state.release["version"]) if state.release is not None else ""
        if version and version not in state.failed:
            self._shell.save(failed=(state.failed + (version,))[-update.MAX_REMEMBERED_FAILURES :])
