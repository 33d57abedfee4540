"""Every kind of signature that other TUF repositories use, for `camward-agent tuf` alone.

The product's verifier takes ECDSA P-256 and nothing else (`agent.formats.tuf.read_p256_key`, `keys.verify_signature`).
Here a key is supported if its `keytype` and `scheme` are in the table and its text is such a key: RSA-PSS, RSA with
PKCS#1 v1.5, ECDSA P-256, P-384 and P-521 (also under the older key type names), and Ed25519. This is python-tuf's list,
without OpenPGP keys and post-quantum schemes.
"""

from typing import TYPE_CHECKING

from agent.core.trust_errors import SignatureError
from agent.formats import tuf

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

_ECDSA = {"ecdsa-sha2-nistp256": "secp256r1", "ecdsa-sha2-nistp384": "secp384r1", "ecdsa-sha2-nistp521": "secp521r1"}
_SHA = ("sha256", "sha384", "sha512")
_KINDS = {
    ("ed25519", "ed25519"),
    *((keytype, scheme) for scheme in _ECDSA for keytype in ("ecdsa", scheme)),
    *(("rsa", kind + name) for kind in ("rsassa-pss-", "rsa-pkcs1v15-") for name in _SHA),
}
MIN_RSA_BITS = 2048  # NIST SP 800-57: below is broken or will be soon
MAX_RSA_BITS = 8 * tuf.MAX_SIGNATURE_BYTES
_ED25519_HEX = 64


def read_key(keyid: str, keytype: str, scheme: str, public: str) -> tuf.Key:
    """The key; supported (with an identity) if it is what its key type and scheme say.

    The identity is the key's SubjectPublicKeyInfo, so the same key under two schemes or key ids counts once.
    """
    unsupported = tuf.Key(keyid, scheme, public, b"")
    if (keytype, scheme) not in _KINDS:
        return unsupported
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = _load(scheme, public)
        if not _fits(key, scheme):
            return unsupported
        identity = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return unsupported
    return tuf.Key(keyid, scheme, public, identity)


def verify_signature(key: tuf.Key, signature: bytes, message: bytes) -> None:
    """Check a signature by a key that `read_key` made.

    Raises:
        SignatureError: it does not verify, or the key is not supported.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        public = load_der_public_key(key.identity)
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, message)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, message, ec.ECDSA(_digest(public)))
        elif isinstance(public, rsa.RSAPublicKey) and key.scheme.startswith("rsassa-pss-"):
            digest = _named(key.scheme)
            # The salt's length is not part of the scheme's name; each library chose its own.
            public.verify(signature, message, padding.PSS(padding.MGF1(digest), padding.PSS.AUTO), digest)
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, message, padding.PKCS1v15(), _named(key.scheme))
        else:
            raise SignatureError("the key is of no kind that is supported")
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("the key is of no kind that is supported") from error
    except InvalidSignature:
        raise SignatureError("the signature does not verify") from None


def _load(scheme: str, public: str) -> "PublicKeyTypes":
    """The key in PEM; of Ed25519, 64 hexadecimal digits (TUF specification, 4.2).

    Raises:
        ValueError: it is none.
        UnsupportedAlgorithm: it is one that `cryptography` does not know.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if scheme != "ed25519":
        return load_pem_public_key(public.encode())
    if len(public) != _ED25519_HEX:
        raise ValueError("no Ed25519 key")
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))


def _fits(key: "PublicKeyTypes", scheme: str) -> bool:
    """Whether the key is of the kind that the scheme names, and strong enough."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if scheme == "ed25519":
        return isinstance(key, ed25519.Ed25519PublicKey)
    if scheme in _ECDSA:
        return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == _ECDSA[scheme]
    return isinstance(key, rsa.RSAPublicKey) and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS


def _digest(key: "EllipticCurvePublicKey") -> "HashAlgorithm":
    """The hash that goes with the curve; `_fits` has tied the scheme to the curve."""
    from cryptography.hazmat.primitives import hashes

    return {256: hashes.SHA256(), 384: hashes.SHA384()}.get(key.curve.key_size, hashes.SHA512())


def _named(scheme: str) -> "HashAlgorithm":
    from cryptography.hazmat.primitives import hashes

    return {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[scheme[-3:]]
