"""A fleet's CA and certificates for its cameras, as the server's own authority makes them, and as an attacker would."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.adapters.linux.tls import DEVICE_URN

BOTH = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)


class Fleet:
    """`ca`: PEM. Each certificate is a pair of files in `folder`."""

    def __init__(self, folder, name="fleet"):
        self.folder, self.name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = self._build(self._subject, self._key.public_key(), -30, 30)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.ca = made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def device(self, device_id, begin_days=-1, end_days=1, usages=BOTH, names=None):
        """Certificate and key of a camera, as paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, device_id)])
        sans = [x509.UniformResourceIdentifier(DEVICE_URN + device_id)] if names is None else names
        made = (
            self._build(subject, key.public_key(), begin_days, end_days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        )
        stem = f"{self.name}-{device_id}-{begin_days}-{end_days}-{len(usages)}-{len(sans)}"
        paths = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        paths[0].write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        paths[1].write_bytes(key.private_bytes(*form))
        return paths

    def _build(self, subject, key, begin_days, end_days):
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(self._subject).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=begin_days)).not_valid_after(now + timedelta(days=end_days))
        )  # fmt: skip
