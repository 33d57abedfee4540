"""Everything on the data partition, to be looked at and removed when a camera is erased."""

import os
import stat
from pathlib import Path

from agent.formats.errors import Unavailable

PIECE = bytes(64 * 1024)  # what is overwritten at a time


class FileErasure:
    """`agent.ports.storage.Erasure` over the state folder and the manufacturer's folders of user data."""

    def __init__(self, state: Path, user_folders: tuple[Path, ...] = ()) -> None:
        """Nothing is touched yet. Of `user_folders` the content goes, the folders themselves stay."""
        self._state = state
        self._user_folders = user_folders

    def contents(self) -> list[str]:
        """See `Erasure.contents`; folders inside the user's folders are items too, after what they hold.

        So is a user's folder that cannot be read, such as a memory card that has broken.

        Raises:
            Unavailable: the storage fails.
        """
        found = [str(path.relative_to(self._state)) for path in _below(self._state, folders=False)]
        for folder in self._user_folders:
            try:
                found += map(str, _below(folder, folders=True))
            except Unavailable:
                found.append(str(folder))
        return found

    def remove(self, item: str) -> None:
        """See `Erasure.remove`; durable when it returns. A link is removed, what it leads to stays.

        Raises:
            Unavailable: the storage fails.
        """
        path = self._state / item  # an absolute item stays what it is
        root = next((one for one in self._user_folders if path.is_relative_to(one)), self._state)
        if path == root:
            raise Unavailable(f"{item}: cannot be read")  # or `contents` would name what is in it
        try:
            folder = _folder(root, path.parent)
            try:
                _remove(path.name, folder)
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Unavailable(f"{item}: {error.strerror}") from error

    def renew(self) -> bool:
        """See `Erasure.renew`: this storage has no key of its own."""
        return False


def _below(folder: Path, *, folders: bool) -> list[Path]:
    """Everything below, what a folder holds before the folder.

    Raises:
        Unavailable: the storage fails.
    """
    found = []
    try:
        for place, inner, files in os.walk(folder, topdown=False, onerror=_raise):
            links = [name for name in inner if (Path(place) / name).is_symlink()]
            found += [Path(place) / name for name in sorted(files + links)]
            if folders:
                found += [Path(place) / name for name in sorted(set(inner) - set(links))]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unavailable(f"{error.filename}: {error.strerror}") from error
    return found


def _raise(error: OSError) -> None:
    raise error


def _folder(root: Path, path: Path) -> int:
    """The folder, opened by way of folders alone: who may write there may put a link to elsewhere in the place of one.

    Raises:
        OSError: the storage fails, or there is a link on the way.
    """
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for part in path.relative_to(root).parts:
        try:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
        finally:
            os.close(handle)
        handle = inner
    return handle


def _remove(name: str, folder: int) -> None:
    """Raises OSError: the storage fails, or it is not there."""
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        os.rmdir(name, dir_fd=folder)
        return
    if stat.S_ISREG(mode):
        _overwrite(name, folder)
    os.unlink(name, dir_fd=folder)


def _overwrite(name: str, folder: int) -> None:
    """Put zeros where the file's bytes are.

    Raises:
        OSError: the storage fails.
    """
    handle = os.open(name, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        left = os.fstat(handle).st_size
        while left:
            left -= os.write(handle, PIECE[:left])
        os.fsync(handle)
    finally:
        os.close(handle)
