"""What makes this device itself, and how its id follows from it."""

from hashlib import sha256

IDENTITY = "tls"
EVIDENCE = "evidence"
NEXT = "next"
UNSEALING = "unseal"
"""Names of keys: the device's identity, what signs its evidence, the identity that a transfer prepares, and what opens
what is encrypted to this camera alone (the port Unsealer)."""

CERTIFICATE = "identity/certificate.pem"
NEXT_CERTIFICATE = "identity/next-certificate.pem"
RENEWED_CERTIFICATE = "identity/renewed-certificate.pem"
"""The device's certificate; that of the identity that a transfer prepares; and one for the same identity that is to
take the first one's place once it has connected (agent.app.renewing)."""
ID_CHARS = 26
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def device_id(spki_der: bytes) -> str:
    """First 26 characters of the lower-case base32 of the SHA-256 of the identity key (SubjectPublicKeyInfo, DER)."""
    number = int.from_bytes(sha256(spki_der).digest(), "big")
    return "".join(_BASE32[(number >> (256 - 5 * (index + 1))) & 31] for index in range(ID_CHARS))
