"""By which time the dates of certificates are judged."""

import ssl
import time
from typing import NamedTuple

ALWAYS = 2**62  # later than any date of a certificate


class Dates(NamedTuple):
    """What every certificate of a chain has to span: it began by `begun_by`, and does not end before `valid_at`."""

    begun_by: int
    valid_at: int


class DatesRefused(ssl.SSLCertVerificationError):
    """A chain whose signatures and names are right, with a date that is not. Raised by the handshake."""


def by_the_system() -> Dates:
    """For programs that have nothing but the system's clock: what OpenSSL itself would do."""
    now = int(time.time())
    return Dates(now, now)
