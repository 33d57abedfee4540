"""Keys, randomness, and the expensive hashing of passwords."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class KeyStore(Protocol):
    """Private keys (ECDSA P-256) that never leave it.

    Names in use: `tls` (the device's identity), `evidence`, `unseal` (opens what is encrypted to this camera; see the
    port Unsealer), `next` (the identity that a transfer is preparing), and `rotated` (the one that a rotation is
    preparing).

    Adapters that nothing in hardware protects have names that begin with `Unsafe`.
    """

    def ensure(self, name: str) -> bytes:
        """Make the key if it is not there; return its public half as DER SubjectPublicKeyInfo.

        Durable when it returns; a power cut during the call leaves the key made or not made, never half of it.

        Raises:
            Unavailable: the storage fails, or the stored key is damaged (it is never replaced silently).
        """
        ...

    def sign(self, name: str, message: bytes) -> bytes:
        """ECDSA with SHA-256 over `message`, as r and s of 32 bytes each.

        Raises:
            Unavailable: no such key, or the storage fails.
        """
        ...

    def forget(self, name: str) -> None:
        """Destroy the key if it is there; durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def replace(self, name: str, by: str) -> None:
        """Let the key `by` be the key `name` from now on; nothing happens when there is no key `by`.

        Durable when it returns. Called again after a power cut during the call, it ends what had begun.

        Raises:
            Unavailable: the storage fails, or the key `by` is damaged.
        """
        ...

    def protection(self) -> str:
        """How private keys are protected, for evidence: `none` or the name of the hardware that guards them."""
        ...


class DeviceSecret(Protocol):
    """One symmetric key of this device, which never leaves it and is made when it is first needed.

    What is sealed cannot be read or changed without it, nor be taken for a document of another name. That an older
    document of the same name is put back is not noticed here: who keeps documents pins them to each other.

    Adapters that nothing in hardware protects have names that begin with `Unsafe`.
    """

    def seal(self, name: str, body: bytes) -> bytes:
        """The body of the document `name`, for this device alone; sealing it twice gives different bytes.

        A key that has to be made is durable before this returns; a power cut leaves it made or not made.

        Raises:
            Unavailable: the storage fails, or the stored key is damaged (it is never replaced silently).
        """
        ...

    def open(self, name: str, sealed: bytes) -> bytes:
        """What `seal` was given. Makes no key: without one, nothing can have been sealed.

        Raises:
            Rejected: it was not sealed by this device under this name, it is damaged, or the key is.
            Unavailable: the storage fails.
        """
        ...

    def forget(self) -> None:
        """Destroy the key if it is there, and with it all that was sealed; durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def protection(self) -> str:
        """How the key is protected, for evidence: `none` or the name of the hardware that guards it."""
        ...


class Entropy(Protocol):
    """Randomness fit for secrets."""

    def bytes(self, count: int) -> bytes:
        """`count` unpredictable bytes."""
        ...


class PasswordHasher(Protocol):
    """The memory-hard hash of the password stores. `hash` and `verify` take long: in a worker, one at a time."""

    def hash(self, password: str) -> str:
        """A new Argon2id PHC string with a random salt."""
        ...

    def verify(self, password: str, phc: str) -> bool:
        """Whether the password belongs to the PHC string; a malformed string is False after the same work."""
        ...

    def decoy(self) -> str:
        """A PHC string of `hash`'s kind and cost with a random digest, which no password has; made at once."""
        ...
