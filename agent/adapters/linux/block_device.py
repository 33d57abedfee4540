"""The disk with the slots: a block device, or on the host a plain file of the same shape."""

import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.formats.block_tree import BLOCK_BYTES, leaves_of
from agent.formats.errors import Unavailable

PIECE_BYTES = 256 * 1024  # written or hashed at a time, or one erase block: what that takes of memory
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)  # which one: up to the medium's driver


class DiskFile:
    """`agent.ports.storage.BlockDevice` on a device node or file.

    Written past the page cache where the system can do that: pages for a slot that nobody reads there would cost
    processor time, and a small camera what it has in memory. Hashed past it as well, so that the medium is asked and
    not our own memory; where the system cannot, `flush` drops the cache.
    """

    def __init__(self, path: Path, erase_bytes: int) -> None:
        """Open for reading and writing; a medium that is read-only, for reading: the camera runs on, and updates fail.

        Raises:
            Unavailable: it cannot be opened.
        """
        self._name = str(path)
        self._erase_bytes = erase_bytes
        self._read_only = False
        self._piece_bytes = -(-PIECE_BYTES // erase_bytes) * erase_bytes
        try:
            self._handle = self._open(path)
            self._size_bytes = os.lseek(self._handle, 0, os.SEEK_END)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}") from error
        try:
            self._past_cache = os.open(path, self._access() | os.O_DIRECT)
        except OSError:
            self._past_cache = -1  # a file in memory, say
        self._spare: list[mmap.mmap] = []

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
        with self._pages() as buffer:
            while offset_bytes < end_bytes:
                with buffer[: min(self._piece_bytes, end_bytes - offset_bytes)] as piece:
                    self._fill(piece, offset_bytes)
                    parts.append(leaves_of(piece))
                    offset_bytes += len(piece)
        return b"".join(parts)

    def write(self, offset_bytes: int, data: bytes | bytearray | memoryview) -> None:
        """See `BlockDevice.write`; not durable before `flush`.

        Raises:
            Unavailable: the range is beyond the end or misaligned, or the medium fails or is read-only.
        """
        self._check(offset_bytes, len(data))
        if self._read_only:
            raise Unavailable(f"{self._name} is read-only")
        if offset_bytes % self._erase_bytes or len(data) % self._erase_bytes:
            raise Unavailable(f"{self._name}: a write that is not aligned to {self._erase_bytes} bytes")
        view = memoryview(data)
        while view:
            done = self._write_some(view, offset_bytes)
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
        while self._spare:
            self._spare.pop().close()

    def _open(self, path: Path) -> int:
        try:
            return os.open(path, self._access())
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            self._read_only = True
            return os.open(path, self._access())

    def _access(self) -> int:
        return (os.O_RDONLY if self._read_only else os.O_RDWR) | os.O_CLOEXEC

    @contextmanager
    def _pages(self) -> Iterator[memoryview]:
        """A piece for the caller's thread alone, in whole pages: past the cache they are a must.

        Kept afterwards: pages that are new each time cost more than what is written on them.

        Raises:
            Unavailable: the system has no memory for it.
        """
        try:
            pages = self._spare.pop()
        except IndexError:
            pages = self._more_pages()
        try:
            with memoryview(pages) as buffer:
                yield buffer
        finally:
            self._spare.append(pages)

    def _more_pages(self) -> mmap.mmap:
        try:
            return mmap.mmap(-1, self._piece_bytes)
        except OSError as error:
            raise self._failed(error) from error

    def _write_some(self, data: memoryview, offset_bytes: int) -> int:
        if self._past_cache >= 0:
            count = min(len(data), self._piece_bytes)
            with self._pages() as buffer, buffer[:count] as piece:
                piece[:] = data[:count]
                try:
                    return os.pwrite(self._past_cache, piece, offset_bytes)
                except OSError as error:
                    if error.errno != errno.EINVAL:  # that one: not with this offset or length
                        raise self._failed(error) from error
        try:
            return os.pwrite(self._handle, data, offset_bytes)
        except OSError as error:
            raise self._failed(error) from error

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
