"""Passwords that people read off a sheet and type on a telephone: random, in groups, nothing that looks alike."""

import secrets

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without i, l, o, 0 and 1, which are mistaken for each other in print."""

GROUP_CHARACTERS = 5
GROUPS = (4, 6, 7, 8, 9, 10, 11)
"""Four groups are 99 bits in 23 characters. The longer ones are for cameras whose policy wants more, up to 64; between
the shortest and the longest password of a policy there is room for one of them (agent.core.password_policy)."""


def new_password(groups: int = GROUPS[0]) -> str:
    """A fresh password of so many groups.

    For policies that count kinds of characters it has a digit, and its first letter is a capital.

    Raises:
        OSError: the system has no randomness.
    """
    while True:
        parts = ["".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARACTERS)) for _ in range(groups)]
        password = "-".join(parts)
        first = next((at for at, c in enumerate(password) if c.isalpha()), None)
        if first is not None and any(c.isdigit() for c in password):
            return password[:first] + password[first].upper() + password[first + 1 :]
