"""yescrypt by the system's own libcrypt (crypt(3)), which the programs that read shadow use as well.

Python has had no crypt module since 3.13. The library is loaded when the first password is hashed: a camera without
system logins never does.
"""

import ctypes
import hmac
import os
import threading
from typing import Any

from agent.formats.errors import Rejected, Unavailable
from agent.formats.shadow import is_yescrypt

LIBRARY = "libcrypt.so.1"
PREFIX = b"$y$"
# libxcrypt's default: N=4096, r=32, that is 16 MiB, and 26 ms on x86. It never runs beside Argon2id (19 MiB, and about
# three times as long), which is in the same lane: a slow camera has room and time for it.
COST = 5
DRAWN_COST = 1  # 1 MiB: 30 connections of an SSH server compute one each at once, and 80 random bits need no more
SALT_BYTES = 16
MAX_PASSWORD_BYTES = 511  # CRYPT_MAX_PASSPHRASE_SIZE, less the zero byte
_OUTPUT_BYTES = 192  # CRYPT_GENSALT_OUTPUT_SIZE
_DATA_BYTES = 32768  # sizeof(struct crypt_data), which crypt.h fixes

_lock = threading.Lock()
_loaded: list[Any] = []


def crypt(password: str, cost: int = COST) -> str:
    """A new yescrypt string.

    Raises:
        Rejected: a zero byte, which would end the password for every program that reads shadow, or too long for crypt.
        Unavailable: there is no libcrypt, or it has no yescrypt.
    """
    typed = _typed(password)
    setting = ctypes.create_string_buffer(_OUTPUT_BYTES)
    made = _library().crypt_gensalt_rn(PREFIX, cost, os.urandom(SALT_BYTES), SALT_BYTES, setting, _OUTPUT_BYTES)
    found = _crypt(typed, made) if made else ""
    if not is_yescrypt(found):
        raise Unavailable("libcrypt has no yescrypt")
    return found


def fits(password: str, stored: str) -> bool:
    """Whether a program that reads shadow takes this password for this field, whatever kind of hash that holds.

    Raises:
        Unavailable: there is no libcrypt.
    """
    try:
        found = _crypt(_typed(password), stored.encode())
    except Rejected:
        return False
    # What crypt cannot do gives "*0" or "*1" (crypt(5)), never the setting that it was asked for.
    return found[:1] != "*" and hmac.compare_digest(found.encode(), stored.encode())


def _typed(password: str) -> bytes:
    typed = password.encode()
    if b"\0" in typed or len(typed) > MAX_PASSWORD_BYTES:
        raise Rejected("no console could take this password")
    return typed


def _crypt(password: bytes, setting: bytes) -> str:
    data = ctypes.create_string_buffer(_DATA_BYTES)
    found: bytes | None = _library().crypt_r(password, setting, data)
    ctypes.memset(data, 0, _DATA_BYTES)
    return "" if found is None else found.decode("ascii", "replace")


def _library() -> Any:
    """Raises Unavailable: it is not there."""
    with _lock:
        if not _loaded:
            try:
                library = ctypes.CDLL(LIBRARY)
                library.crypt_gensalt_rn.restype = ctypes.c_char_p
                library.crypt_gensalt_rn.argtypes = (
                    ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int,
                )  # fmt: skip
                library.crypt_r.restype = ctypes.c_char_p
                library.crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p)
            except (OSError, AttributeError) as error:
                raise Unavailable(f"{LIBRARY} cannot be used: {error}") from error
            _loaded.append(library)
        return _loaded[0]
