"""What the camera's services show: a key made at the first boot, self-signed; and what the operator's CA issues for it.

In a folder that the camera's group may read: `key.pem`, `cert.pem`, and `issued/NAME.pem` for clients that ask for NAME
(TLS server name indication).
"""

import os
import ssl
import stat
from hashlib import sha256
from pathlib import Path

from agent.adapters.linux import certificates
from agent.formats.errors import Unavailable

PARENT_MODE = 0o711  # the camera passes through, and sees nothing
FOLDER_MODE = 0o750
FILE_MODE = 0o640
ISSUED = "issued"


class SelfSignedCertificate:
    """`agent.ports.machine.WebCertificate` as files."""

    def __init__(self, folder: Path, group: int) -> None:
        self._folder = folder
        self._group = group

    @property
    def path(self) -> Path:
        """The self-signed certificate's file."""
        return self._folder / "cert.pem"

    @property
    def key(self) -> Path:
        """The key's file."""
        return self._folder / "key.pem"

    def ensure(self, serial: str) -> str:
        """See `WebCertificate.ensure`; durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            if os.geteuid() == 0 and stat.S_IMODE(self._folder.parent.stat().st_mode) != PARENT_MODE:
                self._folder.parent.chmod(PARENT_MODE)
            if not self.path.exists():
                self._make(serial)
            der = ssl.PEM_cert_to_DER_cert(self.path.read_text())
        except (OSError, ValueError) as error:
            raise Unavailable(f"the camera's certificate: {error}") from error
        return sha256(der).hexdigest()

    def issued(self) -> bytes | None:
        """See `WebCertificate.issued`.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            for path in self._issued():
                return path.read_bytes()
        except OSError as error:
            raise Unavailable(f"the issued certificate: {error}") from error
        return None

    def keep(self, name: str, chain: bytes) -> None:
        """See `WebCertificate.keep`.

        Raises:
            Unavailable: the storage fails.
        """
        if not certificates.HOST_NAME.match(name):
            raise Unavailable("a certificate for a name that is no file's")
        try:
            folder = self._folder / ISSUED
            folder.mkdir(exist_ok=True)
            self._give(folder, FOLDER_MODE)
            self._put(f"{ISSUED}/{name}.pem", chain)
            for path in self._issued():
                if path.name != name + ".pem":
                    path.unlink()
        except OSError as error:
            raise Unavailable(f"the issued certificate: {error}") from error

    def _issued(self) -> list[Path]:
        return sorted((self._folder / ISSUED).glob("*.pem"))

    def _make(self, serial: str) -> None:
        key, certificate = certificates.run("self_signed", serial=serial)
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._issued():  # for a key that is no more
            path.unlink()
        self._give(self._folder, FOLDER_MODE)
        # The key first: who sees the certificate finds the key.
        self._put("key.pem", key.encode())
        self._put("cert.pem", certificate.encode())

    def _put(self, name: str, data: bytes) -> None:
        unfinished = self._folder / (name + ".new")
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        self._give(unfinished, FILE_MODE)
        path = self._folder / name
        unfinished.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _give(self, path: Path, mode: int) -> None:
        """To the group, where we may: a developer's machine has no camera user."""
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, 0, self._group)
