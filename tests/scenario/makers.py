"""Real keys and real verification for the simulated world, on CPython."""

import functools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.core.trust import SignatureError
from agent.formats.tuf import Key

_ALGORITHM = ec.ECDSA(hashes.SHA256())


class RealSigner:
    """A P-256 key made now, for this run alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_pem = (
            self._key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, _ALGORITHM)


def verify_signature(key: Key, signature: bytes, message: bytes) -> None:
    wrong = _wrong(key.public, bytes(signature), bytes(message))
    if wrong:
        raise SignatureError(wrong)


@functools.lru_cache(maxsize=4096)
def _wrong(public_pem: str, signature: bytes, message: bytes) -> str:
    """What is wrong with a signature, if anything; a sweep asks the same question thousands of times."""
    try:
        public = serialization.load_pem_public_key(public_pem.encode())
    except ValueError:  # a point beside the curve
        return "the key is no P-256 key"
    assert isinstance(public, ec.EllipticCurvePublicKey)
    try:
        public.verify(signature, message, _ALGORITHM)
    except InvalidSignature:
        return "the signature does not verify"
    return ""
