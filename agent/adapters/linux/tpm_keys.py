"""Private keys in a TPM; those for TLS sealed by it, since OpenSSL wants them in memory (docs/adr/0039-tpm.md)."""

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Never

from agent.adapters.linux.device_secret import TpmDeviceSecret
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.tpm import Tpm
from agent.formats import tpm as formats
from agent.formats.errors import FormatError, Rejected, Unavailable
from agent.formats.tuf import SPKI_P256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


class TpmKeyStore:
    """`agent.ports.secrets.KeyStore` with a TPM 2.0.

    A key for evidence or unsealing is made in the TPM, and is used there; what is stored is wrapped by the TPM. A key
    for TLS is made here; while the agent runs it lies in the agent's memory, and in no file system. Both kinds are
    stored sealed by the device's secret, which is in the TPM's own memory: with that secret they go, whatever copies
    there are.
    """

    def __init__(
        self, store: FileStore, chip: Tpm, secret: TpmDeviceSecret, *, tls: tuple[str, ...], unsealing: str
    ) -> None:
        """`tls`: names of the keys for TLS; `unsealing`: of the one that opens and does not sign."""
        self._store = _SealedStore(store, secret)
        self._chip = chip
        self._for_tls = UnsafeFileKeyStore(self._store)
        self._tls_names = tls
        self._unsealing = unsealing
        self._shown: dict[str, _MemoryFile] = {}

    def path(self, name: str) -> Path:
        """Where the TLS library reads the key `name` from: memory of this process, empty while there is none.

        Asking needs no TPM: an agent with another one comes as far as the erase that makes it a new camera.
        """
        if name not in self._shown:
            self._shown[name] = _MemoryFile(name)
            try:
                self._show(name)
            except Unavailable:
                pass  # `ensure` says so to who needs it
        return self._shown[name].path

    def ensure(self, name: str) -> bytes:
        """See `KeyStore.ensure`.

        Raises:
            Unavailable: the TPM or the storage fails, or the stored key is damaged or another TPM's.
        """
        if name in self._tls_names:
            made = self._for_tls.ensure(name)
            self._show(name)
            return made
        if self._store.read(_document(name)) is None:
            kind = formats.UNSEALING if name == self._unsealing else formats.SIGNING
            self._store.write(_document(name), formats.encode_blob(self._chip.create(kind)))
        return SPKI_P256 + self._blob(name).point

    def sign(self, name: str, message: bytes) -> bytes:
        """See `KeyStore.sign`.

        Raises:
            Unavailable: no such key, it is another TPM's, or the TPM or the storage fails.
        """
        if name in self._tls_names:
            return self._for_tls.sign(name, message)
        return self._chip.sign(self._blob(name), sha256(message).digest())

    def forget(self, name: str) -> None:
        """See `KeyStore.forget`. The TPM keeps nothing of a key.

        Raises:
            Unavailable: the storage fails.
        """
        if name in self._tls_names:
            self._for_tls.forget(name)
            self._show(name)
        self._store.delete(_document(name))

    def replace(self, name: str, by: str) -> None:
        """See `KeyStore.replace`; for the keys for TLS alone.

        Raises:
            Unavailable: the TPM or the storage fails, or the key `by` is damaged.
        """
        self._for_tls.replace(name, by)
        self._show(name)
        self._show(by)

    def protection(self) -> str:
        """See `KeyStore.protection`."""
        return "tpm2"

    def pem(self, name: str) -> str:
        """A key for TLS itself, for certificate requests; never leaves this device.

        Raises:
            Unavailable: no such key, it is damaged or another TPM's, or the TPM or the storage fails.
        """
        return self._for_tls.pem(name)

    def private(self, name: str) -> "EllipticCurvePrivateKey":
        """A key of the TPM as `cryptography` takes one for ECDH; it cannot be read.

        Raises:
            Unavailable: no such key, or it is damaged.
        """
        return _as_private_key(self._chip, self._blob(name))

    def _blob(self, name: str) -> formats.Blob:
        body = self._store.read(_document(name))
        if body is None:
            raise Unavailable(f"there is no key {name}")
        try:
            return formats.parse_blob(body)
        except FormatError as error:
            raise Unavailable(f"key {name} is damaged") from error

    def _show(self, name: str) -> None:
        """Let the TLS library see the key as it is now."""
        if name in self._shown:
            held = self._for_tls.holds(name)
            self._shown[name].write(self._for_tls.pem(name).encode() if held else b"")


class _SealedStore(FileStore):
    """Documents sealed by the device's secret."""

    def __init__(self, store: FileStore, secret: TpmDeviceSecret) -> None:
        self._below = store
        self._secret = secret

    def read(self, name: str) -> bytes | None:
        sealed = self._below.read(name + ".sealed")
        if sealed is None:
            return None
        try:
            return self._secret.open(name, sealed)
        except Rejected as error:
            raise Unavailable(f"{name} is damaged, or another TPM's, or this TPM has been cleared") from error

    def write(self, name: str, data: bytes) -> None:
        self._below.write(name + ".sealed", self._secret.seal(name, data))

    def delete(self, name: str) -> None:
        self._below.delete(name + ".sealed")


class _MemoryFile:
    """A file that no file system has, and that ends with this process."""

    def __init__(self, name: str) -> None:
        self._file = os.memfd_create(name)  # close-on-exec: no program that the agent starts gets it
        self.path = Path(f"/proc/self/fd/{self._file}")
        self._held = b""

    def write(self, body: bytes) -> None:
        if body != self._held:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, body, 0)
            self._held = body


def _document(name: str) -> str:
    return f"identity/{name}.tpm"


def _as_private_key(chip: Tpm, blob: formats.Blob) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    class Key(ec.EllipticCurvePrivateKey):
        """In the TPM."""

        curve = ec.SECP256R1()
        key_size = 256

        def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
            return chip.agree(blob, peer_public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

        def public_key(self) -> ec.EllipticCurvePublicKey:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), blob.point)

        def sign(self, *_arguments: object, **_options: object) -> Never:
            raise Unavailable("a TPM's key signs by KeyStore.sign")

        def private_numbers(self) -> Never:
            raise Unavailable("the key does not leave the TPM")

        def private_bytes(self, *_arguments: object, **_options: object) -> Never:
            raise Unavailable("the key does not leave the TPM")

        def __copy__(self) -> "Key":
            return self

        def __deepcopy__(self, memo: "dict[int, object]") -> "Key":
            return self

    return Key()
