"""Room for one uploaded bundle on the data partition; the camera's program writes into it, as its own user."""

import errno
import os
from pathlib import Path

from agent.adapters.linux.files import flush_folder
from agent.formats.bundle import BundleGone, NoRoom
from agent.formats.errors import Unavailable

RESERVE_BYTES = 8 * 1024 * 1024  # what agent and camera may need until the bundle goes: outbox, block tree, evidence
FILE_NAME = "upload.bundle"


class FileUploads:
    """`agent.ports.bundle.Uploads` in a folder of the state folder."""

    def __init__(self, folder: Path, group: int, reserve_bytes: int = RESERVE_BYTES) -> None:
        """`group`: who may write while an upload is under way; set only when running as root."""
        self._folder = folder
        self._group = group if os.geteuid() == 0 else -1
        self._reserve_bytes = reserve_bytes

    @property
    def path(self) -> Path:
        """Where the upload lies."""
        return self._folder / FILE_NAME

    def begin(self, length_bytes: int) -> str:
        """See `Uploads.begin`.

        Raises:
            NoRoom: there is not enough.
            Unavailable: the storage fails.
        """
        self.discard()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o710)
            os.chown(self._folder, -1, self._group)
            free = os.statvfs(self._folder)
            room = free.f_bavail * free.f_frsize - self._reserve_bytes
            if length_bytes > room:
                raise NoRoom(f"the bundle has {length_bytes} bytes, and there is room for {max(0, room)}")
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, length_bytes)
                os.fchown(file, -1, self._group)
                os.fchmod(file, 0o660)
            finally:
                os.close(file)
        except OSError as error:
            self.discard()
            if error.errno == errno.ENOSPC:
                raise NoRoom(f"the bundle has {length_bytes} bytes, and there is less room") from error
            raise Unavailable(f"{self.path}: {error.strerror}") from error
        return str(self.path)

    def finish(self) -> str:
        """See `Uploads.finish`.

        Raises:
            BundleGone: there is no upload.
            Unavailable: the storage fails.
        """
        try:
            file = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fchmod(file, 0o600)
                os.fsync(file)
            finally:
                os.close(file)
            flush_folder(self._folder)
        except FileNotFoundError as error:
            raise BundleGone("nothing was uploaded") from error
        except OSError as error:
            raise Unavailable(f"{self.path}: {error.strerror}") from error
        return str(self.path)

    def discard(self) -> None:
        """See `Uploads.discard`.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{self.path}: {error.strerror}") from error
