"""What is encrypted to this camera alone: HPKE (RFC 9180) with the device's unsealing key."""

from typing import TYPE_CHECKING

from agent.formats.errors import Rejected

if TYPE_CHECKING:
    from agent.adapters.linux.keys import UnsafeFileKeyStore


class UnsafeFileUnsealer:
    """`agent.ports.packing.Unsealer` with the key `name` of the file key store, and as unsafe as that."""

    def __init__(self, keys: "UnsafeFileKeyStore", name: str) -> None:
        self._keys = keys
        self._name = name

    def public(self) -> bytes:
        """See `Unsealer.public`.

        Raises:
            Unavailable: the storage fails, or the stored key is damaged.
        """
        return self._keys.ensure(self._name)

    def open(self, enc: bytes, sealed: bytes, info: bytes) -> bytes:
        """See `Unsealer.open`.

        Raises:
            Rejected: it was not sealed for this key and `info`.
            Unavailable: the storage fails, or there is no such key.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives import hpke
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(self._keys.pem(self._name).encode(), None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise Rejected("the unsealing key is none of ours")
        suite = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        try:
            return suite.decrypt(enc + sealed, key, info)
        except (InvalidTag, ValueError):
            raise Rejected("what was sealed for this camera does not open with its key") from None
