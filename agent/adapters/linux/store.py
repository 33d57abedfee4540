"""Documents as files under the device's state folder."""

import os
import re
from pathlib import Path

from agent.adapters.linux.files import flush_folder, replace_file
from agent.formats.errors import Unavailable

_NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,127}(/[a-z0-9_-][a-z0-9._-]{0,127}){0,3}")
_UNFINISHED = ".new"


def is_name(name: str) -> bool:
    """Whether a document may be called so."""
    return _NAME.fullmatch(name) is not None and not name.endswith(_UNFINISHED)


class FileStore:
    """`agent.ports.storage.Store` on a journalling file system.

    A document is written beside its place, flushed, renamed over the old one, and the folder is flushed: a power cut
    leaves the old document or the new one. Files are 0600, folders 0700.
    """

    def __init__(self, root: Path, mode: int = 0o600, group: int | None = None) -> None:
        """Use `root`, which is made when missing.

        Args:
            root: the folder of all documents.
            mode: of the files; more than 0600 only where others shall read.
            group: of the files, set only when running as root.

        Raises:
            Unavailable: it cannot be made.
        """
        self._root = root
        self._mode = mode
        self._group = group if os.geteuid() == 0 else None
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"the state folder {root} cannot be made: {error.strerror}") from error

    def path(self, name: str) -> Path:
        """Where the document is, for libraries that only read from files.

        Raises:
            Unavailable: the name is not of the permitted form.
        """
        return Path(self.place(name))

    def place(self, name: str) -> str:
        """As `path`, for who opens many: a `Path` costs as much as the opening.

        Raises:
            Unavailable: the name is not of the permitted form.
        """
        if not is_name(name):
            raise Unavailable(f"{name!r} is no document name")
        return f"{self._root}/{name}"

    def read(self, name: str) -> bytes | None:
        """See `Store.read`.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            with open(self.place(name), "rb", buffering=0) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unavailable(f"{name}: {error.strerror}") from error

    def write(self, name: str, data: bytes) -> None:
        """See `Store.write`; durable when it returns.

        Raises:
            Unavailable: the storage fails or is full.
        """
        target = self.path(name)
        unfinished = target.with_name(target.name + _UNFINISHED)
        try:
            self._make_folder(target.parent)
            replace_file(target, unfinished, data, self._mode, self._group)
        except OSError as error:
            raise Unavailable(f"{name}: {error.strerror}") from error

    def delete(self, name: str) -> None:
        """See `Store.delete`; durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        target = self.path(name)
        try:
            target.unlink(missing_ok=True)
            if target.parent.is_dir():
                flush_folder(target.parent)
        except OSError as error:
            raise Unavailable(f"{name}: {error.strerror}") from error

    def names(self, folder: str) -> list[str]:
        """See `Store.names`.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            with os.scandir(self.path(folder)) as entries:
                found = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"{folder}: {error.strerror}") from error
        return sorted(f"{folder}/{name}" for name in found if not name.endswith(_UNFINISHED))

    def free_bytes(self) -> int:
        """See `Store.free_bytes`.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            found = os.statvfs(self._root)
        except OSError as error:
            raise Unavailable(f"{self._root}: {error.strerror}") from error
        return found.f_bavail * found.f_frsize

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700)
        flush_folder(folder.parent)
