"""Apache's variant of md5crypt (`$apr1$`), which libcrypt does not know and htpasswd made for years.

After the description of the algorithm in APR's documentation: md5crypt with another mark.
"""

import hashlib

MARK = b"$apr1$"
ROUNDS = 1000
MAX_SALT_BYTES = 8
_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
"""Which bytes of the digest each four letters tell; the last byte, 11, has two of its own."""


def fits(password: bytes, stored: str) -> bool:
    """Whether `$apr1$SALT$HASH` is of this password."""
    salt = stored.split("$")[2].encode()[:MAX_SALT_BYTES]
    return crypt(password, salt) == stored


def crypt(password: bytes, salt: bytes) -> str:
    """The string for a password and a salt of up to eight letters."""
    inner = _md5(password + salt + password)
    start = password + MARK + salt + (inner * (len(password) // 16 + 1))[: len(password)]
    length = len(password)
    while length:
        start += b"\0" if length & 1 else password[:1]
        length >>= 1
    digest = _md5(start)
    for number in range(ROUNDS):
        odd = number & 1
        text = password if odd else digest
        text += (salt if number % 3 else b"") + (password if number % 7 else b"")
        digest = _md5(text + (digest if odd else password))
    found = "".join(_letters(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _ORDER)
    return f"{MARK.decode()}{salt.decode()}${found}{_letters(digest[11], 2)}"


def _letters(number: int, count: int) -> str:
    return "".join(_LETTERS[number >> 6 * place & 63] for place in range(count))


def _md5(text: bytes) -> bytes:
    return hashlib.md5(text, usedforsecurity=False).digest()
