"""What a rollout does next: counts in, next action out. Pure; the whole policy is on this page.

1. More failures than the phase allows pause the rollout. A canary phase (any but the last) allows none; the last one
   allows `failure_percent` of its cameras. Failures that a person has excused by resuming do not count again.
2. A phase is settled when every camera in it has committed, failed, or been silent for too long.
3. A settled canary phase in which nobody committed pauses: silence is no success, and no failure either.
4. A settled phase starts the next one. After the last, the rollout waits for the silent ones, and completes when
   every camera has committed or failed.
"""

import re
from dataclasses import dataclass

from update_server.errors import BadInput

MAX_PHASES = 16
MAX_DEVICES = 10_000_000
# Why a rollout stopped, in English; the dashboard has these in Japanese as well.
REASONS = {
    "failures": "failed cameras: {} by phase {} (allowed: {})",
    "silence": "no camera of phase {} has answered in time ({} silent)",
    "person": "by {}",
}
_PHASE = re.compile(r"(?P<number>[1-9][0-9]{0,6})(?P<percent>%?)\Z")


@dataclass(frozen=True)
class Phase:
    """How many cameras shall have been assigned once this phase has started: a number, or per cent of all."""

    amount: int
    is_percent: bool

    def __str__(self) -> str:
        return f"{self.amount}%" if self.is_percent else str(self.amount)

    def size(self, total: int) -> int:
        """The cumulative number of cameras out of `total`, at least one, rounded up."""
        wanted = -(-total * self.amount // 100) if self.is_percent else self.amount
        return max(1, min(total, wanted))


def parse_phases(text: str) -> tuple[Phase, ...]:
    """Read `1,10%,100%`. The last phase must be 100%, so that a rollout has an end.

    Raises:
        BadInput: malformed, shrinking, or without an end.
    """
    phases = []
    for part in text.split(","):
        match = _PHASE.match(part.strip())
        if match is None or (match["percent"] and int(match["number"]) > 100):
            raise BadInput(f"{part.strip()!r} is no phase.", "Write numbers or percentages, for example 1,10%,100%.")
        phases.append(Phase(int(match["number"]), bool(match["percent"])))
    if len(phases) > MAX_PHASES:
        raise BadInput(f"More than {MAX_PHASES} phases.")
    if phases[-1] != Phase(100, True):
        raise BadInput("The last phase must be 100%.", "For example 1,10%,100%.")
    for unit in (True, False):
        amounts = [phase.amount for phase in phases if phase.is_percent is unit]
        if amounts != sorted(set(amounts)):
            raise BadInput("Each phase must be larger than the one before.", "For example 1,10%,100%.")
    return tuple(phases)


def split(phases: tuple[Phase, ...], total: int) -> tuple[int, ...]:
    """How many cameras join in each phase; sums to `total`. A phase may come out empty in a small fleet."""
    sizes, before = [], 0
    for phase in phases:
        after = max(before, phase.size(total)) if total else 0
        sizes.append(after - before)
        before = after
    return tuple(sizes)


@dataclass(frozen=True)
class Counts:
    """The cameras of one phase. `pending` are assigned and still within the deadline, `silent` beyond it."""

    waiting: int = 0
    pending: int = 0
    silent: int = 0
    committed: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All cameras of the phase."""
        return self.waiting + self.pending + self.silent + self.committed + self.failed


@dataclass(frozen=True)
class Situation:
    """A running rollout: its current phase (-1 before the first), counts per phase, and what a person has excused."""

    phase: int
    counts: tuple[Counts, ...]
    failure_percent: int
    excused_failures: int = 0


@dataclass(frozen=True)
class Wait:
    """Nothing to do now."""


@dataclass(frozen=True)
class Start:
    """Assign the release to the cameras of `phase` that are still waiting."""

    phase: int


@dataclass(frozen=True)
class Pause:
    """Stop, withdraw outstanding assignments, and tell a person why: a key of `REASONS` and its values."""

    code: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Complete:
    """Every camera has an outcome."""


Action = Wait | Start | Pause | Complete


def next_action(now: Situation) -> Action:
    """The next action; applied until it is `Wait`, `Pause` or `Complete`."""
    last = len(now.counts) - 1
    if now.phase < 0:
        return Start(0)
    started = now.counts[: now.phase + 1]
    current = now.counts[now.phase]
    failures = sum(phase.failed for phase in started) - now.excused_failures
    allowed = current.total * now.failure_percent // 100 if now.phase == last else 0
    if failures > allowed:
        return Pause("failures", (failures, now.phase + 1, allowed))
    if current.waiting:
        return Start(now.phase)
    if current.pending:
        return Wait()
    if now.phase < last:
        if current.silent and not current.committed:
            return Pause("silence", (now.phase + 1, current.silent))
        return Start(now.phase + 1)
    return Wait() if any(phase.silent for phase in started) else Complete()
