"""Writes one release into the inactive slot, block by block; the active slot is only ever read.

Each 4 KiB block is checked against the release's tree before it is written. What the inactive slot has already (after a
power cut, or unchanged since the version before last) stays. What the active slot has, anywhere, is copied. What the
release's segment artifact holds (agent.formats.segments) is fetched packed and unpacked behind blocks of the active
slot. The rest is fetched as it is, if the configuration lets it.

The device is written in units: whole erase blocks, or 256 KiB where those are smaller. The journal
(`update/progress.bin`) is written after a flush of the device, so a block that it names is on the medium. What was
flushed is read back from the medium while the next blocks are on their way, and the rest at the end.
"""

from agent.app.filling import Filling
from agent.app.medium import BadMedium, ImageTooLarge, Medium, Slots
from agent.app.work import Work
from agent.core.allowance import ByteBudget
from agent.core.trust_errors import ArbitrarySoftware
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.desk import Desk
    from agent.app.packed import Packed
    from agent.app.sources import Sources
    from agent.app.work import Steps
    from agent.formats.errors import CamwardError
    from agent.formats.release import Release

    Ended = Callable[[str, CamwardError | None], None]

__all__ = ["BadMedium", "ImageTooLarge", "Installing", "Slots"]

MAX_PASSES = 5  # each pass ends with fewer sources, or with the refusal of the operator's own server


class Installing:
    """One installation. `ended(event, error)` gets complete, damaged, refused or unavailable (agent.core.update)."""

    def __init__(
        self,
        desk: "Desk",
        release: "Release",
        leaves: bytes,
        packed: "Packed | None",
        slots: Slots,
        sources: "Sources",
        ended: "Ended",
        free: bool = False,
    ) -> None:
        """Prepare; nothing is written yet.

        Args:
            desk: of the agent.
            release: what to install.
            leaves: its verified block tree.
            packed: its segment artifact for this camera, if there is one.
            slots: which slot is written, and which one is read.
            sources: where bytes come from.
            ended: called once for each of `write_blocks` and `read_back`.
            free: whether what the sources give costs the line nothing.

        Raises:
            ImageTooLarge: it does not fit.
        """
        if release.block_count * BLOCK_BYTES > slots.target_length:
            raise ImageTooLarge(release.target)
        self._desk = desk
        self._work = Work(desk, "install")
        self._medium = Medium(desk, self._work, release, leaves, slots)
        self._filling = Filling(desk, self._work, self._medium, release, packed, sources, free)
        self._release = release
        self._packed = packed
        self._sources = sources
        self._ended = ended

    @property
    def fetched_blocks(self) -> int:
        """Blocks that came over the line as they are."""
        return self._filling.fetched_blocks

    @property
    def copied_blocks(self) -> int:
        """Blocks that the active slot had."""
        return self._filling.copied_blocks

    @property
    def unpacked_blocks(self) -> int:
        """Blocks that came packed."""
        return self._filling.unpacked_blocks

    def write_blocks(self) -> None:
        """Bring every block into the inactive slot; safe to repeat at any moment."""
        self._filling.drop()
        self._work.start(self._write(), self._written)

    def read_back(self) -> None:
        """Compare the whole slot with the tree, from the medium."""
        self._work.start(self._medium.compare(), self._compared)

    def stop(self) -> None:
        """Drop everything under way."""
        self._work.stop()

    def progress(self) -> int:
        """Blocks that are in place, in percent."""
        return self._medium.present() * 100 // self._release.block_count

    def _write(self) -> "Steps":
        medium, filling = self._medium, self._filling
        yield from medium.survey()
        yield from self._write_from_neighbours()
        for _ in range(MAX_PASSES):
            yield from filling.plan()
            self._require_means()
            yield from filling.fill()
            yield from medium.save()
            if medium.next_missing(0) < 0:
                return
            self._sources.end_pass()
        if medium.damaged:
            raise BadMedium("the slot does not keep what is written into it")
        raise ArbitrarySoftware(self._release.target + ": blocks are not what the release signed")

    def _write_from_neighbours(self) -> "Steps":
        """What cameras of the site have costs the line nothing: before any artifact, and whatever the line may carry.

        What does not come from them is still missing afterwards. Nobody serves the image of an encrypted release.
        """
        near = self._sources.near()
        hidden = self._packed is not None and self._packed.index.encrypted
        if hidden or near.is_empty():
            return
        filling = Filling(self._desk, self._work, self._medium, self._release, None, near, free=True)
        try:
            yield from filling.plan()
            yield from filling.fill()
        except Unavailable:
            filling.drop()
        self._sources.fetched_bytes += near.fetched_bytes
        self._filling.fetched_blocks += filling.fetched_blocks
        self._filling.copied_blocks += filling.copied_blocks

    def _require_means(self) -> None:
        """Refuse, before anything is fetched, what this line may not carry.

        Raises:
            FullDownload: too much of it cannot be had as a difference.
            ByteBudget: it is more than what is left of this month.
        """
        plain_bytes = self._filling.plain_blocks * BLOCK_BYTES
        self._filling.require_difference(str(plain_bytes) + " bytes are in no delta")
        self._sources.require(plain_bytes + self._filling.packed_bytes)

    def _written(self, error: "CamwardError | None") -> None:
        self._sources.save()
        if error is None or (isinstance(error, Rejected) and not isinstance(error, ByteBudget)):
            self._filling.end()
        if error is None:
            self._ended("complete", None)
            return
        self._filling.drop()
        try:
            self._medium.save_now()  # what was verified and written stays, and is known to
        except (Rejected, Unavailable):
            pass  # found again by hashing
        self._ended("refused" if isinstance(error, Rejected) else "unavailable", error)

    def _compared(self, error: "CamwardError | None") -> None:
        if error is not None:
            self._ended("refused" if isinstance(error, Rejected) else "unavailable", error)
        elif self._medium.damaged:
            detail = str(self._medium.damaged) + " blocks did not stay as written"
            self._ended("damaged", BadMedium(detail))
        else:
            self._ended("complete", None)
