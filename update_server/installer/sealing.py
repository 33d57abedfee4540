"""How an entry of a hand-over file is sealed: to a key of the office (HPKE, RFC 9180), or under a passphrase.

With a key, the laptop cannot read what it has written. An entry is bound to its camera and to what is said about it in
the clear: neither can be changed without its becoming unreadable.
"""

import os
import unicodedata
from typing import Protocol

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from agent.formats import base64, fields
from agent.formats.errors import FormatError

SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
ARGON2_ITERATIONS, ARGON2_LANES, ARGON2_KIB = 3, 4, 64 * 1024
"""RFC 9106, section 4, second recommendation. Part of version 1 of the file: a file cannot ask for more memory."""

MIN_PASSPHRASE_CHARACTERS = 15
"""As for a camera's password; a thief of the file tries passphrases without anybody's slowing him down."""

_DOMAIN = b"camward handover 1\0"
_CHECK = _DOMAIN + b"check"


class Opener(Protocol):
    """Opens entries."""

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """What was sealed.

        Raises:
            FormatError: it was sealed for somebody else, about something else, or is damaged.
        """
        ...


class Sealer(Protocol):
    """Seals entries; `header` is what the file says about it."""

    @property
    def header(self) -> dict[str, str]:
        """The member `recipient` of the file."""
        ...

    def seal(self, body: bytes, about: bytes) -> bytes:
        """Seal; `about` has to be given again to open it."""
        ...


class ToKey:
    """Seals to a public key of the office."""

    def __init__(self, key: X25519PublicKey) -> None:
        self._key = key

    @property
    def header(self) -> dict[str, str]:
        """See `Sealer`."""
        return {"x25519": self._key.public_bytes_raw().hex()}

    def seal(self, body: bytes, about: bytes) -> bytes:
        """See `Sealer`."""
        return SUITE.encrypt(body, self._key, _DOMAIN + about)


class WithKey:
    """Opens with the private key of the office."""

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key

    @property
    def sealer(self) -> ToKey:
        """What seals to this key."""
        return ToKey(self._key.public_key())

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """See `Opener`."""
        try:
            return SUITE.decrypt(sealed, self._key, _DOMAIN + about)
        except (InvalidTag, ValueError) as error:
            raise FormatError("an entry does not open") from error


class WithPassphrase:
    """Seals and opens under a passphrase."""

    def __init__(self, passphrase: str, header: dict[str, str] | None = None) -> None:
        """Begin a new file, or go on with the one that has this header.

        Raises:
            FormatError: it is another passphrase than the file's, or the header is damaged.
        """
        salt = (
            os.urandom(SALT_BYTES)
            if header is None
            else bytes.fromhex(fields.hexadecimal(header, "argon2id", SALT_BYTES))
        )
        kdf = Argon2id(
            salt=salt, length=KEY_BYTES, iterations=ARGON2_ITERATIONS, lanes=ARGON2_LANES, memory_cost=ARGON2_KIB
        )
        # One text, one key, however the keyboard composes its characters (が is one code point here and two there).
        typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
        self._cipher = AESGCM(kdf.derive(typed))
        self.header = header or {"argon2id": salt.hex(), "check": base64.encode(self._seal(b"", _CHECK))}
        if header is not None:
            self._open(base64.decode(fields.text(header, "check")), _CHECK)

    def seal(self, body: bytes, about: bytes) -> bytes:
        """See `Sealer`."""
        return self._seal(body, _DOMAIN + about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """See `Opener`."""
        return self._open(sealed, _DOMAIN + about)

    def _seal(self, body: bytes, associated: bytes) -> bytes:
        # Random nonces of 96 bits are good for 2**32 entries under one key; a file has some thousand.
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, associated)

    def _open(self, sealed: bytes, associated: bytes) -> bytes:
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise FormatError("an entry is cut off")
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
        except InvalidTag as error:
            raise FormatError("an entry does not open") from error


def new_keys() -> tuple[bytes, bytes]:
    """A fresh pair, both PEM: the private key (PKCS#8), and the public one."""
    key = X25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def read_public(pem: bytes) -> ToKey:
    """The office's public key.

    Raises:
        FormatError: it is none.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormatError("no public key in PEM") from error
    if not isinstance(key, X25519PublicKey):
        raise FormatError("no X25519 key")
    return ToKey(key)


def read_private(pem: bytes) -> WithKey:
    """The office's private key.

    Raises:
        FormatError: it is none.
    """
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise FormatError("no private key in PEM") from error
    if not isinstance(key, X25519PrivateKey):
        raise FormatError("no X25519 key")
    return WithKey(key)
