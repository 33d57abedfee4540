"""Real keys and real verification for the simulated world, on CPython."""

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
    try:
        public = serialization.load_pem_public_key(key.public.encode())
    except ValueError:  # a point beside the curve
        raise SignatureError("the key is no P-256 key") from None
    assert isinstance(public, ec.EllipticCurvePublicKey)
    try:
        public.verify(signature, message, _ALGORITHM)
    except InvalidSignature:
        raise SignatureError("the signature does not verify") from None
