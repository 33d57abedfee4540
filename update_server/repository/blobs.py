"""A local blob folder: immutable files named `SHA256.NAME`, which any static file server or mirror can serve.

The images of confidential releases lie in a second one, which is private and which nothing serves.
"""

import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path

from update_server.errors import BadInput, NotFound
from update_server.files import PUBLIC, SECRET, SECRET_FOLDER, sync_folder

BLOB_NAME = re.compile(r"[0-9a-f]{64}\.[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
CHUNK_BYTES = 1024 * 1024
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Blobs:
    """Files in `folder`, of this mode; a name is never given to other bytes."""

    def __init__(self, folder: Path, mode: int = PUBLIC) -> None:
        self.folder = folder
        self._mode = mode

    def path(self, name: str) -> Path:
        """Where the blob `name` lies.

        Raises:
            NotFound: there is none, or it is no blob's name.
        """
        path = self.folder / name
        if not BLOB_NAME.match(name) or not path.is_file():
            raise NotFound(f"There is no target {name[:200]!r}.")
        return path

    def holds(self, name: str, sha256: str) -> bool:
        """Whether a file of that name is here, damaged or not."""
        return (self.folder / f"{sha256}.{name}").is_file()

    def holds_any(self, sha256: str) -> bool:
        """Whether a file with that hash is here, under any name."""
        return any(self.folder.glob(f"{sha256}.*"))

    def has(self, name: str, sha256: str) -> bool:
        """Whether the blob is here, whole.

        Raises:
            OSError: it cannot be read.
        """
        path = self.folder / f"{sha256}.{name}"
        return path.is_file() and sha256_of(path) == sha256

    def put(self, source: Path, name: str, sha256: str) -> None:
        """Copy `source` in durably. Keeps what is already there.

        Raises:
            BadInput: `source` has another hash (now); nothing is left behind.
            OSError: the disk is full or `source` unreadable; nothing is left behind.
        """
        if self._mode == SECRET:  # servers that were made before there was such a folder
            self.folder.mkdir(SECRET_FOLDER, exist_ok=True)
        target = self.folder / f"{sha256}.{name}"
        if target.is_file() and sha256_of(target) == sha256:
            return
        scratch = self.folder / f".{secrets.token_hex(8)}"
        try:
            with source.open("rb") as reading, os.fdopen(os.open(scratch, _NEW, SECRET), "wb") as writing:
                shutil.copyfileobj(reading, writing, CHUNK_BYTES)
                writing.flush()
                os.fsync(writing.fileno())
            if sha256_of(scratch) != sha256:
                raise BadInput(f"{source} has changed while it was read.", "Leave it alone, and try again.")
            scratch.chmod(self._mode)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
        sync_folder(self.folder)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, streamed.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
