"""An offline bundle (agent.formats.bundle) as the device meets it: a file to read, and a place to upload one to."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from agent.formats.bundle import Bundle
    from agent.formats.delivery import Source
else:
    Protocol = object


class BundleReader(Protocol):
    """One bundle file at a time, read in place: nothing is unpacked. The calls block; `get` is that of `Fetcher`.

    What it gives is as little to be trusted as what a server gives, and may change between two reads.
    """

    def open(self, path: str, device: str) -> "Bundle":
        """Use this file from now on, and keep the parts of its index that concern a device.

        Raises:
            FormatError: it is no bundle, or not a whole one.
            BundleGone: it cannot be read.
        """
        ...

    def get(self, path: str, max_bytes: int, offset_bytes: int = 0, length_bytes: int = 0) -> "bytes | None":
        """As `agent.ports.network.Fetcher.get`, from the file.

        Raises:
            BundleGone: no bundle is open, or it cannot be read any more.
        """
        ...

    def read(
        self, source: "Source", path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> bytes:
        """As `agent.ports.network.Downloader.read`; what is not in the bundle is nowhere.

        Raises:
            BundleGone: as `get`, or the bundle has no such file, or not so much of it.
        """
        ...

    def close(self) -> None:
        """Let go of the file; nothing happens if none is open."""
        ...


class Uploads(Protocol):
    """Room on the data partition for one bundle, which the camera's own program fills. The calls block."""

    def begin(self, length_bytes: int) -> str:
        """Make room for a bundle of this length in place of any before, and return the path to write it to.

        The room is really there afterwards: what is written into it cannot fail for want of room.

        Raises:
            NoRoom: there is not enough, with what the rest of the agent needs left over.
            Unavailable: the storage fails.
        """
        ...

    def finish(self) -> str:
        """Nobody else may write into it any more; its path. What was written survives a power cut from now on.

        Raises:
            BundleGone: there is no upload.
            Unavailable: the storage fails.
        """
        ...

    def discard(self) -> None:
        """Remove the upload, if there is one.

        Raises:
            Unavailable: the storage fails.
        """
        ...
