"""Files that are there completely or not at all, and files that only their owner may read."""

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from update_server.errors import Conflict, Misconfigured

PUBLIC = 0o644
SECRET = 0o600
SECRET_FOLDER = 0o700

Write = Callable[[Path, bytes], None]  # `write_atomic`, or what a test puts in its place to cut the power
MAX_HAND_BYTES = 1024 * 1024  # of a key, a passphrase, a root, a voucher; people name wrong files


def read_small(path: Path) -> bytes:
    """A file that a person named.

    Raises:
        OSError: it cannot be read, or is far too long to be what is meant.
    """
    with path.open("rb") as file:
        body = file.read(MAX_HAND_BYTES + 1)
    if len(body) > MAX_HAND_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return body


def write_atomic(path: Path, body: bytes, mode: int = PUBLIC) -> None:
    """Replace `path` by `body`: after a power cut it holds the old bytes or the new ones.

    The file is created with `mode` from the first moment, so a secret is never readable by others.

    Raises:
        OSError: the disk is full, or the folder is not writable; the old file is untouched.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` (made if missing) between processes; waits for it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, SECRET)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Use a server's folder beside others that do, while inside: what serves, and every command.

    The kernel gives it back when the process ends, however it ends.

    Raises:
        Conflict: somebody has it to themselves.
        Misconfigured: there is none.
    """
    with _held(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def to_itself(folder: Path) -> Iterator[None]:
    """Have a server's folder to oneself, while inside.

    Raises:
        Conflict: somebody uses it.
        Misconfigured: there is none.
    """
    with _held(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def _held(folder: Path, how: int) -> Iterator[None]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise Misconfigured(
            f"{folder} does not exist.", "Make a server with 'camward-server init DIR', or name its folder with --dir."
        ) from None
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if how == fcntl.LOCK_EX:
                raise Conflict(
                    f"A server, an ingest process or a command uses {folder}.", "Stop them; nothing was changed."
                ) from None
            raise Conflict(f"The database of {folder} is being moved.", "Wait until that has ended.") from None
        yield
    finally:
        os.close(descriptor)
