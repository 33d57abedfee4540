"""What leaves this camera for the operator's server alone: HPKE (RFC 9180) for a key, AES-256-GCM for the messages."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.formats.cose import CONTENT_KEY_BYTES, ENC_BYTES, IV_BYTES
from agent.formats.errors import Rejected, Unavailable
from agent.formats.hmac import hmac_sha256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

IV_KEY_BYTES = 32


class HpkeSealer:
    """`agent.ports.packing.Sealer` by cryptography, which is imported where it is first needed.

    The IV of a message is a keyed hash of the message and of what is authenticated with it. So there is no counter that
    could go back and no randomness that could repeat: where a restored snapshot brings the same content key again, two
    different messages have different IVs all the same, and equal ones give equal bytes
    (docs/adr/0032-sealed-messages.md).
    """

    def __init__(self, draw: Callable[[int], bytes] = os.urandom) -> None:
        """`draw` gives so many random bytes."""
        self._draw = draw
        self._cipher: AESGCM | None = None
        self._iv_key = b""

    def start(self, point: bytes, info: bytes) -> tuple[bytes, bytes]:
        """See `Sealer.start`.

        Raises:
            Rejected: the point is none of the curve.
        """
        from cryptography.hazmat.primitives import hpke
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
        except ValueError:
            raise Rejected("the operator's sealing key is no point of P-256") from None
        drawn = self._draw(CONTENT_KEY_BYTES + IV_KEY_BYTES)
        content_key, self._iv_key = drawn[:CONTENT_KEY_BYTES], drawn[CONTENT_KEY_BYTES:]
        suite = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        wrapped = suite.encrypt(content_key, key, info)
        self._cipher = AESGCM(content_key)
        return wrapped[:ENC_BYTES], wrapped[ENC_BYTES:]

    def seal(self, plain: bytes, associated: bytes) -> tuple[bytes, bytes]:
        """See `Sealer.seal`.

        Raises:
            Unavailable: nothing was started.
        """
        if self._cipher is None:
            raise Unavailable("no sealing was started")
        told = len(associated).to_bytes(4, "big") + associated + plain
        iv = hmac_sha256(self._iv_key, told)[:IV_BYTES]
        return iv, self._cipher.encrypt(iv, plain, associated)
