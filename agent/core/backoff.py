"""How long to wait before trying again: exponential with full jitter, so that a fleet does not return as one."""

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
