"""What is encrypted to this camera alone: HPKE (RFC 9180) with the device's unsealing key."""

from typing import TYPE_CHECKING

from agent.formats.errors import Rejected

if TYPE_CHECKING:
    from agent.adapters.linux.keys import UnsafeFileKeyStore
    from agent.adapters.linux.tpm_keys import TpmKeyStore


class HpkeUnsealer:
    """`agent.ports.packing.Unsealer` with the key `name` of the key store, and as safe as that."""

    def __init__(self, keys: "UnsafeFileKeyStore | TpmKeyStore", name: str) -> None:
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

        key = self._keys.private(self._name)
        suite = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        try:
            return suite.decrypt(enc + sealed, key, info)
        except (InvalidTag, ValueError):
            raise Rejected("what was sealed for this camera does not open with its key") from None
