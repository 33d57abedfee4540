"""HMAC with SHA-256, for both interpreters (MicroPython has no hmac module), and comparison in constant time."""

from hashlib import sha256

_BLOCK_BYTES = 64


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104."""
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    padded = key + bytes(_BLOCK_BYTES - len(key))
    inner = sha256(bytes(byte ^ 0x36 for byte in padded) + message).digest()
    return sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


def same(one: bytes, two: bytes) -> bool:
    """Whether they are equal, in a time that depends on their lengths alone."""
    difference = len(one) ^ len(two)
    for left, right in zip(one, two):  # noqa: B905 (MicroPython has no strict=)
        difference |= left ^ right
    return difference == 0
