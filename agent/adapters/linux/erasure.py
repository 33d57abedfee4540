"""Everything on the data partition, to be looked at and removed when a camera is erased."""

import os
import stat
from pathlib import Path

from agent.adapters.linux.files import flush_folder
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
        try:
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                path.rmdir()
            else:
                if stat.S_ISREG(mode):
                    _overwrite(path)
                path.unlink()
            flush_folder(path.parent)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Unavailable(f"{item}: {error.strerror}") from error


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


def _overwrite(path: Path) -> None:
    """Put zeros where the file's bytes are.

    Raises:
        OSError: the storage fails.
    """
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        left = os.fstat(handle).st_size
        while left:
            left -= os.write(handle, PIECE[:left])
        os.fsync(handle)
    finally:
        os.close(handle)
