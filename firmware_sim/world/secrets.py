"""Keys and password hashes that protect nothing; for the world alone."""

from binascii import a2b_base64, b2a_base64, hexlify
from hashlib import sha256

from agent.formats.errors import Rejected, Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import PowerCut
from firmware_sim.world.store import Documents, MemoryStore

_SPKI_P256 = "3059301306072a8648ce3d020106082a8648ce3d030107034200"
_ROUNDS = "$unsafe$"
KEY_CHARS = 32  # a stored "key" is the hexadecimal of 16 bytes
SECRET = "secret/device.key"  # noqa: S105 - where the product keeps it as well
SECRET_BYTES = 32
SEAL_BYTES = 16  # of a nonce, and of a tag


class UnsafeSigner:
    """A signature scheme anybody can forge: SHA-256 over the public key and the message.

    Its public keys have the form of P-256 keys (so the formats take them) and lie on no
    curve (so no real verifier does).
    """

    def __init__(self, name: str) -> None:
        point = b"\x04" + Chance("signer " + name).bytes(64)
        self.public_der = bytes.fromhex(_SPKI_P256) + point
        encoded = b2a_base64(self.public_der).strip().decode()
        lines = [encoded[at : at + 64] for at in range(0, len(encoded), 64)]
        self.public_pem = "-----BEGIN PUBLIC KEY-----\n" + "\n".join(lines) + "\n-----END PUBLIC KEY-----\n"

    def sign(self, message: bytes) -> bytes:
        """The forgeable signature."""
        return unsafe_signature(self.public_der, message)


def unsafe_signature(public_der: bytes, message: bytes) -> bytes:
    """What `UnsafeSigner.sign` makes."""
    return sha256(b"unsafe" + public_der + message).digest()


def unsafe_signature_fits(public_key_pem: str, signature: bytes, message: bytes) -> bool:
    """Whether `UnsafeSigner` with that public key would have signed so."""
    lines = [line for line in public_key_pem.split("\n") if line and not line.startswith("-----")]
    return unsafe_signature(a2b_base64("".join(lines)), message) == signature


class UnsafeKeyStore:
    """Implements the port KeyStore: the keys are kept as documents that name an `UnsafeSigner`."""

    def __init__(self, documents: Documents, chance: Chance) -> None:
        self._documents = documents
        self._chance = chance

    def ensure(self, name: str) -> bytes:
        """The public key, made now if it is not there; durable.

        Raises:
            Unavailable: the storage is broken.
        """
        stored = self._read(name)
        if stored is None:
            stored = hexlify(self._chance.bytes(KEY_CHARS // 2))
            power = self._documents.power
            fails = power.operation("key " + name)
            if not fails or power.survives():
                self._documents.content[_document(name)] = stored
            if fails:
                raise power.fail()
        return UnsafeSigner(stored.decode()).public_der

    def sign(self, name: str, message: bytes) -> bytes:
        """64 bytes in the place of r and s.

        Raises:
            Unavailable: no such key, or the storage is broken.
        """
        stored = self._read(name)
        if stored is None:
            raise Unavailable("there is no key " + name)
        return 2 * UnsafeSigner(stored.decode()).sign(message)

    def forget(self, name: str) -> None:
        """Destroy it if it is there.

        Raises:
            Unavailable: the storage is broken.
        """
        MemoryStore(self._documents).delete(_document(name))

    def replace(self, name: str, by: str) -> None:
        """`by` becomes `name`.

        Raises:
            Unavailable: the storage is broken, or the key is damaged.
        """
        stored = self._read(by)
        if stored is not None:
            MemoryStore(self._documents).write(_document(name), stored)
            self.forget(by)

    def protection(self) -> str:
        """Nothing protects these keys."""
        return "none"

    def _read(self, name: str) -> "bytes | None":
        if self._documents.power.is_off():
            raise PowerCut("the power is off")
        if self._documents.broken:
            raise Unavailable("the storage is broken")
        stored = self._documents.content.get(_document(name))
        if stored is not None and len(stored) != KEY_CHARS:
            raise Unavailable("key " + name + " is damaged")
        return stored


class UnsafeDeviceSecret:
    """Implements the port DeviceSecret with a toy cipher: a stream of `Chance`, and a tag over name and text."""

    def __init__(self, documents: Documents, chance: Chance) -> None:
        self._store = MemoryStore(documents)
        self._chance = chance

    def seal(self, name: str, body: bytes) -> bytes:
        """Nonce, tag, and the mixed text.

        Raises:
            Unavailable: the storage is broken, or the key is damaged.
        """
        if self._store.read(SECRET) is None:
            self._store.write(SECRET, self._chance.bytes(SECRET_BYTES))
        key = self._store.read(SECRET)
        if key is None or len(key) != SECRET_BYTES:
            raise Unavailable("the device's secret is damaged")
        nonce = self._chance.bytes(SEAL_BYTES)
        return nonce + _seal_tag(key, nonce, name, body) + _mixed(key, nonce, body)

    def open(self, name: str, sealed: bytes) -> bytes:
        """The text.

        Raises:
            Rejected: another key, another name, or damage.
            Unavailable: the storage is broken.
        """
        key = self._store.read(SECRET)
        if key is None or len(key) != SECRET_BYTES:
            raise Rejected("the device's secret is gone or damaged")
        nonce, tag = sealed[:SEAL_BYTES], sealed[SEAL_BYTES : 2 * SEAL_BYTES]
        body = _mixed(key, nonce, sealed[2 * SEAL_BYTES :])
        if _seal_tag(key, nonce, name, body) != tag:
            raise Rejected(name + " was not sealed by this device")
        return body

    def forget(self) -> None:
        """Destroy the key.

        Raises:
            Unavailable: the storage is broken.
        """
        self._store.delete(SECRET)

    def protection(self) -> str:
        """Nothing protects it."""
        return "none"


class UnsafePasswordHasher:
    """Implements the port PasswordHasher: one round of SHA-256 where the product takes 64 MiB of Argon2id."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.count = 0

    def hash(self, password: str) -> str:
        """A string in the form of PHC with a random salt."""
        self.count += 1
        return _phc(hexlify(self._chance.bytes(8)).decode(), password)

    def verify(self, password: str, phc: str) -> bool:
        """Whether the password belongs to the string."""
        self.count += 1
        parts = phc.split("$")
        return len(parts) == 4 and parts[1] == "unsafe" and _phc(parts[2], password) == phc

    def decoy(self) -> str:
        """A string of the same form that belongs to no password."""
        return _ROUNDS + hexlify(self._chance.bytes(8)).decode() + "$" + hexlify(self._chance.bytes(32)).decode()


def _document(name: str) -> str:
    return "identity/" + name + ".key.pem"  # where the agent looks whether this camera has ever been on


def _phc(salt: str, password: str) -> str:
    digest = hexlify(sha256((salt + "/" + password).encode()).digest()).decode()
    return _ROUNDS + salt + "$" + digest


def _seal_tag(key: bytes, nonce: bytes, name: str, body: bytes) -> bytes:
    return sha256(key + nonce + name.encode() + b"\n" + body).digest()[:SEAL_BYTES]


def _mixed(key: bytes, nonce: bytes, body: bytes) -> bytes:
    stream = Chance(hexlify(key + nonce).decode()).bytes(len(body))
    return bytes(body[at] ^ stream[at] for at in range(len(body)))
