"""The fleet CA: certifies cameras, this server and its ingest client. Nothing else trusts it."""

import base64
import hashlib
import ipaddress
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from update_server.errors import Conflict, Misconfigured
from update_server.files import SECRET, write_atomic
from update_server.keyfiles import new_key, parse_public, write_key
from update_server.pki.signing import SigningKey
from update_server.repository import signers
from update_server.repository.online import Online

CA_FILE, KEY_FILE, EXTERNAL_FILE = "ca.pem", "ca.key.pem", "external.pem"
KEY_NAME = "fleet CA"
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


def key_sha256(key: ec.EllipticCurvePublicKey) -> str:
    """What tells a camera's keys apart: SHA-256 of the public key (SPKI, DER), hexadecimal."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def ingest_files(number: int) -> str:
    """What the files of an ingest process begin with; 0 is the server itself."""
    return f"ingest-{number}" if number else "ingest"


def ingest_name(number: int) -> str:
    """What the broker calls an ingest process."""
    return f"{INGEST_NAME}-{number}" if number else INGEST_NAME


class Authority:
    """Issues certificates by the first CA in `ca.pem` in `folder`; what the others there have issued is trusted, too.

    Where its key is, says `signers.toml` there, as for online keys. A key is opened when it is first to sign: what only
    looks needs no token and no PIN.

    `external.pem`, if it is there, has the CAs of another's by which cameras are certified: those need be roots.
    """

    def __init__(self, folder: Path) -> None:
        """Read the CAs' certificates.

        Raises:
            Misconfigured: they are missing or damaged.
        """
        self.folder = folder
        self._read()

    def _read(self) -> None:
        folder = self.folder
        try:
            self.trusted = x509.load_pem_x509_certificates((folder / CA_FILE).read_bytes())
        except (OSError, ValueError) as error:
            raise Misconfigured(
                f"{folder / CA_FILE} is no certificate: {error}.", "Restore it from your backup."
            ) from None
        self.certificate = self.trusted[0]
        self.external = []
        if (folder / EXTERNAL_FILE).exists():
            try:
                self.external = x509.load_pem_x509_certificates((folder / EXTERNAL_FILE).read_bytes())
            except (OSError, ValueError) as error:
                raise Misconfigured(f"{folder / EXTERNAL_FILE} has no certificates: {error}.", "Correct it.") from None
        self._key = SigningKey(_public(self.certificate, folder / CA_FILE), Online(folder, KEY_FILE))

    @property
    def pem(self) -> str:
        """The CA certificate as PEM."""
        return as_pem(self.certificate)

    @property
    def bundle(self) -> str:
        """All CAs that cameras are to trust, as PEM, the oldest first: the same whichever of them issues."""
        return "".join(map(as_pem, sorted(self.trusted, key=lambda one: one.not_valid_before_utc) + self.external))

    @property
    def der(self) -> bytes:
        """The CA certificate as DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether one of the fleet's CAs has signed this certificate itself."""
        return any(is_by(certificate, one) for one in self.trusted)

    def where(self) -> dict[str, str]:
        """The URI of the key of each trusted CA, by its `fingerprint`; empty where none is listed."""
        keys = Online(self.folder, KEY_FILE)
        return {
            fingerprint(one): keys.where(signers.public_key(_public(one, self.folder / CA_FILE)).keyid)
            for one in self.trusted
        }

    def trust(self, certificates: list[x509.Certificate]) -> None:
        """Have the first of these issue, and the others be trusted. A server that runs goes on by the old file.

        Raises:
            OSError: it cannot be written.
        """
        write_atomic(self.folder / CA_FILE, "".join(map(as_pem, certificates)).encode("ascii"))
        self._read()

    def prove(self) -> None:
        """See that the CA's key signs.

        Raises:
            Misconfigured: the server has no signer for it, or it holds another key.
            SigningFailed: its token or service is out of reach, or its PIN is not known.
        """
        self._key.sign(b"camward: may this key sign?", ec.ECDSA(hashes.SHA256()))

    def certify_device(
        self, key: ec.EllipticCurvePublicKey, serial: str, days: int, now: datetime, name: str = ""
    ) -> x509.Certificate:
        """A certificate for the camera that holds `key`; its name is derived from the key, never asked for.

        `name`: of a camera whose first key was another one, and whose name it keeps.

        It is for clients, and for serving neighbours (docs/adr/0016-neighbours.md). It names no host, so that it is no
        good for posing as the server.
        """
        name = name or device_id(key)
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

    def certify_consumer(self, key: ec.EllipticCurvePublicKey, client: str, now: datetime) -> x509.Certificate:
        """A certificate for a client of the broker, whose access control list knows it by the name `client`.

        It names no device, so that it opens nothing at the device listener.
        """
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, client)])
        usages, end = [ExtendedKeyUsageOID.CLIENT_AUTH], now + timedelta(days=SERVER_DAYS)
        return self._issue(key, subject, [], usages, now - BACKDATE_DEVICE, end)

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
        """Make the server's two certificates again when less than a quarter of their life is left, or by another CA.

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
        return old.not_valid_after_utc - now <= timedelta(days=SERVER_DAYS // 4) or not is_by(old, self.certificate)

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


def make(folder: Path, operator: str, now: datetime, uri: str = "") -> Authority:
    """Make the fleet CA of `operator` in the existing, empty `folder`; the rest as of `new_ca`.

    Raises:
        ServerError: the key that `uri` names cannot be used.
        OSError: it cannot be written.
    """
    write_atomic(folder / CA_FILE, as_pem(new_ca(folder, operator, now, uri)).encode("ascii"))
    return Authority(folder)


def new_ca(folder: Path, operator: str, now: datetime, uri: str = "", number: int = 1) -> x509.Certificate:
    """A new CA whose key is listed in `folder`, and which nobody trusts yet; `number` tells it from those before.

    `uri` names the CA's key (`update_server.repository.signers`), which exists; without it one is made, in a file.

    Raises:
        ServerError: the key that `uri` names cannot be used.
        OSError: it cannot be written.
    """
    keys = Online(folder, KEY_FILE)
    if uri:
        public = keys.check(uri).public_key
        keys.add(uri, signers.public_key_with_name(public, KEY_NAME))
    else:
        public = keys.new(KEY_FILE.removesuffix(".pem"))
    key = SigningKey(parse_public(public.keyval["public"].encode(), uri), keys)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, operator[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, "Camward fleet CA" + (f" {number}" if number > 1 else "")),
        ]
    )
    return (
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


def as_pem(certificate: x509.Certificate) -> str:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hexadecimal: what people compare."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def is_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` has signed this certificate itself."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _public(certificate: x509.Certificate, where: Path) -> ec.EllipticCurvePublicKey:
    """The key of a CA.

    Raises:
        Misconfigured: it is no P-256 key.
    """
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Misconfigured(f"{where} is no certificate of a P-256 key.", "Restore it from your backup.")
    return key


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
