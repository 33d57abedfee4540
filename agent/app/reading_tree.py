"""Brings the block tree of a release onto the data partition, verified; and the index of its segment artifact."""

from hashlib import sha256

from agent.app.packed import INDEX, packed
from agent.app.sources import OWN
from agent.app.work import Work
from agent.core.trust_errors import ArbitrarySoftware
from agent.formats.block_tree import TreeHasher
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.sources import Sources
    from agent.app.work import Steps
    from agent.core.trust import Release
    from agent.formats.delivery import Artifact
    from agent.formats.errors import CamwardError

    Then = Callable[[CamwardError | None], None]

TREE = "update/tree.bin"
STEP_BYTES = 64 * 1024  # of hashes: what one step folds into the root


class NoRoom(Rejected):
    """The data partition cannot hold what an update needs there."""

    code = "storage"


class ReadingTree:
    """Into `update/tree.bin` and `update/index.bin`; what is stored there already is verified again, not fetched."""

    def __init__(
        self, desk: "Desk", release: "Release", artifact: "Artifact | None", sources: "Sources", then: "Then"
    ) -> None:
        """`then(error)`: None when both are there; an index that is not what was signed is left out."""
        self._desk = desk
        self._work = Work(desk, "tree")
        self._release = release
        self._artifact = artifact
        self._sources = sources
        self._then = then
        self._found = bytearray()
        self._givers: "list[Any]" = []
        self.go_on()

    def go_on(self) -> None:
        """Begin, or after `then` got something unavailable: ask for the next piece again."""
        self._work.start(self._run(), self._ended)

    def stop(self) -> None:
        """Drop what is under way."""
        self._work.stop()

    def _ended(self, error: "CamwardError | None") -> None:
        self._sources.save()
        self._then(error)

    def _run(self) -> "Steps":
        yield from self._tree()
        if self._artifact is not None:
            yield from self._index(self._artifact)

    def _tree(self) -> "Steps":
        release, store = self._release, self._desk.ports.store
        stored = store.read(TREE)
        if stored is not None and len(stored) == release.tree_length_bytes and (yield from self._right(stored)):
            return
        path = "/targets/" + release.tree_sha256 + "." + release.tree_name
        while True:
            givers = yield from self._fetch(path, release.tree_length_bytes)
            tree, self._found = bytes(self._found), bytearray()
            if (yield from self._right(tree)):
                self._keep(TREE, tree)
                return
            if not self._blame(givers, release.tree_name):
                raise ArbitrarySoftware(release.tree_name + " is not the tree that the release signed")

    def _right(self, tree: bytes) -> "Generator[Any, Any, bool]":
        release, hasher, digest = self._release, TreeHasher(), sha256()
        for at in range(0, len(tree), STEP_BYTES):
            hasher.feed(tree[at : at + STEP_BYTES])
            digest.update(tree[at : at + STEP_BYTES])
            yield None
        right = digest.digest() == bytes.fromhex(release.tree_sha256)
        return right and hasher.root() == bytes.fromhex(release.tree_root)

    def _index(self, artifact: "Artifact") -> "Steps":
        """An index that is not what was signed is no reason not to install, unless there is no other way."""
        stored = self._desk.ports.store.read(INDEX)
        if stored is not None and _fits(artifact, stored):
            return
        path = "/targets/" + artifact.sha256 + "." + artifact.name
        while True:
            givers = yield from self._fetch(path, artifact.index_length_bytes)
            index, self._found = bytes(self._found), bytearray()
            if _fits(artifact, index):
                self._keep(INDEX, index)
                return
            if not self._blame(givers, artifact.name):
                break
        if artifact.enc:
            raise ArbitrarySoftware(artifact.name + " does not begin with the index that the director signed")

    def _fetch(self, path: str, length: int) -> "Generator[Any, Any, Any]":
        """Bring the first bytes of a target into `_found`, going on behind what is there; who gave any of them."""
        while len(self._found) < length:
            asked = self._sources.begin(self._work, path, len(self._found), length, length, 1)
            piece, source = yield from self._sources.take(self._work, asked)
            self._found += piece
            self._givers.append(source)
        givers, self._givers = self._givers, []
        return givers

    def _blame(self, givers: "list[Any]", what: str) -> bool:
        """Whoever gave a part of it is not asked again; false where the operator's server gave all of it."""
        others = [source for source in givers if source != OWN]
        for source in others:
            self._sources.blame(source, what)
        return bool(others)

    def _keep(self, name: str, body: bytes) -> None:
        try:
            self._desk.ports.store.write(name, body)
        except Unavailable as error:
            raise NoRoom(name + ": " + error.detail) from None


def _fits(artifact: "Artifact", index: bytes) -> bool:
    try:
        packed(artifact, index)
    except FormatError:
        return False
    return True
