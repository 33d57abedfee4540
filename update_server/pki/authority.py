"""The fleet CA: certifies cameras, this server and its ingest client. Nothing else trusts it."""

import base64
import hashlib
import ipaddress
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from update_server.errors import Conflict, Misconfigured
from update_server.files import SECRET, write_atomic
from update_server.keyfiles import new_key, read_key, write_key

CA_DAYS = 20 * 365  # longer than a camera lives; renewal of the CA is a new ownership record
SERVER_DAYS = 397  # what browsers accept
INGEST_NAME = "camward-ingest"
INGEST_KEY = re.compile(r"ingest-([1-9][0-9]*)\.key\.pem\Z")
SHARE_FILE = "share"
SHARE_BYTES = 16
LOCAL_HOSTS = ("localhost", "127.0.0.1")  # the ingest and the commands on the same machine
# Cameras without a battery-backed clock wake up at their build time: what they verify must already be valid then.
BACKDATE_TRUSTED = timedelta(days=365)
# Only this server and its broker verify a camera's certificate; an hour covers the difference of their clocks.
BACKDATE_DEVICE = timedelta(hours=1)
DEVICE_ID_CHARS = 26
URN = "urn:camward:device:"


def device_id(key: ec.EllipticCurvePublicKey) -> str:
    """A camera's id: the first 26 characters of base32(SHA-256(public key, SPKI DER)), lower case (130 bits)."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b32encode(hashlib.sha256(spki).digest()).decode("ascii")[:DEVICE_ID_CHARS].lower()


def ingest_files(number: int) -> str:
    """What the files of an ingest process begin with; 0 is the server itself."""
    return f"ingest-{number}" if number else "ingest"


def ingest_name(number: int) -> str:
    """What the broker calls an ingest process."""
    return f"{INGEST_NAME}-{number}" if number else INGEST_NAME


class Authority:
    """Issues certificates with the CA key in `folder` (`ca.key.pem`, `ca.pem`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = read_key(folder / "ca.key.pem")
        try:
            self.certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        except (OSError, ValueError) as error:
            raise Misconfigured(
                f"{folder / 'ca.pem'} is no certificate: {error}.", "Restore it from your backup."
            ) from None

    @property
    def pem(self) -> str:
        """The CA certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def der(self) -> bytes:
        """The CA certificate as DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def certify_device(self, key: ec.EllipticCurvePublicKey, serial: str, days: int, now: datetime) -> x509.Certificate:
        """A certificate for the camera that holds `key`; its name is derived from the key, never asked for.

        It is for clients, and for serving neighbours (docs/adr/0016-neighbours.md). It names no host, so that it is no
        good for posing as the server.
        """
        name = device_id(key)
        subject = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)]
        )
        sans = [x509.UniformResourceIdentifier(URN + name)]
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        return self._issue(key, subject, sans, usages, now - BACKDATE_DEVICE, now + timedelta(days=days))

    def certify_services(
        self, key: ec.EllipticCurvePublicKey, serial: str, name: str, days: int, now: datetime
    ) -> x509.Certificate:
        """A certificate for what a camera serves to recorders and browsers, under the DNS name `name`.

        It is for servers alone, and names no device where clients are looked for: with the key, which the camera's
        programs can read, nobody passes for the camera at this server or at the broker.
        """
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, "Camward camera"),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, serial),
            ]
        )
        usages, end = [ExtendedKeyUsageOID.SERVER_AUTH], now + timedelta(days=days)
        return self._issue(key, subject, [x509.DNSName(name)], usages, now - BACKDATE_DEVICE, end)

    def write_server(self, hosts: tuple[str, ...], now: datetime) -> None:
        """Make `server.pem` and `server.key.pem` for `hosts` (DNS names and IP addresses).

        Raises:
            OSError: they cannot be written.
        """
        sans: list[x509.GeneralName] = []
        for host in dict.fromkeys((*hosts, *LOCAL_HOSTS)):
            try:
                sans.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                sans.append(x509.DNSName(host))
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camward-server")])
        certificate = self._issue(
            key.public_key(), subject, sans, [ExtendedKeyUsageOID.SERVER_AUTH],
            now - BACKDATE_TRUSTED, now + timedelta(days=SERVER_DAYS),
        )  # fmt: skip
        self._write("server", key, certificate)

    def write_ingest(self, now: datetime, number: int = 0) -> None:
        """Make `ingest.pem` and `ingest.key.pem` (`ingest-1.pem`, ...), with which an ingest connects to the broker.

        Raises:
            OSError: they cannot be written.
        """
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ingest_name(number))])
        certificate = self._issue(
            key.public_key(), subject, [], [ExtendedKeyUsageOID.CLIENT_AUTH],
            now - BACKDATE_DEVICE, now + timedelta(days=SERVER_DAYS),
        )  # fmt: skip
        self._write(ingest_files(number), key, certificate)

    def provide_ingest(self, processes: int, now: datetime) -> None:
        """Make what so many ingest processes need beside the server, as far as it is missing or old.

        That is a certificate for each, and the name under which they share messages: a secret, because whoever joins in
        under it is given some of them, and the broker drops what it may not give.

        Raises:
            Conflict: one more than that still has a session at the broker.
            Misconfigured: a certificate is damaged.
        """
        found = (INGEST_KEY.match(path.name) for path in self.folder.iterdir())
        for number in sorted(int(match[1]) for match in found if match):
            if number > processes:
                raise Conflict(
                    f"The broker still gives messages to ingest {number}.",
                    f"Run 'camward-server ingest DIR {number} --leave', then start the server again.",
                )
        if processes and not (self.folder / SHARE_FILE).exists():
            write_atomic(self.folder / SHARE_FILE, secrets.token_hex(SHARE_BYTES).encode(), SECRET)
        for number in range(1, processes + 1):
            if not (self.folder / f"{ingest_files(number)}.pem").exists() or self._is_old(ingest_files(number), now):
                self.write_ingest(now, number)

    def renew_own(self, hosts: tuple[str, ...], now: datetime) -> None:
        """Make the server's two certificates again when less than a quarter of their life is left.

        Raises:
            Misconfigured: one of them is missing or damaged.
        """
        for name in ("server", "ingest"):
            if not self._is_old(name, now):
                continue
            if name == "server":
                self.write_server(hosts, now)
            else:
                self.write_ingest(now)

    def _is_old(self, name: str, now: datetime) -> bool:
        try:
            old = x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes())
        except (OSError, ValueError) as error:
            raise Misconfigured(f"{self.folder / name}.pem is no certificate: {error}.", "Restore it.") from None
        return old.not_valid_after_utc - now <= timedelta(days=SERVER_DAYS // 4)

    def _write(self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        write_key(self.folder / f"{name}.key.pem", key)
        write_atomic(self.folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def _issue(
        self,
        key: ec.EllipticCurvePublicKey,
        subject: x509.Name,
        sans: list[x509.UniformResourceIdentifier] | list[x509.DNSName] | list[x509.GeneralName],
        usages: list[x509.ObjectIdentifier],
        start: datetime,
        end: datetime,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(min(end, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def make(folder: Path, operator: str, now: datetime) -> Authority:
    """Make the fleet CA of `operator` in the existing, empty `folder`.

    Raises:
        OSError: it cannot be written.
    """
    key = new_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, operator[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, "Camward fleet CA"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE_TRUSTED)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_key(folder / "ca.key.pem", key)
    write_atomic(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(folder)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, key_cert_sign=key_cert_sign, crl_sign=crl_sign, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def utc(at: int) -> datetime:
    """`at` (Unix seconds) as a datetime in UTC."""
    return datetime.fromtimestamp(at, UTC)
