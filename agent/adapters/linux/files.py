"""Writing files so that a power cut leaves the old one or the new one."""

import contextlib
import os
from pathlib import Path


def replace_file(target: Path, unfinished: Path, data: bytes, mode: int = 0o600, group: int | None = None) -> None:
    """Write the file; durable when it returns. Its folder must exist.

    Args:
        target: the file.
        unfinished: where the bytes are until they are on the disk; in the same folder, gone afterwards.
        data: the content.
        mode: permission bits.
        group: its group, set to root's user and this group when given.

    Raises:
        OSError: the storage fails or is full; `target` is as it was.
    """
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fchmod(handle, mode)
            if group is not None:
                os.fchown(handle, 0, group)
            os.fsync(handle)
        finally:
            os.close(handle)
        unfinished.rename(target)
        flush_folder(target.parent)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def flush_folder(folder: Path) -> None:
    """Make the folder's names durable.

    Raises:
        OSError: the storage fails.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
