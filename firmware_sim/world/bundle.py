"""Offline bundles in the world: files on sticks that people plug in, and the upload on the data partition."""

from agent.formats import bundle
from agent.formats.bundle import BundleGone, NoRoom
from agent.formats.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.bundle import Bundle
    from agent.formats.delivery import Source
    from firmware_sim.world.store import Documents

STATE = "/data/camward/"
UPLOAD = "bundle/upload.bundle"


def make(files: "dict[str, bytes]", release: str) -> bytes:
    """The bundle of these files by path, about this target."""
    paths = sorted(files)
    head = bundle.encode(release, [(path, len(files[path])) for path in paths])
    return head + b"".join(files[path] for path in paths)


class WorldBundle:
    """Implements the port BundleReader; one per boot.

    `sticks` holds files by path and belongs to the world. A file that is taken away in the middle is gone at once.
    """

    def __init__(self, sticks: "dict[str, bytes]", documents: "Documents") -> None:
        self._sticks = sticks
        self._documents = documents
        self._path = ""
        self._found: Bundle | None = None

    def open(self, path: str, device: str) -> "Bundle":
        """Use this file.

        Raises:
            FormatError: it is no bundle, or not a whole one.
            BundleGone: there is no such file.
        """
        self._path, self._found = path, None
        body = self._body()
        head = bundle.parse_head(body[: bundle.HEAD_BYTES])
        if len(body) != head.total_bytes:
            raise FormatError("the bundle is not as long as it says")
        self._found = bundle.parse_index(body[bundle.HEAD_BYTES : bundle.HEAD_BYTES + head.index_bytes], head, device)
        return self._found

    def get(self, path: str, max_bytes: int, offset_bytes: int = 0, length_bytes: int = 0) -> "bytes | None":
        """The file, or the range of it, or None where there is none.

        Raises:
            BundleGone: no bundle is open, or it is gone.
        """
        if self._found is None:
            raise BundleGone("no bundle is open")
        body = self._body()
        if path not in self._found.files:
            return None
        begin, length = self._found.files[path]
        wanted = max(0, min(length_bytes or length, length - offset_bytes, max_bytes + 1))
        return body[begin + offset_bytes : begin + offset_bytes + wanted]

    def read(
        self, source: "Source", path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> bytes:
        """The next bytes of a file.

        Raises:
            BundleGone: there is not so much of such a file.
        """
        length = min(max_bytes, end_bytes - offset_bytes)
        found = self.get(path, length, offset_bytes, length) or b""
        whole = found[: len(found) - len(found) % align_bytes]
        if not whole or source.url:
            raise BundleGone("the bundle lacks " + path)
        return whole

    def close(self) -> None:
        """Let go of the file."""
        self._found = None

    def _body(self) -> bytes:
        body = self._sticks.get(self._path)
        if body is None and self._path.startswith(STATE):
            body = self._documents.content.get(self._path[len(STATE) :])
        if body is None:
            raise BundleGone(self._path + " cannot be read")
        return body


class WorldUploads:
    """Implements the port Uploads over `Documents`; what the camera's program writes is put there by `fill`."""

    def __init__(self, documents: "Documents") -> None:
        self._documents = documents

    def begin(self, length_bytes: int) -> str:
        """Make room.

        Raises:
            NoRoom: there is not enough.
        """
        self.discard()
        content = self._documents.content
        room = self._documents.room_bytes - sum(len(content[name]) for name in content)
        if length_bytes > room:
            raise NoRoom("the bundle has " + str(length_bytes) + " bytes, and there is room for " + str(max(0, room)))
        content[UPLOAD] = bytes(length_bytes)
        return STATE + UPLOAD

    def finish(self) -> str:
        """The path of the upload.

        Raises:
            BundleGone: there is none.
        """
        if UPLOAD not in self._documents.content:
            raise BundleGone("nothing was uploaded")
        return STATE + UPLOAD

    def discard(self) -> None:
        """Remove the upload, if there is one."""
        self._documents.content.pop(UPLOAD, None)

    def fill(self, body: bytes) -> None:
        """What the camera's program does: write into the room that was made, and no further."""
        room = len(self._documents.content[UPLOAD])
        self._documents.content[UPLOAD] = body[:room] + bytes(room - len(body[:room]))
