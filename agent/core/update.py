"""The update's state machine: one table, read by the agent, by the tests, and by the diagram in docs/generated.

Pure: it names what is to be done (`actions`), agent.app.updating does it. The law of the shell: the next phase is saved
first, then the actions run, then their outcome comes back as the next event. So every action is repeated when the power
fails between saving and doing, and every action is safe to repeat.

Only five actions change what boots next: `switch_over`, `arm`, `commit`, `record_failure` and `settle_record`. The
machine restarts only in `restart`.
"""

from agent.core import slots
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.boot_record import BootRecord

IDLE = "idle"
CHECKING = "checking"
SWITCHING = "switching"
SWITCHED = "switched"
READING_TREE = "reading_tree"
INSTALLING = "installing"
READING_BACK = "reading_back"
WAITING = "waiting"
ARMING = "arming"
ARMED = "armed"
TRIAL = "trial"
COMMITTING = "committing"
COMMITTED = "committed"
FAILING = "failing"
ROLLED_BACK = "rolled_back"

PHASES = (
    IDLE, CHECKING, SWITCHING, SWITCHED, READING_TREE, INSTALLING, READING_BACK, WAITING, ARMING, ARMED, TRIAL,
    COMMITTING, COMMITTED, FAILING, ROLLED_BACK,
)  # fmt: skip
"""Every phase; the order is that of an update that goes well."""

MAX_DAMAGED_READ_BACKS = 3  # a medium that loses blocks three times in a row will not hold a system either
MAX_REMEMBERED_FAILURES = 8  # more failed versions than a manufacturer withdraws in a row


class Row(Value):
    """One edge: in `phase`, upon `event`, save `then` and run `actions` in order."""

    FIELDS = ("phase", "event", "then", "actions")
    phase: str
    event: str
    then: str
    actions: "tuple[str, ...]"


_REFUSED = ("report_refused", "back_off")
_FAILED = ("remember_failure", "settle_record", "report_rolled_back")


_TREE = ("raise_index", "fetch_tree")

_STEPS = (
    # Looking for work.
    (IDLE, "resumed", IDLE, ("rest",)),
    (IDLE, "unavailable", IDLE, ("rest",)),
    (IDLE, "due", CHECKING, ("ask_repositories",)),
    (CHECKING, "resumed", IDLE, ("rest",)),
    (CHECKING, "nothing", IDLE, ("report_cancelled", "rest")),
    (CHECKING, "known_bad", IDLE, ("rest",)),
    (CHECKING, "not_yet", IDLE, ("wait_to_fetch", "rest")),
    (CHECKING, "unavailable", IDLE, ("back_off",)),
    (CHECKING, "refused", IDLE, _REFUSED),
    # The index rises when the *next* update starts: until then the old slot stays bootable.
    (CHECKING, "assigned", READING_TREE, ("report_started", "raise_index", "fetch_tree")),
    # With one main slot: this system lies where the new one shall; the recovery system writes it.
    (CHECKING, "occupied", SWITCHING, ("report_started", "switch_over")),
    (SWITCHING, "complete", SWITCHED, ("restart",)),
    (SWITCHING, "refused", IDLE, _REFUSED),
    (SWITCHING, "switched", READING_TREE, _TREE),
    (SWITCHED, "switched", READING_TREE, _TREE),
    (SWITCHED, "stayed", ROLLED_BACK, _FAILED),
    # Writing the inactive slot. Should it be the one that has booted, nothing may be written: look for the order again.
    (READING_TREE, "booted_new", IDLE, ("rest",)),
    (INSTALLING, "booted_new", IDLE, ("rest",)),
    (READING_BACK, "booted_new", IDLE, ("rest",)),
    (READING_TREE, "refused", IDLE, _REFUSED),
    (READING_TREE, "complete", INSTALLING, ("write_blocks",)),
    (INSTALLING, "refused", IDLE, _REFUSED),
    (INSTALLING, "complete", READING_BACK, ("read_back",)),
    (READING_BACK, "damaged", INSTALLING, ("write_blocks",)),
    (READING_BACK, "refused", IDLE, _REFUSED),
    (READING_BACK, "complete", WAITING, ("wait",)),
    # The new system is written and verified; the restart waits for its time, and for the order to stand until then.
    (WAITING, "complete", ARMING, ("arm",)),
    (WAITING, "nothing", IDLE, ("report_cancelled", "rest")),
    (WAITING, "known_bad", IDLE, ("report_cancelled", "rest")),
    (WAITING, "refused", IDLE, _REFUSED),
    (WAITING, "assigned", READING_TREE, ("report_started", "raise_index", "fetch_tree")),
    (WAITING, "booted_new", TRIAL, ("watch_health",)),  # the committed slot did not boot: it has come sooner
    # Handing over to the boot loader.
    (ARMING, "complete", ARMED, ("report_installed", "restart")),
    (ARMING, "refused", IDLE, _REFUSED),
    (ARMING, "booted_new", TRIAL, ("watch_health",)),
    (ARMING, "booted_old", ROLLED_BACK, _FAILED),
    (ARMED, "booted_new", TRIAL, ("watch_health",)),
    (ARMED, "booted_old", ROLLED_BACK, _FAILED),
    # The trial boot.
    (TRIAL, "resumed", ARMED, ("restart",)),
    (TRIAL, "booted_new", TRIAL, ("watch_health",)),
    (TRIAL, "booted_old", ROLLED_BACK, _FAILED),
    (TRIAL, "healthy", COMMITTING, ("commit",)),
    # Recorded, and then once more or back: the boot loader counts to three.
    (TRIAL, "unhealthy", FAILING, ("record_failure",)),
    (COMMITTING, "booted_new", COMMITTING, ("commit",)),
    (COMMITTING, "booted_old", ROLLED_BACK, _FAILED),
    (COMMITTING, "complete", COMMITTED, ("report_committed",)),
    (COMMITTED, "complete", IDLE, ("rest",)),
    (FAILING, "complete", FAILING, ("restart",)),
    (FAILING, "booted_new", TRIAL, ("watch_health",)),
    (FAILING, "booted_old", ROLLED_BACK, _FAILED),
    (ROLLED_BACK, "complete", IDLE, ("rest",)),
)

_WORK = (
    (SWITCHING, SWITCHING, ("switch_over",)),
    (SWITCHED, SWITCHED, ("restart",)),
    (READING_TREE, READING_TREE, _TREE),
    (INSTALLING, INSTALLING, ("write_blocks",)),
    (READING_BACK, READING_BACK, ("read_back",)),
    (WAITING, WAITING, ("wait",)),
    (ARMING, ARMING, ("arm",)),
    (ARMED, ARMED, ("restart",)),
    (COMMITTING, ARMED, ("restart",)),  # not committed, and the trial slot has boots left: let it boot again
    (COMMITTED, COMMITTED, ("report_committed",)),
    (FAILING, ARMED, ("restart",)),  # the same: its next attempt is due
    (ROLLED_BACK, ROLLED_BACK, _FAILED),
)
"""Phases that go on after a restart of the agent, and that wait when something is unavailable: phase, then, actions."""

_RETRIED = {COMMITTING: ("commit",), FAILING: ("record_failure",)}

TABLE = (
    tuple(Row(phase, event, then, actions) for phase, event, then, actions in _STEPS)
    + tuple(Row(phase, "resumed", then, actions) for phase, then, actions in _WORK)
    + tuple(Row(phase, "unavailable", phase, ("retry_later",)) for phase, _, _ in _WORK)
    + tuple(Row(phase, "retry", phase, _RETRIED.get(phase, actions)) for phase, _, actions in _WORK)
)
"""Every edge there is."""

_EDGES = {(row.phase, row.event): row for row in TABLE}
SWITCH_PHASES = (SWITCHING, SWITCHED)
BOOT_PHASES = (SWITCHING, SWITCHED, ARMING, ARMED, TRIAL, COMMITTING, FAILING)
"""Phases in which what the boot loader did decides how to go on."""


def advance(phase: str, event: str) -> Row:
    """The edge to follow.

    Raises:
        LookupError: the table has no such edge: a bug of ours, never the outside's doing.
    """
    row = _EDGES.get((phase, event))
    if row is None:
        raise LookupError("no edge from " + phase + " upon " + event)
    return row


def start_event(phase: str, target_slot: str, booted_slot: str, record: "BootRecord") -> str:
    """What the start of the agent means for an update in `phase`, by what the boot loader did.

    Args:
        phase: as saved.
        target_slot: the slot that the saved update wrote; empty in idle.
        booted_slot: the slot this system runs from.
        record: the boot record as it is now.

    Returns:
        `resumed` (go on where it stopped), `booted_new` or `booted_old`; on the way to the recovery system, `switched`
        or `stayed`.
    """
    if phase in (READING_TREE, INSTALLING, READING_BACK, WAITING):
        return "booted_new" if booted_slot == target_slot else "resumed"
    if phase in SWITCH_PHASES:
        if booted_slot != target_slot:
            return "switched"
        # Once the boot loader has had its turn, the announcement is gone: it has refused the recovery system.
        return "resumed" if phase == SWITCHING or record.said else "stayed"
    if phase not in BOOT_PHASES:
        return "resumed"
    if booted_slot == target_slot:
        return "booted_new"
    if phase == ARMING and target_slot not in (record.trial, record.active):
        return "resumed"  # the power failed before the record was written
    if record.trial == target_slot and slots.trial_due(record):
        return "resumed"  # armed, and the boot loader has not had its turn: only the agent was restarted
    return "booted_old"


def diagram() -> str:
    """The table as a Mermaid state diagram, for docs/generated/update-states.md."""
    lines = [
        "# Update states",
        "",
        "Generated from `agent/core/update.py` (`make generate`); do not edit.",
        "",
        "Each edge is labelled `event / actions`. The phase it leads to is saved before the actions run.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> " + IDLE,
    ]
    for row in TABLE:
        label = row.event + " / " + ", ".join(row.actions)
        lines.append("    " + row.phase + " --> " + row.then + ": " + label)
    lines.append("```")
    return "\n".join(lines) + "\n"
