"""The camera's own certificate: P-256, self-signed, made on the device at its first boot."""

import datetime
import os
import ssl
from hashlib import sha256
from pathlib import Path

from agent.formats.errors import Unavailable

VALID_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
VALID_TO = datetime.datetime(2099, 12, 31, tzinfo=datetime.UTC)
"""The camera may not know the time when it makes the certificate, and only people can renew their trust in it."""

PARENT_MODE = 0o711  # the camera passes through, and sees nothing
FOLDER_MODE = 0o750
FILE_MODE = 0o640


class SelfSignedCertificate:
    """`agent.ports.machine.WebCertificate` as `cert.pem` and `key.pem` in a folder that the camera's group may read."""

    def __init__(self, folder: Path, group: int) -> None:
        self._folder = folder
        self._group = group

    @property
    def path(self) -> Path:
        """The certificate file."""
        return self._folder / "cert.pem"

    def ensure(self, serial: str) -> str:
        """See `WebCertificate.ensure`; durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            if os.geteuid() == 0:
                self._folder.parent.chmod(PARENT_MODE)
            if not self.path.exists():
                self._make(serial)
            der = ssl.PEM_cert_to_DER_cert(self.path.read_text())
        except (OSError, ValueError) as error:
            raise Unavailable(f"the camera's certificate: {error}") from error
        return sha256(der).hexdigest()

    def _make(self, serial: str) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(VALID_FROM)
            .not_valid_after(VALID_TO)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(serial.lower())]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._give(self._folder, FOLDER_MODE)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # The key first: who sees the certificate finds the key.
        self._put("key.pem", private)
        self._put("cert.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def _put(self, name: str, data: bytes) -> None:
        unfinished = self._folder / (name + ".new")
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        self._give(unfinished, FILE_MODE)
        unfinished.rename(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _give(self, path: Path, mode: int) -> None:
        """To the group, where we may: a developer's machine has no camera user."""
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, 0, self._group)
