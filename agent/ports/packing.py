"""Packed and sealed bytes: what turns a segment artifact into blocks, and what is encrypted from and to this camera."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Unpacker(Protocol):
    """Decryption and decompression of one segment. The calls block: they run in a worker.

    No result is trusted before its blocks are verified.
    """

    def plain(self, content: bytes) -> bytes:
        """`content`, which is not packed: so that its blocks are hashed where a segment's are."""
        ...

    def decrypt(self, key: bytes, number: int, stored: bytes) -> bytes:
        """The plain form of an encrypted segment: AES-256-GCM, as agent.formats.segments describes it.

        Raises:
            Rejected: the key or the bytes are wrong, or this device cannot do it.
        """
        ...

    def unpack(self, frame: bytes, prefix: bytearray, length_bytes: int) -> bytes:
        """The content of one zstd frame (RFC 8878) that was made behind `prefix`; exactly `length_bytes` bytes.

        `prefix` is emptied: a library that keeps a copy has it in memory once. Memory stays within a few times the
        lengths of the arguments, whatever the frame claims.

        Raises:
            Rejected: it is no such frame, has another length, or this device cannot do it.
        """
        ...


class Unsealer(Protocol):
    """The device's unsealing key (P-256), which never leaves it: for what is encrypted to this camera alone."""

    def public(self) -> bytes:
        """Its public half as DER SubjectPublicKeyInfo; the key is made if it is not there. Durable when it returns.

        Raises:
            Unavailable: the storage fails, or the stored key is damaged.
        """
        ...

    def open(self, enc: bytes, sealed: bytes, info: bytes) -> bytes:
        """HPKE (RFC 9180) base mode with P-256, HKDF-SHA256 and AES-256-GCM, no associated data.

        Raises:
            Rejected: it was not sealed for this key and `info`.
            Unavailable: the storage fails, or there is no such key.
        """
        ...


class Sealer(Protocol):
    """Encrypts what only the holder of a public key shall read. A content key is made here and never leaves."""

    def start(self, point: bytes, info: bytes) -> "tuple[bytes, bytes]":
        """Draw a new content key, for all that is sealed from now on; nothing of it is stored.

        Args:
            point: the recipient's P-256 public key, uncompressed (65 bytes).
            info: what the encryption of the key is bound to.

        Returns:
            The content key under HPKE (RFC 9180; base mode, P-256, HKDF-SHA256, AES-256-GCM): the encapsulated key,
            and the encrypted one with its tag.

        Raises:
            Rejected: the point is none of the curve.
        """
        ...

    def seal(self, plain: bytes, associated: bytes) -> "tuple[bytes, bytes]":
        """AES-256-GCM under the content key: the IV, and the ciphertext with its tag.

        No IV serves two different texts under one key, also where the machine's memory, its storage or its randomness
        goes back to what it was before.

        Raises:
            Unavailable: nothing was started.
        """
        ...
