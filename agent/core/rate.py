"""How much somebody may do in the long run, with so much at once after a pause: a token bucket. Pure."""

import math


class Bucket:
    """Holds what may be spent; it fills evenly, up to `most`."""

    def __init__(self, most: int, per_s: float) -> None:
        """Full. `most` is at least 1, `per_s` above 0."""
        self._most = float(most)
        self._per_s = per_s
        self._left = float(most)
        self._at = 0.0

    def wait_s(self, now: float, amount: int) -> int:
        """In how many seconds so much can be spent, 0 for now. What is more than the bucket holds needs it full."""
        self._fill(now)
        missing = min(float(amount), self._most) - self._left
        return max(1, math.ceil(missing / self._per_s)) if missing > 0 else 0

    def spend(self, now: float, amount: int) -> None:
        """So much is spent at `now` (monotonic seconds)."""
        self._fill(now)
        self._left = max(0.0, self._left - amount)

    def _fill(self, now: float) -> None:
        self._left = min(self._most, self._left + max(0.0, now - self._at) * self._per_s)
        self._at = now
