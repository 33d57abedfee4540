"""HPKE base mode with P-256 and HKDF-SHA256, written from RFC 9180 with HMAC, ECDH and AES-GCM alone."""

import hmac

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEM, KDF = b"\x00\x10", b"\x00\x01"  # RFC 9180, 7.1 and 7.2
AEADS = {b"\x00\x01": 16, b"\x00\x02": 32}  # 7.3: AES-128-GCM and AES-256-GCM, and the length of their keys
AES_128_GCM, AES_256_GCM = AEADS
NONCE_BYTES = 12


def point(key):
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def from_point(data):
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)


def context(shared_point, enc, recipient, info, aead):
    """Key and base nonce (4.1 and 5.1)."""
    prk = _extract(b"KEM" + KEM, b"", b"eae_prk", shared_point)
    secret = _expand(b"KEM" + KEM, prk, b"shared_secret", enc + recipient, 32)
    suite = b"HPKE" + KEM + KDF + aead
    schedule = b"\x00" + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    secret = _extract(suite, secret, b"secret", b"")
    return _expand(suite, secret, b"key", schedule, AEADS[aead]), _expand(
        suite, secret, b"base_nonce", schedule, NONCE_BYTES
    )


def seal(recipient, info, plain, aad=b"", aead=AES_256_GCM, ephemeral=None):
    """(enc, ciphertext) of the first message to a public key."""
    ephemeral = ephemeral or ec.generate_private_key(ec.SECP256R1())
    enc = point(ephemeral.public_key())
    key, nonce = context(ephemeral.exchange(ec.ECDH(), recipient), enc, point(recipient), info, aead)
    return enc, AESGCM(key).encrypt(nonce, plain, aad)


def unseal(recipient, enc, info, sealed, aad=b"", aead=AES_256_GCM):
    """What was sealed for a private key."""
    shared = recipient.exchange(ec.ECDH(), from_point(enc))
    key, nonce = context(shared, enc, point(recipient.public_key()), info, aead)
    return AESGCM(key).decrypt(nonce, sealed, aad)


def _extract(suite, salt, label, material):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def _expand(suite, key, label, info, length):
    made, last, number = b"", b"", 1
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    while len(made) < length:
        last = hmac.digest(key, last + info + bytes([number]), "sha256")
        made, number = made + last, number + 1
    return made[:length]
