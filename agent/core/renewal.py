"""When a device's certificate is renewed: from two thirds of its lifetime on, each camera a little later by itself.

The time that these are compared with has to be a proven one (agent.app.trusted_time): a wall clock that somebody set
forward makes a fleet renew at once, one that somebody set back lets it expire.
"""

from agent.core import backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.certificate import Validity

SPREAD = 12  # a twelfth of the lifetime: a fleet that was enrolled in one hour comes back over a week (of 90 days)
RETRY_FIRST_S = 3600.0  # the server gives twenty certificates a day, and there are thirty days to try in
RETRY_MAX_S = 86400.0
RETRY_LEAST_S = 300.0


def due_at(found: "Validity", fraction: float) -> int:
    """Unix seconds from which the certificate is to be renewed.

    Args:
        found: the certificate's dates.
        fraction: 0 <= fraction < 1, another one on each camera; the same one again for the same certificate, or
            every start would draw anew and a camera that starts often would always be early.
    """
    return found.not_before_at + _lifetime_s(found) * 2 // 3 + int(_lifetime_s(found) * fraction / SPREAD)


def retry_s(found: "Validity", attempt: int, fraction: float) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (1 is the first); `fraction` as in `backoff.delay_s`.

    Of a short life a day would be too much: no more than a twelfth of it, unless that is no time at all.
    """
    ceiling = max(RETRY_LEAST_S, min(RETRY_MAX_S, _lifetime_s(found) / SPREAD))
    return max(RETRY_LEAST_S, backoff.delay_s(attempt, RETRY_FIRST_S, ceiling, fraction))


def is_later(new: "Validity", old: "Validity") -> bool:
    """Whether a certificate that a server has sent is any use.

    Not compared with the time: a thief of the director's key may have moved that into a far future, and the camera
    has to go on renewing until a new root takes it back.
    """
    return new.not_after_at > old.not_after_at


def _lifetime_s(found: "Validity") -> int:
    return max(0, found.not_after_at - found.not_before_at)
