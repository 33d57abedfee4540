"""Passwords that people read off a sheet and type on a telephone: random, in groups, nothing that looks alike."""

import secrets

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without i, l, o, 0 and 1, which are mistaken for each other in print."""

GROUP_CHARACTERS = 5
GROUPS = (4, 6, 10)
"""Four groups are 99 bits. The longer ones are for cameras whose policy wants more characters than 23."""

MAX_CHARACTERS = 64
"""What every policy accepts (NIST SP 800-63B-4, 3.1.1.2)."""


def new_password(groups: int = GROUPS[0]) -> str:
    """A fresh password of so many groups, with a letter and a digit in it, for policies that count kinds of characters.

    Raises:
        OSError: the system has no randomness.
    """
    while True:
        parts = ["".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARACTERS)) for _ in range(groups)]
        password = "-".join(parts)
        if any(c.isdigit() for c in password) and any(c.isalpha() for c in password):
            return password
