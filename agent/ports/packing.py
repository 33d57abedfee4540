"""What turns the stored bytes of a segment artifact (agent.formats.segments) into blocks."""

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
