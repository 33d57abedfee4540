"""How a claim is bound to the camera's TLS certificate: both sides prove that they know the label's code, each over the
certificate it sees (docs/adr/0019-claim-binding.md). Pure; the camera and the installer's tool share it.

The client sends its proof, the camera checks it and answers with its own, and only then does the client send code and
password, on a connection with the same certificate. A man in the middle who shows a certificate of his own makes the
two sides compute over different fingerprints: neither proof fits, and he has seen neither code nor password.
"""

from hashlib import sha256

from agent.formats.hmac import hmac_sha256
from agent.formats.label import normal_code

NONCE_BYTES = 32  # of the client, new for each conversation; hexadecimal on the wire
PROOF_BYTES = 32
FINGERPRINT_BYTES = 32
"""SHA-256 of the certificate, DER: `tls-server-end-point` of RFC 5929 (4.1) for a certificate signed with SHA-256."""

_CLIENT = b"camward claim 1: client\0"
_CAMERA = b"camward claim 1: camera\0"


def verifier(salt: bytes, code: str) -> bytes:
    """What the factory leaves on the camera of the label's code (agent.formats.label), from the code as typed."""
    return sha256(salt + normal_code(code)).digest()


def client_proof(known: bytes, nonce: bytes, fingerprint: bytes) -> bytes:
    """Proof of whoever wants to claim. The text in front keeps the two proofs apart: neither side can echo the other's.

    Args:
        known: `verifier`.
        nonce: NONCE_BYTES.
        fingerprint: FINGERPRINT_BYTES of the certificate that the client was shown.
    """
    return hmac_sha256(known, _CLIENT + nonce + fingerprint)


def camera_proof(known: bytes, nonce: bytes, fingerprint: bytes) -> bytes:
    """Proof of the camera; the arguments as for `client_proof`, `fingerprint` of the certificate that it shows."""
    return hmac_sha256(known, _CAMERA + nonce + fingerprint)
