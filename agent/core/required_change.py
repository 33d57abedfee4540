"""Whether an order to change passwords is followed, whom it concerns, and how strict it is by now. Pure.

Every `proven_at` is a time that has passed for certain (agent.app.trusted_time: what was signed, plus what the
monotonic clock has counted since). A wall clock is anybody's word and makes no stage begin.
"""

from agent.formats.required_change import CLAIM_ONLY, NEVER, ORDERED, REMINDER, RESTRICTED, STAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.required_change import RequiredChange

LEEWAY_S = 86_400  # how far the server's clock, or the wall clock at a change, may be ahead of what is proven
EVERY_S = (
    86_400  # between two orders that are followed: whoever stole the server makes people change once a day at most
)

TAKE, AMEND = "take", "amend"
OLDER, FUTURE, TOO_SOON = "older", "future", "too_soon"
"""Why an order is not followed; one that comes too soon is followed later."""


def judge(since_at: int, known_at: int, taken_at: int, proven_at: int, counted_s: float) -> str:
    """What to do with an order: TAKE, AMEND (it is the known one), or why it is not followed.

    Args:
        since_at: the order's.
        known_at: that of the last order that was taken, 0 without one.
        taken_at: when that was, by proof.
        proven_at: what time it is at least.
        counted_s: how long the monotonic clock has counted since it was taken, EVERY_S if that was before a restart.
            Proven time alone is not enough: whoever stole the director's keys proves a day in a minute.
    """
    if since_at > proven_at + LEEWAY_S:
        return FUTURE  # no password could ever be younger
    if since_at == known_at:
        return AMEND
    if known_at > proven_at + LEEWAY_S:
        return TAKE  # a stolen timestamp key had made that one possible; a new root has taken its time back
    if since_at < known_at:
        return OLDER
    soon = counted_s < EVERY_S or taken_at <= proven_at < taken_at + EVERY_S
    return TOO_SOON if known_at and soon else TAKE


def is_old(set_at: int, since_at: int, proven_at: int) -> bool:
    """Whether a password that says it was set at `set_at` counts as older than the order.

    One from the future does: the clock was wrong when it was set, perhaps on purpose.
    """
    return set_at < since_at or set_at > proven_at + LEEWAY_S


def stage(order: "RequiredChange", proven_at: int) -> str:
    """How strict the order is at this time."""
    found = ORDERED
    for name, begins_at in _stages(order):
        if begins_at != NEVER and proven_at >= begins_at:
            found = name
    return found


def next_at(order: "RequiredChange", proven_at: int) -> int:
    """When the next stage begins; NEVER if none does."""
    later = [begins_at for _, begins_at in _stages(order) if begins_at > proven_at]
    return min(later) if later else NEVER


def stricter(one: str, other: str) -> str:
    """The stricter of two stages."""
    return STAGES[max(STAGES.index(one), STAGES.index(other))]


def _stages(order: "RequiredChange") -> "tuple[tuple[str, int], ...]":
    return ((REMINDER, order.remind_at), (RESTRICTED, order.restrict_at), (CLAIM_ONLY, order.claim_only_at))
