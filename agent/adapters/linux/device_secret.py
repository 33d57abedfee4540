"""The device's own symmetric key, in a file or in a TPM: seals documents with AES-256-GCM."""

import os
from typing import TYPE_CHECKING

from agent.adapters.linux.store import FileStore
from agent.formats.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from agent.adapters.linux.tpm import Tpm

KEY = "secret/device.key"
KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D, 5.2.1.1: the length that GCM takes as it is
_CONTEXT = b"camward sealed document 1\n"  # the key serves this purpose alone; another one gets another first line


class _Sealing:
    """What the adapters share: all but where the key is.

    Each sealing draws its nonce anew. A counter would have to be stored, and would go back when somebody puts an old
    copy of the storage back; then one nonce would serve two texts, which breaks GCM. Of 96 random bits, a key may use
    2^32 (SP 800-38D, 8.3): a camera seals two at each change of a password, and each message that it stores, which with
    one every five seconds for twenty years are 2^27. It draws a new key after an erase.
    """

    def seal(self, name: str, body: bytes) -> bytes:
        """See `DeviceSecret.seal`: nonce, then ciphertext and tag.

        Raises:
            Unavailable: the storage fails, or the stored key is damaged.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._key()
        if key is None:
            key = self._make()
        if len(key) != KEY_BYTES:
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

        key = self._key()
        if key is None or len(key) != KEY_BYTES:
            raise Rejected("the device's secret is gone or damaged")
        try:
            return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _CONTEXT + name.encode())
        except (InvalidTag, ValueError):
            raise Rejected(name + " was not sealed by this device") from None

    def _key(self) -> bytes | None:
        raise NotImplementedError

    def _make(self) -> bytes:
        raise NotImplementedError


class UnsafeFileDeviceSecret(_Sealing):
    """`agent.ports.secrets.DeviceSecret` as 32 random bytes in the store (0600).

    Unsafe: the key lies on the same storage as what it seals. It keeps a copied document, a backup or a file that
    leaked from being read, and is gone with an erase; whoever takes the whole storage has both.

    It is read again when the file is another one: each message is sealed by it, and opened.
    """

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self._known: tuple[tuple[int, int, int], bytes | None] | None = None  # which file, and what it held

    def forget(self) -> None:
        """See `DeviceSecret.forget`.

        Raises:
            Unavailable: the storage fails.
        """
        self._known = None
        self._store.delete(KEY)

    def protection(self) -> str:
        """See `DeviceSecret.protection`."""
        return "none"

    def _key(self) -> bytes | None:
        try:
            found = os.stat(self._store.place(KEY))
        except OSError:  # gone, as a rule; `read` knows
            self._known = None
            return self._store.read(KEY)
        which = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._known is None or self._known[0] != which:
            self._known = (which, self._store.read(KEY))
        return self._known[1]

    def _make(self) -> bytes:
        self._known = None
        self._store.write(KEY, os.urandom(KEY_BYTES))
        return self._store.read(KEY) or b""


class TpmDeviceSecret(_Sealing):
    """`agent.ports.secrets.DeviceSecret` as 32 random bytes in the TPM's own memory; nothing of it is on the storage.

    The agent reads it once, and keeps it in its memory: a TPM is far too slow to seal each message. `forget` takes it
    out of the TPM, and no copy of the storage, old or new, opens any more.
    """

    def __init__(self, tpm: "Tpm") -> None:
        self._tpm = tpm
        self._known: bytes | None = None

    def forget(self) -> None:
        """See `DeviceSecret.forget`.

        Raises:
            Unavailable: the TPM fails.
        """
        self._known = None
        self._tpm.remove_secret()

    def protection(self) -> str:
        """See `DeviceSecret.protection`."""
        return "tpm2"

    def _key(self) -> bytes | None:
        if self._known is None:
            self._known = self._tpm.secret()
        return self._known

    def _make(self) -> bytes:
        self._known = self._tpm.make_secret()
        return self._known
