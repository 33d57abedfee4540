"""The camera's files of accounts: read without trusting what lies there, tried by the system's libcrypt, locked."""

import contextlib
import errno
import os
import stat
from pathlib import Path

from agent.adapters.linux import apr1, yescrypt
from agent.adapters.linux.keys import Argon2Hasher
from agent.formats import account_lines
from agent.formats.account_lines import MAX_FILE_BYTES
from agent.formats.errors import FormatError, Unavailable

ETC = "/etc/"
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a pipe or a device keeps nobody waiting
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)


class SystemAccountFiles:
    """`agent.ports.accounts.AccountFiles`."""

    def __init__(self, etc: Path = Path("/etc")) -> None:
        """`etc`: where what begins with /etc/ is looked for."""
        self._etc = etc

    def read(self, path: str) -> tuple[str, bytes]:
        """See `AccountFiles.read`. Links are followed, as every program does; /etc/passwd is one."""
        place = str(self._etc / path[len(ETC) :]) if path.startswith(ETC) else path
        try:
            found = os.open(place, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return "absent", b""
            return ("loop" if error.errno == errno.ELOOP else "denied"), b""
        try:
            if not stat.S_ISREG(os.fstat(found).st_mode):
                return "not_a_file", b""  # not even opened: a device or a pipe may do something because of that
            handle = os.open(f"/proc/self/fd/{found}", _READ)
            try:
                return _content(handle)
            finally:
                os.close(handle)
        except OSError:
            return "denied", b""
        finally:
            os.close(found)

    def fits(self, how: str, name: str, realm: str, secret: str, candidates: tuple[str, ...]) -> int:
        """See `AccountFiles.fits`.

        Raises:
            Unavailable: there is no libcrypt.
        """
        for number, candidate in enumerate(candidates):
            if _fits(how, name, realm, secret, candidate):
                return number
        return -1

    def lock(self, path: str, kind: str, names: tuple[str, ...]) -> None:
        """See `AccountFiles.lock`.

        Raises:
            Unavailable: that failed.
        """
        *folders, name = path.strip("/").split("/")
        handles = [os.open("/", _FOLDER)]
        try:
            for folder in folders:
                handles.append(os.open(folder, _FOLDER, dir_fd=handles[-1]))
            _replace(handles[-1], name, kind, names)
        except (OSError, FormatError) as error:
            raise Unavailable(f"{path}: {error}") from error
        finally:
            for handle in handles:
                os.close(handle)


def _content(handle: int) -> tuple[str, bytes]:
    """Raises OSError: it cannot be read."""
    before = os.fstat(handle)
    if not stat.S_ISREG(before.st_mode):
        return "not_a_file", b""
    if before.st_size > MAX_FILE_BYTES:
        return "too_large", b""
    body = b""
    while len(body) <= MAX_FILE_BYTES:
        piece = os.read(handle, MAX_FILE_BYTES + 1 - len(body))
        if not piece:
            break
        body += piece
    after = os.fstat(handle)
    if len(body) != before.st_size or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return "changing", b""
    return "ok", body


def _replace(folder: int, name: str, kind: str, names: tuple[str, ...]) -> None:
    """Raises OSError or FormatError: the file is as it was."""
    handle = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=folder)
    try:
        status, body = _content(handle)
        about = os.fstat(handle)
    finally:
        os.close(handle)
    if status != "ok":
        raise FormatError(status)
    made, unfinished = account_lines.without(kind, body, names), f".{name}.camward"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unfinished, dir_fd=folder)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        try:
            view = memoryview(made)
            while view:
                view = view[os.write(handle, view) :]
            if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(handle, about.st_uid, about.st_gid)
            os.fchmod(handle, stat.S_IMODE(about.st_mode))
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise


def _fits(how: str, name: str, realm: str, secret: str, candidate: str) -> bool:
    """Raises Unavailable: there is no libcrypt."""
    import base64
    import hashlib

    typed = candidate.encode()
    if how == account_lines.ARGON2:
        return Argon2Hasher().verify(candidate, secret)
    if how == account_lines.APR1:
        return apr1.fits(typed, secret)
    if how == account_lines.SHA1:
        digest = hashlib.sha1(typed, usedforsecurity=False).digest()
        return base64.b64encode(digest).decode() == secret[len("{SHA}") :]
    if how in (account_lines.HA1_MD5, account_lines.HA1_SHA256):
        text = f"{name}:{realm}:{candidate}".encode()
        if how == account_lines.HA1_MD5:
            return hashlib.md5(text, usedforsecurity=False).hexdigest() == secret.lower()
        return hashlib.sha256(text).hexdigest() == secret.lower()
    return yescrypt.fits(candidate, secret)
