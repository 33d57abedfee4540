"""Deterministic containers: tar for our cache, cpio for the initramfs, gzip for both the kernel and it."""

import gzip
import io
import os
import stat
import tarfile
from pathlib import Path

from firmware_sim.image.errors import ImageError

GZIP_LEVEL = 9

# Nothing on the camera needs to run as another user than the one who starts it.
FORBIDDEN_MODE = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWGRP | stat.S_IWOTH


def compress(data: bytes) -> bytes:
    """gzip without a name or a time."""
    return gzip.compress(data, GZIP_LEVEL, mtime=0)


def pack_tree(tree: Path, target: Path) -> None:
    """Write a folder as a tar: sorted, owned by root, no times, no set-user-id bits.

    Raises:
        OSError: reading or writing failed.
    """
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            info = archive.gettarinfo(str(path), arcname=path.relative_to(tree).as_posix())
            if info.islnk():
                # A second name of one file: stored as a file of its own, so that no order of files matters.
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = 0
            info.mode &= 0o7777 & ~FORBIDDEN_MODE
            if info.isreg():
                with path.open("rb") as file:
                    archive.addfile(info, file)
            else:
                archive.addfile(info)


def unpack_tree(source: Path, tree: Path) -> None:
    """Read back what `pack_tree` wrote.

    Raises:
        OSError: reading or writing failed.
    """
    with tarfile.open(source) as archive:
        # As an attribute and not as an argument: the Python of Debian 12 (3.11.2) knows no filters and needs none.
        archive.extraction_filter = _as_written
        for member in archive:
            member.uid, member.gid = os.getuid(), os.getgid()
            archive.extract(member, tree, set_attrs=True)


def _as_written(member: tarfile.TarInfo, _folder: str) -> tarfile.TarInfo:
    """No filter: the archive is ours."""
    return member


def cpio(tree: Path, last: str = "") -> bytes:
    """A folder as a `newc` cpio archive, as the kernel reads it: sorted, root's, no times, numbered in order.

    Args:
        tree: the folder.
        last: the file that comes last, since it differs most often: what is before it compresses to the same bytes.

    Raises:
        ImageError: the folder holds something other than files, folders and links.
    """
    out = io.BytesIO()
    paths = sorted(tree.rglob("*"), key=lambda path: (path == tree / last, path))
    for number, path in enumerate(paths, start=1):
        info = path.lstat()
        if path.is_symlink():
            data = os.readlink(path).encode()
        elif path.is_file():
            data = path.read_bytes()
        elif path.is_dir():
            data = b""
        else:
            raise ImageError(f"the initramfs cannot hold {path.name}")
        _cpio_entry(out, path.relative_to(tree).as_posix(), info.st_mode & ~FORBIDDEN_MODE, number, data)
    _cpio_entry(out, "TRAILER!!!", 0, len(paths) + 1, b"")
    out.write(bytes(-out.tell() % 512))
    return out.getvalue()


def _cpio_entry(out: io.BytesIO, name: str, mode: int, number: int, data: bytes) -> None:
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
    out.write(bytes(-out.tell() % 4))
    out.write(data)
    out.write(bytes(-out.tell() % 4))
