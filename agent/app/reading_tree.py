"""Brings the block tree of a release onto the data partition, verified."""

from hashlib import sha256

from agent.core.trust import ArbitrarySoftware
from agent.formats.block_tree import TreeHasher
from agent.formats.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.core.trust import Release
    from agent.formats.errors import CamwardError

    Then = Callable[[bytes | None, CamwardError | None], None]

TREE = "update/tree.bin"
TREE_PIECE_BYTES = 64 * 1024
_TIMER = "tree"


class ReadingTree:
    """One piece per step, into `update/tree.bin`; what is stored there already is verified again, not fetched."""

    def __init__(self, desk: "Desk", release: "Release", then: "Then") -> None:
        self._desk = desk
        self._release = release
        self._then = then
        self._stored = desk.ports.store.read(TREE)
        if self._stored is not None and len(self._stored) != release.tree_length_bytes:
            self._stored = None
        self._begin()

    def go_on(self) -> None:
        """After `then` got something unavailable: ask for the next piece again."""
        self._more()

    def _begin(self) -> None:
        self._found = bytearray()
        self._hasher = TreeHasher()
        self._digest = sha256()
        self._more()

    def _more(self) -> None:
        at = len(self._found)
        length = min(TREE_PIECE_BYTES, self._release.tree_length_bytes - at)
        if not length:
            self._finish()
        elif self._stored is not None:
            piece = self._stored[at : at + length]
            self._desk.soon(_TIMER, lambda: self._take(piece))
        else:
            path = "/targets/" + self._release.tree_sha256 + "." + self._release.tree_name
            self._desk.call("fetcher", "get", (path, length, at, length), self._arrived)

    def _arrived(self, body: "bytes | None", error: "CamwardError | None") -> None:
        wanted = min(TREE_PIECE_BYTES, self._release.tree_length_bytes - len(self._found))
        if error is None and (body is None or len(body) != wanted):
            error = Unavailable(self._release.tree_name + ": the server has not these bytes")
        if error is not None or body is None:
            self._then(None, error)
        else:
            self._take(body)

    def _take(self, piece: bytes) -> None:
        self._found += piece
        self._hasher.feed(piece)
        self._digest.update(piece)
        self._more()

    def _finish(self) -> None:
        release = self._release
        right = self._digest.digest() == bytes.fromhex(release.tree_sha256)
        if right and self._hasher.root() == bytes.fromhex(release.tree_root):
            try:
                if self._stored is None:
                    self._desk.ports.store.write(TREE, bytes(self._found))
            except Unavailable as error:
                self._then(None, error)
                return
            self._then(bytes(self._found), None)
        elif self._stored is not None:
            self._stored = None
            self._begin()
        else:
            self._then(None, ArbitrarySoftware(release.tree_name + " is not the tree that the release signed"))
