"""Named documents as a careful file system keeps them."""

from agent.formats.errors import Unavailable
from firmware_sim.world.power import Misuse, Power, PowerCut

_ALLOWED = "abcdefghijklmnopqrstuvwxyz0123456789._-"
MAX_PARTS = 4  # as the port says
DEFAULT_ROOM_BYTES = 4 * 1024 * 1024


class Documents:
    """What survives on the data partition. `broken`, `broken_folder` (such as `trust/`) and `room_bytes` are faults."""

    def __init__(self, power: Power) -> None:
        self.power = power
        self.content: dict[str, bytes] = {}
        self.broken = False
        self.broken_folder = ""
        self.room_bytes = DEFAULT_ROOM_BYTES


class MemoryStore:
    """Implements the port Store over `Documents`; the power can fail during every write and delete."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def read(self, name: str) -> "bytes | None":
        """The document, or None.

        Raises:
            Unavailable: the storage is broken.
        """
        self._check(name)
        return self._documents.content.get(name)

    def write(self, name: str, data: bytes) -> None:
        """Old or new after a power cut, durable afterwards.

        Raises:
            Unavailable: the storage is broken or full; the old document is still there.
        """
        self._check(name)
        old = len(self._documents.content.get(name, b""))
        if len(data) - old > self.free_bytes():
            raise Unavailable("the storage is full")
        fails = self._documents.power.operation("store " + name)
        if not fails or self._documents.power.survives():
            self._documents.content[name] = bytes(data)
        if fails:
            raise self._documents.power.fail()

    def delete(self, name: str) -> None:
        """Remove it if it is there; durable.

        Raises:
            Unavailable: the storage is broken.
        """
        self._check(name)
        if name not in self._documents.content:
            return
        fails = self._documents.power.operation("delete " + name)
        if not fails or self._documents.power.survives():
            del self._documents.content[name]
        if fails:
            raise self._documents.power.fail()

    def names(self, folder: str) -> "list[str]":
        """Full names of the documents right inside `folder`, sorted.

        Raises:
            Unavailable: the storage is broken.
        """
        self._check(folder)
        head = folder + "/"
        content = self._documents.content
        return sorted(name for name in content if name.startswith(head) and "/" not in name[len(head) :])

    def free_bytes(self) -> int:
        """Room left.

        Raises:
            Unavailable: the storage is broken.
        """
        if self._documents.broken:
            raise Unavailable("the storage is broken")
        return self._documents.room_bytes - sum(len(data) for data in self._documents.content.values())

    def _check(self, name: str) -> None:
        parts = name.split("/")
        if not 1 <= len(parts) <= MAX_PARTS:
            raise Misuse("a document name has one to four parts: " + name)
        for part in parts:
            if not part or part[0] == "." or any(character not in _ALLOWED for character in part):
                raise Misuse("no document name: " + name)
        if self._documents.power.is_off():
            raise PowerCut("the power is off")
        folder = self._documents.broken_folder
        if self._documents.broken or (folder and name.startswith(folder)):
            raise Unavailable("the storage is broken")


class MemorySpool:
    """Implements the port Spool over `Documents`; what a power cut leaves of an append may end anywhere."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._store = MemoryStore(documents)

    def append(self, name: str, data: bytes) -> int:
        """Write behind the end; durable.

        Raises:
            Unavailable: the storage is broken or full.
        """
        old = self._store.read(name) or b""
        power = self._documents.power
        if len(data) > self._store.free_bytes():
            raise Unavailable("the storage is full")
        if not power.operation("append " + name):
            self._documents.content[name] = old + data
            return len(old)
        if power.survives():
            self._documents.content[name] = old + data
        elif power.survives():  # torn: a part of it
            self._documents.content[name] = old + data[: power.chance.below(len(data))]
        raise power.fail()

    def read(self, name: str, offset_bytes: int, length_bytes: int) -> bytes:
        """The bytes there.

        Raises:
            Unavailable: the storage is broken.
        """
        return (self._store.read(name) or b"")[offset_bytes : offset_bytes + length_bytes]


class MemoryErasure:
    """Implements the port Erasure over `Documents`.

    `keeps` is a fault: items that will not go, though nothing says so.
    """

    def __init__(self, documents: Documents, keeps: "tuple[str, ...]" = ()) -> None:
        self._documents = documents
        self._store = MemoryStore(documents)
        self._keeps = keeps

    def contents(self) -> "list[str]":
        """Every document.

        Raises:
            Unavailable: the storage is broken.
        """
        self._store.free_bytes()
        return sorted(self._documents.content)

    def remove(self, item: str) -> None:
        """Remove the document; durable.

        Raises:
            Unavailable: the storage is broken.
        """
        if item not in self._keeps:
            self._store.delete(item)

    def renew(self) -> bool:
        """Nothing to do: these documents are not encrypted by a key of their own."""
        return False
