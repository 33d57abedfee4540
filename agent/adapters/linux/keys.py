"""Private keys as files, randomness, and password hashing. `cryptography` is imported where it is first needed."""

import os
import secrets
from typing import TYPE_CHECKING

from agent.adapters.linux.store import FileStore
from agent.core.trust_errors import SignatureError
from agent.formats.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ARGON2_MEMORY_KIB = 19 * 1024  # OWASP's first choice for Argon2id: 19 MiB, t=2, p=1; fits beside the agent in 256 MB
ARGON2_ITERATIONS = 2
ARGON2_LANES = 1
HASH_BYTES = 32
SALT_BYTES = 16


class UnsafeFileKeyStore:
    """`agent.ports.secrets.KeyStore` as PEM files (PKCS#8, 0600) in the store.

    Unsafe: whoever takes the camera's storage out has the keys. A TPM or secure element takes its place where there is
    one; the evidence says which of the two protects this device.
    """

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self._keys: dict[str, EllipticCurvePrivateKey] = {}

    def path(self, name: str) -> "Path":
        """The PEM file, for the TLS library."""
        return self._store.path(_document(name))

    def ensure(self, name: str) -> bytes:
        """See `KeyStore.ensure`.

        Raises:
            Unavailable: the storage fails, or the stored key is damaged.
        """
        from cryptography.hazmat.primitives import serialization as s
        from cryptography.hazmat.primitives.asymmetric import ec

        if self._store.read(_document(name)) is None:
            fresh = ec.generate_private_key(ec.SECP256R1())
            pem = fresh.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
            self._store.write(_document(name), pem)
        public = self.private_key(name).public_key()
        return public.public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, name: str, message: bytes) -> bytes:
        """See `KeyStore.sign`.

        Raises:
            Unavailable: no such key, or the storage fails.
        """
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        r, s = decode_dss_signature(self.private_key(name).sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def protection(self) -> str:
        """See `KeyStore.protection`."""
        return "none"

    def private_key(self, name: str) -> "EllipticCurvePrivateKey":
        """The key itself, for the other Linux adapters (certificate requests); never leaves this package.

        Raises:
            Unavailable: no such key, it is damaged, or the storage fails.
        """
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if name not in self._keys:
            pem = self._store.read(_document(name))
            if pem is None:
                raise Unavailable(f"there is no key {name}")
            try:
                key = load_pem_private_key(pem, None)
            except (ValueError, TypeError) as error:
                raise Unavailable(f"key {name} is damaged") from error
            if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
                raise Unavailable(f"key {name} is no P-256 key")
            self._keys[name] = key
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


def verify_signature(public_key_pem: str, signature: bytes, message: bytes) -> None:
    """Check a signature: ECDSA P-256 with SHA-256, DER encoded; the key as PEM SubjectPublicKeyInfo.

    Raises:
        SignatureError: it does not verify, or the key is anything else.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_key_pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("the key does not parse") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError("the key is no P-256 key")
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureError("the signature does not verify") from None


def _document(name: str) -> str:
    return f"identity/{name}.key.pem"
