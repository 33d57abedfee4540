"""Signers for generated repositories, and the two sets of key types that the agent reads.

Made once from fixed numbers (but RSA, which has none that are short), so that every run signs the same bytes. Nothing
of this is secret and none of it is a key of the product: the private numbers are 1001, 1002 and so on.
"""

import hashlib
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.formats import encode_canonical

from agent.adapters.linux import all_keys, keys
from agent.core.trust_errors import SignatureError
from agent.formats import tuf

P256_KEYS = 10
"""Enough for every role to change its keys more than once in a story."""
ALL_KEYS = 14
"""Those and one each of Ed25519, RSA, P-384 and P-521."""

Sign = Callable[[bytes], bytes]


def canonical(value: Any) -> bytes:
    """Canonical JSON by securesystemslib, not by the code under test."""
    text: str = encode_canonical(value)
    return text.encode()


class Signer:
    """One key: its id, its description in metadata, and its signatures."""

    def __init__(self, keytype: str, scheme: str, public: str, sign: Sign) -> None:
        self.entry: dict[str, Any] = {"keytype": keytype, "scheme": scheme, "keyval": {"public": public}}
        self.keyid = hashlib.sha256(canonical(self.entry)).hexdigest()
        self._sign = cache(sign)

    def sign(self, message: bytes) -> dict[str, str]:
        """A signature as metadata lists it."""
        return {"keyid": self.keyid, "sig": self._sign(message).hex()}


def _ecdsa(number: int, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm, scheme: str) -> Signer:
    private = ec.derive_private_key(1001 + number, curve)
    algorithm = ec.ECDSA(digest, deterministic_signing=True)
    return Signer("ecdsa", scheme, _pem(private), lambda message: private.sign(message, algorithm))


def _pem(private: Any) -> str:
    found: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found.decode()


def _ed25519() -> Signer:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    return Signer("ed25519", "ed25519", public, private.sign)


def _rsa() -> Signer:
    private = rsa.generate_private_key(65537, 2048)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return Signer(
        "rsa", "rsassa-pss-sha256", _pem(private), lambda message: private.sign(message, pss, hashes.SHA256())
    )


@cache
def signer(number: int) -> Signer:
    """The key with this number: the last four are of the other types."""
    if number < P256_KEYS:
        return _ecdsa(number, ec.SECP256R1(), hashes.SHA256(), "ecdsa-sha2-nistp256")
    return (
        _ed25519,
        _rsa,
        lambda: _ecdsa(number, ec.SECP384R1(), hashes.SHA384(), "ecdsa-sha2-nistp384"),
        lambda: _ecdsa(number, ec.SECP521R1(), hashes.SHA512(), "ecdsa-sha2-nistp521"),
    )[number - P256_KEYS]()


def _remembering(verify: Callable[[tuf.Key, bytes, bytes], None]) -> Callable[[tuf.Key, bytes, bytes], None]:
    """The same verdicts, each computed once: the same files are looked at again and again."""

    @lru_cache(maxsize=100_000)
    def verdict(key: tuf.Key, signature: bytes, message: bytes) -> str:
        try:
            verify(key, signature, message)
        except SignatureError as error:
            return str(error) or "refused"
        return ""

    def verify_again(key: tuf.Key, signature: bytes, message: bytes) -> None:
        found = verdict(key, signature, message)
        if found:
            raise SignatureError(found)

    return verify_again


class Reader(NamedTuple):
    """Which keys the agent supports, and how many of the signers above that makes."""

    read_key: Callable[[str, str, str, str], tuf.Key]
    verify_signature: Callable[[tuf.Key, bytes, bytes], None]
    key_count: int


PRODUCT = Reader(tuf.read_p256_key, _remembering(keys.verify_signature), P256_KEYS)
CONFORMANCE = Reader(all_keys.read_key, _remembering(all_keys.verify_signature), ALL_KEYS)
