"""The device's own symmetric key, as a file: seals documents with AES-256-GCM."""

from agent.adapters.linux.store import FileStore
from agent.formats.errors import Rejected, Unavailable

KEY = "secret/device.key"
KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D, 5.2.1.1: the length that GCM takes as it is
_CONTEXT = b"camward sealed document 1\n"  # the key serves this purpose alone; another one gets another first line


class UnsafeFileDeviceSecret:
    """`agent.ports.secrets.DeviceSecret` as 32 random bytes in the store (0600).

    Unsafe: the key lies on the same storage as what it seals. It keeps a copied document, a backup or a file that
    leaked from being read, and is gone with an erase; whoever takes the whole storage has both. A TPM or secure element
    takes its place where there is one.

    Each sealing draws its nonce anew. A counter would have to be stored, and would go back when somebody puts an old
    copy of the storage back; then one nonce would serve two texts, which breaks GCM. Of 96 random bits, a key may use
    2^32 (SP 800-38D, 8.3): a camera seals two at each change of a password, and each message that it stores, which with
    one every five seconds for twenty years are 2^27. It draws a new key after an erase.
    """

    def __init__(self, store: FileStore) -> None:
        self._store = store

    def seal(self, name: str, body: bytes) -> bytes:
        """See `DeviceSecret.seal`: nonce, then ciphertext and tag.

        Raises:
            Unavailable: the storage fails, or the stored key is damaged.
        """
        import os

        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._store.read(KEY)
        if key is None:
            self._store.write(KEY, os.urandom(KEY_BYTES))
            key = self._store.read(KEY)
        if key is None or len(key) != KEY_BYTES:
            raise Unavailable("the device's secret is damaged")
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, body, _CONTEXT + name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """See `DeviceSecret.open`.

        Raises:
            Rejected: it was not sealed by this device under this name, it is damaged, or the key is.
            Unavailable: the storage fails.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._store.read(KEY)
        if key is None or len(key) != KEY_BYTES:
            raise Rejected("the device's secret is gone or damaged")
        try:
            return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _CONTEXT + name.encode())
        except (InvalidTag, ValueError):
            raise Rejected(name + " was not sealed by this device") from None

    def forget(self) -> None:
        """See `DeviceSecret.forget`.

        Raises:
            Unavailable: the storage fails.
        """
        self._store.delete(KEY)

    def protection(self) -> str:
        """See `DeviceSecret.protection`."""
        return "none"
