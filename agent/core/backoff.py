"""How long to wait before trying again: exponential with full jitter, so that a fleet does not return as one."""

ASKED_SHARE = 0.5  # at most so much longer than asked for: of a fleet that was sent away together few return at once
MAX_DOUBLINGS = 30  # beyond that the ceiling rules anyway, and the shift stays small


def delay_s(attempt: int, base_s: float, ceiling_s: float, fraction: float) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (1 is the first).

    Args:
        attempt: 1 or more; smaller counts as 1.
        base_s: the widest wait after the first failure.
        ceiling_s: the widest wait ever.
        fraction: a fresh random number, 0 <= fraction < 1.

    Returns:
        fraction * min(ceiling_s, base_s * 2**(attempt - 1)).
    """
    doublings = min(max(attempt, 1) - 1, MAX_DOUBLINGS)
    return fraction * min(ceiling_s, base_s * (1 << doublings))


def spread_s(asked_s: float, fraction: float) -> float:
    """Seconds to wait where `asked_s` is the least (a server has asked for it, say): a random share comes on top.

    `fraction` as in `delay_s`; never less than `asked_s`, and 0 where nothing was asked for.
    """
    return asked_s * (1.0 + ASKED_SHARE * fraction)
