"""Argon2id password hashes in PHC strings, and random passwords."""

import os
import secrets

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

# RFC 9106's second recommendation, in the form OWASP gives it for servers: 19 MiB, two passes.
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
SALT_BYTES, HASH_BYTES = 16, 32
MAX_PASSWORD_BYTES = 1024  # beyond it, hashing would be a gift to an attacker
MIN_PASSWORD_CHARS = 15  # NIST SP 800-63B-4, where the password is the only factor
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like another character


def hash_password(password: str) -> str:
    """The PHC string to store."""
    kdf = Argon2id(
        salt=os.urandom(SALT_BYTES), length=HASH_BYTES, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB
    )
    return kdf.derive_phc_encoded(password.encode("utf-8"))


def matches(password: str, stored: str) -> bool:
    """Whether `password` is the one that was hashed into `stored`. Takes about 50 ms either way."""
    raw = password.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_PASSWORD_BYTES:
        return False
    try:
        Argon2id.verify_phc_encoded(raw, stored)
    except InvalidKey:
        return False
    return True


def random_password() -> str:
    """20 characters in groups of five (99 bits)."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(4))
