"""Private keys as files, randomness, and password hashing. `cryptography` is imported where it is first needed.

Keys have one encoding each here, so they are read and written by their fixed parts: the library's own readers know
every format there is, and loading them costs the agent 1.5 MB for as long as it runs.
"""

import os
import secrets
from binascii import b2a_base64, unhexlify
from typing import TYPE_CHECKING

from agent.adapters.linux.store import FileStore
from agent.core.trust_errors import SignatureError
from agent.formats import base64
from agent.formats.errors import FormatError, Unavailable
from agent.formats.tuf import KEY_SCHEME, SPKI_P256

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from agent.formats.tuf import Key

ARGON2_MEMORY_KIB = 19 * 1024  # OWASP's first choice for Argon2id: 19 MiB, t=2, p=1; fits beside the agent in 256 MB
ARGON2_ITERATIONS = 2
ARGON2_LANES = 1
HASH_BYTES = 32
SALT_BYTES = 16
# PKCS#8 of a P-256 key with its public point (RFC 5958, RFC 5915), as every common library writes it: a fixed head, the
# private number, a fixed middle, the point.
_HEAD = unhexlify("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420")
_MIDDLE = unhexlify("a144034200")
_NUMBER_BYTES = 32
_PEM = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----")
_LINE = 64


class UnsafeFileKeyStore:
    """`agent.ports.secrets.KeyStore` as PEM files (PKCS#8, 0600) in the store.

    Unsafe: whoever takes the camera's storage out has the keys. `agent.adapters.linux.tpm_keys` takes its place where
    the manufacturer has put in a TPM; the evidence says which of the two protects this device.
    """

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self._keys: dict[str, EllipticCurvePrivateKey] = {}

    def path(self, name: str) -> "Path":
        """The PEM file, for the TLS library."""
        return self._store.path(_document(name))

    def holds(self, name: str) -> bool:
        """Whether there is such a key.

        Raises:
            Unavailable: the storage fails.
        """
        return self._store.read(_document(name)) is not None

    def ensure(self, name: str) -> bytes:
        """See `KeyStore.ensure`.

        Raises:
            Unavailable: the storage fails, or the stored key is damaged.
        """
        from cryptography.hazmat.primitives.asymmetric import ec

        if not self.holds(name):
            self._store.write(_document(name), _encode(ec.generate_private_key(ec.SECP256R1())))
        return SPKI_P256 + _point(self.private(name))

    def sign(self, name: str, message: bytes) -> bytes:
        """See `KeyStore.sign`.

        Raises:
            Unavailable: no such key, or the storage fails.
        """
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        r, s = decode_dss_signature(self.private(name).sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def forget(self, name: str) -> None:
        """See `KeyStore.forget`.

        Raises:
            Unavailable: the storage fails.
        """
        self._keys.pop(name, None)
        self._store.delete(_document(name))

    def replace(self, name: str, by: str) -> None:
        """See `KeyStore.replace`.

        Raises:
            Unavailable: the storage fails, or the key `by` is damaged.
        """
        if not self.holds(by):
            return
        self._store.write(_document(name), self.pem(by).encode())
        self._keys.pop(name, None)
        self.forget(by)

    def protection(self) -> str:
        """See `KeyStore.protection`."""
        return "none"

    def pem(self, name: str) -> str:
        """The key itself, for certificate requests and TLS; never leaves this device.

        Raises:
            Unavailable: no such key, it is damaged, or the storage fails.
        """
        return _encode(self.private(name)).decode()

    def private(self, name: str) -> "EllipticCurvePrivateKey":
        """The key as `cryptography` takes one.

        Raises:
            Unavailable: no such key, it is damaged, or the storage fails.
        """
        if name not in self._keys:
            pem = self._store.read(_document(name))
            if pem is None:
                raise Unavailable(f"there is no key {name}")
            try:
                self._keys[name] = _decode(pem)
            except ValueError as error:
                raise Unavailable(f"key {name} is damaged") from error
        return self._keys[name]


class SystemEntropy:
    """`agent.ports.secrets.Entropy` by the kernel; blocks at early boot until the kernel has enough."""

    def bytes(self, count: int) -> bytes:
        """See `Entropy.bytes`."""
        return os.urandom(count)


class Argon2Hasher:
    """`agent.ports.secrets.PasswordHasher` by cryptography's Argon2id; about 20 MB while a call runs."""

    def hash(self, password: str) -> str:
        """See `PasswordHasher.hash`."""
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        kdf = Argon2id(
            salt=secrets.token_bytes(SALT_BYTES),
            length=HASH_BYTES,
            iterations=ARGON2_ITERATIONS,
            lanes=ARGON2_LANES,
            memory_cost=ARGON2_MEMORY_KIB,
        )
        return kdf.derive_phc_encoded(password.encode())

    def verify(self, password: str, phc: str) -> bool:
        """See `PasswordHasher.verify`."""
        from cryptography.exceptions import InvalidKey
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        try:
            Argon2id.verify_phc_encoded(password.encode(), phc)
        except InvalidKey:
            return False
        except ValueError:
            self.hash(password)
            return False
        return True

    def decoy(self) -> str:
        """See `PasswordHasher.decoy`."""
        salt, digest = (
            b2a_base64(secrets.token_bytes(length), newline=False).decode().rstrip("=")
            for length in (SALT_BYTES, HASH_BYTES)
        )
        return f"$argon2id$v=19$m={ARGON2_MEMORY_KIB},t={ARGON2_ITERATIONS},p={ARGON2_LANES}${salt}${digest}"


def verify_signature(key: "Key", signature: bytes, message: bytes) -> None:
    """Check a DER signature, ECDSA P-256 with SHA-256, by a key that `agent.formats.tuf.read_p256_key` has read.

    Raises:
        SignatureError: it does not verify, or it is another kind of key.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    if key.scheme != KEY_SCHEME:
        raise SignatureError("the key is no P-256 key")
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.identity)
    except ValueError as error:
        raise SignatureError("the key is no P-256 key") from error
    try:
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureError("the signature does not verify") from None


def _document(name: str) -> str:
    return f"identity/{name}.key.pem"


def _encode(key: "EllipticCurvePrivateKey") -> bytes:
    number = key.private_numbers().private_value.to_bytes(_NUMBER_BYTES, "big")
    text = base64.encode(_HEAD + number + _MIDDLE + _point(key))
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join([_PEM[0], *lines, _PEM[1], ""]).encode()


def _decode(pem: bytes) -> "EllipticCurvePrivateKey":
    """The key that `_encode` makes this of.

    Raises:
        ValueError: any other bytes.
    """
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        der = base64.decode("".join(pem.decode("ascii").split("\n")[1:-2]))
    except FormatError as error:
        raise ValueError("no base64") from error
    key = ec.derive_private_key(int.from_bytes(der[len(_HEAD) :][:_NUMBER_BYTES], "big"), ec.SECP256R1())
    if _encode(key) != pem:
        raise ValueError("no P-256 key in its one form")
    return key


def _point(key: "EllipticCurvePrivateKey") -> bytes:
    numbers = key.public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(_NUMBER_BYTES, "big") + numbers.y.to_bytes(_NUMBER_BYTES, "big")
