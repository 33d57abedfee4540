"""The inactive slot is written: tree, blocks, and reading back; these are actions of the table of agent.core.update.

agent.app.updating runs them and keeps the state.
"""

from agent.app.installing import BadMedium, Installing, Slots
from agent.app.packed import INDEX, Packed, packed
from agent.app.reading_tree import TREE, ReadingTree
from agent.app.sources import DOWNLOADER, Sources
from agent.app.update_state import release_of
from agent.core import slots, update
from agent.formats import delivery, messages
from agent.formats.block_tree import root_of
from agent.formats.errors import FormatError, Rejected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.reporting import Reporting
    from agent.app.trial import Shell
    from agent.app.trusted_time import TrustedTime
    from agent.core.slots import Layout
    from agent.core.trust import Release
    from agent.formats.delivery import Delivery, Source
    from agent.formats.errors import CamwardError

BUNDLE = "bundle"  # the port, by name; a file at hand costs the line nothing


class Writing:
    """Fetches and writes, for an update that `shell` keeps the state of."""

    def __init__(
        self, desk: "Desk", time: "TrustedTime", reporting: "Reporting", layout: "Layout", shell: "Shell"
    ) -> None:
        self._desk = desk
        self._time = time
        self._reporting = reporting
        self._layout = layout
        self._shell = shell
        self._sources: "Sources | None" = None
        self._fetched_before = 0
        self._tree: "ReadingTree | None" = None
        self._installing: "Installing | None" = None

    def actions(self) -> "dict[str, Callable[[], None]]":
        """The actions of the table that belong to writing, by name."""
        return {
            "fetch_tree": self._fetch_tree,
            "write_blocks": lambda: self._open().write_blocks(),
            "read_back": lambda: self._open().read_back(),
        }

    def end(self) -> None:
        """Drop what is under way."""
        for part in (self._tree, self._installing):
            if part is not None:
                part.stop()
        self._sources = self._tree = self._installing = None
        self._fetched_before = 0

    def went_on(self) -> bool:
        """Whether anything has come since this was asked last: then a failure is not one more in a row."""
        fetched = 0 if self._sources is None else self._sources.fetched_bytes
        before, self._fetched_before = self._fetched_before, fetched
        return fetched > before

    def progress(self) -> "int | None":
        """Blocks in place in percent, while there are any."""
        return None if self._installing is None else self._installing.progress()

    def _fetch_tree(self) -> None:
        if self._tree is None:
            release, artifact = self._release(), self._delivery().artifact
            self._tree = ReadingTree(self._desk, release, artifact, self._from(), self._have_tree)
        else:
            self._tree.go_on()

    def _have_tree(self, error: "CamwardError | None") -> None:
        if error is None:
            self._tree = None
            self._shell.go("complete")
        else:
            self._shell.go("refused" if isinstance(error, Rejected) else "unavailable", error)

    def _open(self) -> Installing:
        if self._installing is None:
            leaves = self._desk.ports.store.read(TREE)
            release, target = self._release(), self._shell.state.slot
            if leaves is None or len(leaves) != release.tree_length_bytes:
                raise BadMedium("the stored block tree is gone")
            if root_of(leaves) != bytes.fromhex(release.tree_root):
                raise BadMedium("the stored block tree is not that of the release")
            if target == self._desk.ports.boot.booted_slot():
                raise BadMedium("the slot to be written is the one that runs")
            active = slots.other(target)
            written, read = self._layout.slot(target), self._layout.slot(active)
            where = Slots(
                written.offset, written.length, read.offset, read.length, target, active, self._layout.erase_bytes
            )
            self._installing = Installing(
                self._desk, release, leaves, self._packed(), where, self._from(), self._worked,
                free=self._desk.source == BUNDLE,
            )  # fmt: skip
        return self._installing

    def _packed(self) -> "Packed | None":
        """The segment artifact, where one was announced and its index has come."""
        artifact = self._delivery().artifact
        if artifact is None:
            return None
        try:
            return packed(artifact, self._desk.ports.store.read(INDEX) or b"")
        except FormatError:
            return None

    def _worked(self, event: str, error: "CamwardError | None") -> None:
        if event == "damaged":
            damaged = self._shell.state.damaged + 1
            if damaged >= update.MAX_DAMAGED_READ_BACKS:
                self._shell.go("refused", error)
            else:
                self._shell.go("damaged", error, damaged=damaged)
            return
        self._shell.go(event, error)

    def _from(self) -> Sources:
        if self._sources is None:
            ordered = self._desk.source  # at the camera: from there, and from nowhere else
            listed = () if ordered else self._delivery().sources
            self._sources = Sources(self._desk, self._time, listed, ordered or DOWNLOADER, metered=ordered != BUNDLE)
            self._sources.liar_hook = self._caught
        return self._sources

    def _caught(self, source: "Source", what: str) -> None:
        """A source that lies cost a retry; somebody should know."""
        state, name = self._shell.state, source.device or source.url
        version = self._release().version
        detail = name + " sent something else for " + what
        lied = messages.Report("source_lied", state.origin, version, "arbitrary_software", detail, state.slot, None)
        self._reporting.report_update(lied)

    def _delivery(self) -> "Delivery":
        way = self._shell.state.delivery
        return delivery.PLAIN if way is None else delivery.parse(way)

    def _release(self) -> "Release":
        """What is being installed.

        Raises:
            FormatError: the saved state lost it.
        """
        release = self._shell.state.release
        if release is None:
            raise FormatError("the saved update names no release")
        return release_of(release)
