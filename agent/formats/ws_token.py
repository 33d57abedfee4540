"""WS-UsernameToken (OASIS UsernameToken Profile 1.0) with PasswordDigest: what ONVIF clients log in by.

The digest is Base64(SHA-1(nonce + created + secret)), `created` as the client wrote it.
"""

from hashlib import sha1

from agent.formats import base64, utc
from agent.formats.errors import FormatError

MAX_NONCE_BYTES = 64  # clients send 16 or 20
MAX_NONCE_CHARS = 88  # of Base64 for that
MAX_CREATED_CHARS = 32  # seconds, nine digits of a fraction, and Z
SECRET_CHARS = 20  # of base32: 100 bits, which SHA-1 does not make any easier to guess
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def digest(nonce: bytes, created: str, secret: str) -> str:
    """PasswordDigest of whoever knows the secret."""
    spoken = nonce + created.encode() + secret.encode()
    return base64.encode(sha1(spoken).digest())  # noqa: S324 - the profile has no other


def parse_nonce(text: str) -> bytes:
    """The bytes of a nonce.

    Raises:
        FormatError: no Base64 in its one form, empty or too long.
    """
    if not 0 < len(text) <= MAX_NONCE_CHARS:
        raise FormatError("nonce: empty or too long")
    found = base64.decode(text)
    if len(found) > MAX_NONCE_BYTES:
        raise FormatError("nonce: too long")
    return found


def parse_created(text: str) -> int:
    """Unix seconds of `created`, whose fraction of a second does not count.

    Raises:
        FormatError: no UTC time that ends with Z.
    """
    whole, dot, fraction = text[:-1].partition(".")
    if text[-1:] != "Z" or (dot and not 0 < len(fraction) <= 9) or any(c not in "0123456789" for c in fraction):
        raise FormatError("created is no UTC time")
    return utc.parse(whole + "Z")


def make_secret(random: bytes) -> str:
    """A secret of SECRET_CHARS, of as many random bytes."""
    return "".join([_ALPHABET[byte & 31] for byte in random[:SECRET_CHARS]])


def is_secret(text: str) -> bool:
    """Whether a text has the form of what `make_secret` gives."""
    return len(text) == SECRET_CHARS and all(c in _ALPHABET for c in text)
