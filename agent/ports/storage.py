"""Where bytes are kept: documents on the data partition, all that lies there, and the raw disk with the slots."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Store(Protocol):
    """Small named documents under the device's state folder, such as `trust/image/root` or `update/state`.

    A name is one to four parts of `[a-z0-9._-]`, joined by `/`. Nobody but the agent reads or writes them.
    """

    def read(self, name: str) -> "bytes | None":
        """The document, or None when there is none.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put the document in place, whole or not at all.

        Durable when it returns: after a power cut during the call the document is the old one or the new one, never a
        mixture, and afterwards it is the new one.

        Raises:
            Unavailable: the storage fails or is full; the old document is still there.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove the document if it is there; durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def names(self, folder: str) -> "list[str]":
        """Names of the documents right inside `folder` (full names, sorted); unfinished writes are never among them.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def free_bytes(self) -> int:
        """Room left for documents.

        Raises:
            Unavailable: the storage fails.
        """
        ...


class Spool(Protocol):
    """Files that grow at their end, beside the documents of the `Store` and removed like them (`Store.delete`).

    Names are those of documents. What a power cut during an append leaves behind the old end is any part of it, torn.
    """

    def append(self, name: str, data: bytes) -> int:
        """Write behind the file's end; returns where that was. The file is made if it is not there.

        Durable when it returns.

        Raises:
            Unavailable: the storage fails or is full; what was there before is still there, and behind it may be a part
                of the data.
        """
        ...

    def read(self, name: str, offset_bytes: int, length_bytes: int) -> bytes:
        """The bytes there; fewer where the file ends, none where there is no file.

        Raises:
            Unavailable: the storage fails.
        """
        ...


class Erasure(Protocol):
    """Everything that lies on the data partition, known to this version or not: what an erase looks at.

    An item is a path below the device's state folder (`credentials/web.json`, unfinished writes such as
    `credentials/web.json.new` included), or an absolute path in a folder that the manufacturer named as the user's.
    """

    def contents(self) -> "list[str]":
        """Every item, looked up now; in an order in which they can be removed.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def remove(self, item: str) -> None:
        """Overwrite and remove the item if it is there; durable when it returns.

        Overwriting reaches what the file system still maps to the file. Older copies that a flash chip keeps out of
        reach are not for software to clear.

        Raises:
            Unavailable: the storage fails.
        """
        ...

    def renew(self) -> bool:
        """The last step of an erase: make unreadable, for this device as well, all that was written until now.

        Where the storage is encrypted by a key of its own, the key is destroyed, and the next start makes the storage
        anew with what an erase keeps, its journal included. A power cut leaves it begun or not begun.

        Returns:
            Whether the device has to restart for it now. False also when this is that start: nothing is older then.

        Raises:
            Unavailable: the storage, or what keeps the key, fails.
        """
        ...


class BlockDevice(Protocol):
    """The raw disk, addressed by byte; the caller keeps within the slots of its layout."""

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Exactly `length_bytes` bytes, from the medium where the adapter can arrange it (what `flush` wrote back).

        Raises:
            Unavailable: the range is beyond the end, or the medium fails.
        """
        ...

    def digests(self, offset_bytes: int, blocks: int) -> bytes:
        """The SHA-256 of each of `blocks` blocks of 4096 bytes, 32 bytes each, read as `read` reads. May block long.

        Raises:
            Unavailable: as `read`.
        """
        ...

    def write(self, offset_bytes: int, data: "bytes | bytearray | memoryview") -> None:
        """Write; offset and length are multiples of the erase size.

        NOT durable: until `flush` returns, a power cut may lose any part of it, tear it, and reorder it with
        other writes.

        Raises:
            Unavailable: the range is beyond the end, misaligned, or the medium fails or is read-only.
        """
        ...

    def flush(self) -> None:
        """Every write before this call survives a power cut once it returns.

        Raises:
            Unavailable: the medium fails; earlier writes may be lost.
        """
        ...

    def size_bytes(self) -> int:
        """Length of the device.

        Raises:
            Unavailable: the medium fails.
        """
        ...
