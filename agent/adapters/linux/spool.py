"""Files that grow at their end, flushed at each append."""

import os

from agent.adapters.linux.files import flush_folder
from agent.adapters.linux.store import FileStore
from agent.formats.errors import Unavailable


class FileSpool:
    """`agent.ports.storage.Spool` beside the documents of a `FileStore`. Files are 0600, folders 0700.

    The file that was read last stays open: a backlog is read message by message, and opening costs more than reading.
    """

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self._reading: tuple[str, int] | None = None

    def append(self, name: str, data: bytes) -> int:
        """See `Spool.append`; what could not be written whole is cut off again if that can be done.

        Raises:
            Unavailable: the storage fails or is full.
        """
        path = self._store.path(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                end = os.fstat(handle).st_size
                _write(handle, data, end)
            finally:
                os.close(handle)
            if end == 0:
                flush_folder(path.parent)
                flush_folder(path.parent.parent)  # it may be the first file of its folder
        except OSError as error:
            raise Unavailable(f"{name}: {error.strerror}") from error
        return end

    def read(self, name: str, offset_bytes: int, length_bytes: int) -> bytes:
        """See `Spool.read`.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            return os.pread(self._opened(name), length_bytes, offset_bytes)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Unavailable(f"{name}: {error.strerror}") from error

    def _opened(self, name: str) -> int:
        if self._reading is not None:
            known, handle = self._reading
            if known == name and os.fstat(handle).st_nlink:  # none: it was deleted or replaced
                return handle
            self._reading = None
            os.close(handle)
        handle = os.open(self._store.place(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._reading = (name, handle)
        return handle

    def __del__(self) -> None:
        if self._reading is not None:
            os.close(self._reading[1])


def _write(handle: int, data: bytes, end: int) -> None:
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise
