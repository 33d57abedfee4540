"""The disk is written and hashed past the page cache where the system can do that, and all the same where it cannot."""

import ctypes
import errno
import mmap
import os

import pytest

from agent.adapters.linux.block_device import PIECE_BYTES, DiskFile
from agent.formats.block_tree import BLOCK_BYTES, leaves_of
from agent.formats.errors import Unavailable
from tests.contract.ports.read_only import seen_read_only

BLOCKS = 3 * PIECE_BYTES // BLOCK_BYTES + 5
OPEN, PREADV, PWRITE = os.open, os.preadv, os.pwrite
PAGE_BYTES = 4096


@pytest.fixture
def content():
    return os.urandom((BLOCKS + 2) * BLOCK_BYTES)


@pytest.fixture
def disk(tmp_path, content):
    path = tmp_path / "disk"
    path.write_bytes(content)
    return path


class Past:
    """Stands in for the descriptor past the cache, on whatever file system the test runs."""

    def __init__(self, monkeypatch, trouble=0, most=1 << 30):
        self.handle, self.tries, self.reads, self.writes, self._trouble, self._most = -1, 0, 0, 0, trouble, most
        monkeypatch.setattr(os, "open", self._open)
        monkeypatch.setattr(os, "preadv", self._preadv)
        monkeypatch.setattr(os, "pwrite", self._pwrite)

    def _open(self, path, flags, *more, **options):
        handle = OPEN(path, flags & ~os.O_DIRECT, *more, **options)
        if flags & os.O_DIRECT:
            self.handle = handle
        return handle

    def _preadv(self, handle, buffers, offset):
        if handle != self.handle:
            return PREADV(handle, buffers, offset)
        self._try(buffers[0])
        self.reads += 1
        return PREADV(handle, [buffers[0][: self._most]], offset)

    def _pwrite(self, handle, data, offset):
        if handle != self.handle:
            return PWRITE(handle, data, offset)
        self._try(data)
        self.writes += 1
        return PWRITE(handle, data[: self._most], offset)

    def _try(self, data):
        self.tries += 1
        if self._trouble:
            raise OSError(self._trouble, os.strerror(self._trouble))
        assert address(data) % PAGE_BYTES == 0, "the kernel takes whole pages"


def address(data):
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


def hashed(device, content):
    found = device.digests(BLOCK_BYTES, BLOCKS)
    return found == leaves_of(content[BLOCK_BYTES : (BLOCKS + 1) * BLOCK_BYTES])


@pytest.mark.parametrize("most", [1 << 30, 3 * BLOCK_BYTES])
def test_what_is_hashed_comes_past_the_cache_whole_or_in_parts(disk, content, monkeypatch, most):
    past = Past(monkeypatch, most=most)
    device = DiskFile(disk, BLOCK_BYTES)
    assert hashed(device, content)
    assert past.reads == (4 if most > PIECE_BYTES else 68)
    device.write(BLOCK_BYTES, bytes(BLOCK_BYTES))
    device.flush()
    assert not hashed(device, content)
    device.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(past.handle)


def test_a_device_that_refuses_the_offset_is_read_through_the_cache(disk, content, monkeypatch):
    past = Past(monkeypatch, errno.EINVAL)
    device = DiskFile(disk, BLOCK_BYTES)
    assert hashed(device, content)
    assert (past.tries, past.reads) == (4, 0)
    device.close()


def test_a_bad_sector_is_told_and_not_read_through_the_cache(disk, content, monkeypatch):
    Past(monkeypatch, errno.EIO)
    device = DiskFile(disk, BLOCK_BYTES)
    with pytest.raises(Unavailable, match="Input/output error"):
        hashed(device, content)
    device.close()


@pytest.mark.parametrize("most", [1 << 30, 3 * BLOCK_BYTES])
def test_what_is_written_goes_past_the_cache_whole_or_in_parts(disk, content, monkeypatch, most):
    past = Past(monkeypatch, most=most)
    device = DiskFile(disk, BLOCK_BYTES)
    new = os.urandom(BLOCKS * BLOCK_BYTES)
    device.write(BLOCK_BYTES, memoryview(new))
    assert past.writes == (4 if most > PIECE_BYTES else 66)
    device.flush()
    assert device.digests(BLOCK_BYTES, BLOCKS) == leaves_of(new)
    assert disk.read_bytes() == content[:BLOCK_BYTES] + new + content[-BLOCK_BYTES:]
    assert device.read(0, 2 * BLOCK_BYTES) == content[:BLOCK_BYTES] + new[:BLOCK_BYTES]
    device.close()


def test_a_device_that_refuses_the_offset_is_written_through_the_cache(disk, content, monkeypatch):
    past = Past(monkeypatch, errno.EINVAL)
    device = DiskFile(disk, BLOCK_BYTES)
    device.write(BLOCK_BYTES, content[: 2 * BLOCK_BYTES])
    assert (past.tries, past.writes) == (1, 0)
    assert disk.read_bytes()[BLOCK_BYTES : 3 * BLOCK_BYTES] == content[: 2 * BLOCK_BYTES]
    device.close()


def test_a_medium_that_refuses_a_write_is_told_and_not_written_through_the_cache(disk, content, monkeypatch):
    Past(monkeypatch, errno.EIO)
    device = DiskFile(disk, BLOCK_BYTES)
    with pytest.raises(Unavailable, match="Input/output error"):
        device.write(BLOCK_BYTES, bytes(BLOCK_BYTES))
    assert disk.read_bytes() == content
    device.close()


def test_an_erase_block_goes_out_as_one_write_however_large_it_is(tmp_path, monkeypatch):
    erase_bytes = PIECE_BYTES + BLOCK_BYTES
    path, new = tmp_path / "disk", os.urandom(2 * erase_bytes)
    path.write_bytes(bytes(2 * erase_bytes))
    past = Past(monkeypatch)
    device = DiskFile(path, erase_bytes)
    device.write(0, new)
    assert past.writes == 2
    assert path.read_bytes() == new
    assert device.digests(0, len(new) // BLOCK_BYTES) == leaves_of(new)
    device.close()


def test_a_system_without_memory_for_the_pages_is_told(disk, monkeypatch):
    def refuses(*_):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    device = DiskFile(disk, BLOCK_BYTES)
    monkeypatch.setattr(mmap, "mmap", refuses)
    for call in (lambda: device.write(0, bytes(BLOCK_BYTES)), lambda: device.digests(0, 1)):
        with pytest.raises(Unavailable, match="Cannot allocate memory"):
            call()
    device.close()


def test_the_pages_in_between_are_kept_and_given_back(disk, content):
    device = DiskFile(disk, BLOCK_BYTES)
    for _ in range(3):
        device.write(BLOCK_BYTES, content[BLOCK_BYTES : (BLOCKS + 1) * BLOCK_BYTES])
        assert hashed(device, content)
    assert len(device._spare) == 1  # no matter how much was written
    device.close()
    assert device._spare == []


def test_a_file_system_that_has_no_way_past_its_cache(disk, content, monkeypatch):
    def refuses(path, flags, *more, **options):
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no")
        return OPEN(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuses)
    device = DiskFile(disk, BLOCK_BYTES)
    assert hashed(device, content)
    device.close()


def test_the_end_of_the_disk_is_told(disk, content):
    device = DiskFile(disk, BLOCK_BYTES)
    os.truncate(disk, len(content) - BLOCK_BYTES)
    with pytest.raises(Unavailable, match="ends early"):
        device.digests(BLOCK_BYTES, BLOCKS + 1)
    with pytest.raises(Unavailable, match="beyond its end"):
        device.digests(BLOCK_BYTES, BLOCKS + 2)
    device.close()


def test_a_disk_that_takes_no_writes_from_the_start_on_is_read_all_the_same(disk, content):
    """As an SD card or eMMC that is write-protected, or has made itself so when it was worn: the open says EROFS."""
    with seen_read_only(disk) as path:
        with pytest.raises(OSError, match="Read-only file system"):
            os.open(path, os.O_RDWR)  # the control
        device = DiskFile(path, BLOCK_BYTES)
        assert device.read(0, 2 * BLOCK_BYTES) == content[: 2 * BLOCK_BYTES]
        assert device.size_bytes() == len(content)
        assert hashed(device, content)
        with pytest.raises(Unavailable, match="read-only"):
            device.write(BLOCK_BYTES, bytes(BLOCK_BYTES))
        device.flush()
        device.close()
    assert disk.read_bytes() == content


def test_a_disk_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Unavailable, match="No such file"):
        DiskFile(tmp_path / "disk", BLOCK_BYTES)
