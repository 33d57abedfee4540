"""The disk with the slots: a block device, or on the host a plain file of the same shape."""

import errno
import mmap
import os
from pathlib import Path

from agent.formats.block_tree import BLOCK_BYTES, leaves_of
from agent.formats.errors import Unavailable

PIECE_BYTES = 256 * 1024  # hashed at a time: what that takes of memory


class DiskFile:
    """`agent.ports.storage.BlockDevice` on a device node or file.

    Written through the page cache. What was written is hashed past it where the system can do that, so that the medium
    is asked and not our own memory; for the others `flush` drops the cache.
    """

    def __init__(self, path: Path, erase_bytes: int) -> None:
        """Open for reading and writing.

        Raises:
            Unavailable: it cannot be opened.
        """
        self._name = str(path)
        self._erase_bytes = erase_bytes
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._size_bytes = os.lseek(self._handle, 0, os.SEEK_END)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}") from error
        try:
            self._past_cache = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
        except OSError:
            self._past_cache = -1  # a file in memory, say

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """See `BlockDevice.read`.

        Raises:
            Unavailable: the range is beyond the end, or the medium fails.
        """
        self._check(offset_bytes, length_bytes)
        parts = []
        while length_bytes:
            try:
                part = os.pread(self._handle, length_bytes, offset_bytes)
            except OSError as error:
                raise self._failed(error) from error
            if not part:
                raise Unavailable(f"{self._name} ends early")
            parts.append(part)
            offset_bytes += len(part)
            length_bytes -= len(part)
        return b"".join(parts)

    def digests(self, offset_bytes: int, blocks: int) -> bytes:
        """See `BlockDevice.digests`.

        Raises:
            Unavailable: as `read`.
        """
        end_bytes = offset_bytes + blocks * BLOCK_BYTES
        self._check(offset_bytes, blocks * BLOCK_BYTES)
        parts = []
        with mmap.mmap(-1, PIECE_BYTES) as pages, memoryview(pages) as buffer:  # pages: past the cache they are a must
            while offset_bytes < end_bytes:
                with buffer[: min(PIECE_BYTES, end_bytes - offset_bytes)] as piece:
                    self._fill(piece, offset_bytes)
                    parts.append(leaves_of(piece))
                    offset_bytes += len(piece)
        return b"".join(parts)

    def write(self, offset_bytes: int, data: bytes | memoryview) -> None:
        """See `BlockDevice.write`; not durable before `flush`.

        Raises:
            Unavailable: the range is beyond the end or misaligned, or the medium fails or is read-only.
        """
        self._check(offset_bytes, len(data))
        if offset_bytes % self._erase_bytes or len(data) % self._erase_bytes:
            raise Unavailable(f"{self._name}: a write that is not aligned to {self._erase_bytes} bytes")
        view = memoryview(data)
        while view:
            try:
                done = os.pwrite(self._handle, view, offset_bytes)
            except OSError as error:
                raise self._failed(error) from error
            view = view[done:]
            offset_bytes += done

    def flush(self) -> None:
        """See `BlockDevice.flush`.

        Raises:
            Unavailable: the medium fails; earlier writes may be lost.
        """
        try:
            os.fsync(self._handle)
            os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise self._failed(error) from error

    def size_bytes(self) -> int:
        """See `BlockDevice.size_bytes`."""
        return self._size_bytes

    def close(self) -> None:
        """Give the handle back; nothing is flushed."""
        os.close(self._handle)
        if self._past_cache >= 0:
            os.close(self._past_cache)
            self._past_cache = -1

    def _fill(self, buffer: memoryview, offset_bytes: int) -> None:
        at = 0
        while at < len(buffer):
            with buffer[at:] as rest:
                count = self._read_into(rest, offset_bytes + at)
            if not count:
                raise Unavailable(f"{self._name} ends early")
            at += count

    def _read_into(self, buffer: memoryview, offset_bytes: int) -> int:
        if self._past_cache >= 0:
            try:
                return os.preadv(self._past_cache, [buffer], offset_bytes)
            except OSError as error:
                if error.errno != errno.EINVAL:  # that one: not with this offset or length
                    raise self._failed(error) from error
        try:
            return os.preadv(self._handle, [buffer], offset_bytes)
        except OSError as error:
            raise self._failed(error) from error

    def _check(self, offset_bytes: int, length_bytes: int) -> None:
        if offset_bytes < 0 or offset_bytes + length_bytes > self._size_bytes:
            raise Unavailable(f"{self._name}: bytes {offset_bytes}+{length_bytes} are beyond its end")

    def _failed(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self._name}: {error.strerror}")
