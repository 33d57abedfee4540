"""Reads an offline bundle in place: as a fetcher reads from a server, and with as much trust."""

import os
import stat

from agent.formats import bundle
from agent.formats.bundle import Bundle, BundleGone
from agent.formats.delivery import Source
from agent.formats.errors import FormatError


class BundleFile:
    """`agent.ports.bundle.BundleReader` on a file, which may lie on a stick that somebody pulls out.

    The file stays open until `close`: whoever unmounts the stick before is told that it is busy.
    """

    def __init__(self) -> None:
        self._file = -1
        self._found: Bundle | None = None

    def open(self, path: str, device: str) -> Bundle:
        """See `BundleReader.open`.

        Raises:
            FormatError: it is no bundle, or not a whole one.
            BundleGone: it cannot be read.
        """
        self.close()
        try:
            # Not waiting for whoever may open the other end of a pipe.
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            about = os.fstat(self._file)
        except (OSError, ValueError) as error:
            raise BundleGone(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error
        try:
            self._found = self._read_index(about, device)
        finally:
            if self._found is None:
                self.close()
        return self._found

    def get(self, path: str, max_bytes: int, offset_bytes: int = 0, length_bytes: int = 0) -> bytes | None:
        """See `BundleReader.get`.

        Raises:
            BundleGone: no bundle is open, or it cannot be read any more.
        """
        if self._found is None:
            raise BundleGone("no bundle is open")
        place = self._found.files.get(path)
        if place is None:
            return None
        begin, length = place
        wanted = length_bytes or length
        return self._read(begin + offset_bytes, max(0, min(wanted, length - offset_bytes, max_bytes + 1)))

    def read(
        self, source: Source, path: str, offset_bytes: int, end_bytes: int, max_bytes: int, align_bytes: int
    ) -> bytes:
        """See `BundleReader.read`.

        Raises:
            BundleGone: there is not so much of such a file.
        """
        length = min(max_bytes, end_bytes - offset_bytes)
        found = self.get(path, length, offset_bytes, length) or b""
        whole = found[: len(found) - len(found) % align_bytes]
        if not whole or source.url:
            raise BundleGone(f"the bundle lacks {path}")
        return whole

    def close(self) -> None:
        """See `BundleReader.close`."""
        self._found = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _read_index(self, about: os.stat_result, device: str) -> Bundle:
        if not stat.S_ISREG(about.st_mode):
            raise FormatError("this is no file")
        if about.st_size < bundle.HEAD_BYTES:
            raise FormatError("this is no update bundle")
        head = bundle.parse_head(self._read(0, bundle.HEAD_BYTES))
        if about.st_size != head.total_bytes:
            what = "is cut off" if about.st_size < head.total_bytes else "has a foreign tail"
            raise FormatError(f"the bundle {what}: {about.st_size} bytes where {head.total_bytes} are announced")
        return bundle.parse_index(self._read(bundle.HEAD_BYTES, head.index_bytes), head, device)

    def _read(self, at: int, count: int) -> bytes:
        found = b""
        try:
            while len(found) < count:
                piece = os.pread(self._file, count - len(found), at + len(found))
                if not piece:
                    raise BundleGone("the bundle ends where it should go on")
                found += piece
        except OSError as error:
            raise BundleGone(f"the bundle cannot be read any more: {error.strerror}") from error
        return found
