"""A camera maker's CA, and the certificates that its factory gives cameras, as IEEE 802.1AR has them."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FAR = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)  # 802.1AR, 8.7: no end


def pem(one):
    """A certificate or key as PEM."""
    if isinstance(one, x509.Certificate):
        return one.public_bytes(serialization.Encoding.PEM)
    return one.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Maker:
    """A root, and an issuing CA below it that certifies cameras."""

    def __init__(self, name="Kawa Works"):
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._certificate([(NameOID.COMMON_NAME, name)], self.root_key, None, self.root_key, ca=True)
        issuing = [(NameOID.COMMON_NAME, name + " devices")]
        self.ca = self._certificate(issuing, self.key, self.root, self.root_key, ca=True)

    def certify(self, key, serial, model="kawa-1", end=FAR, name="KW"):
        """A factory certificate for `key`."""
        subject = [
            (NameOID.COMMON_NAME, name), (NameOID.ORGANIZATIONAL_UNIT_NAME, model), (NameOID.SERIAL_NUMBER, serial)
        ]  # fmt: skip
        return self._certificate(subject, key, self.ca, self.key, end=end)

    @staticmethod
    def _certificate(subject, key, issuer, issuer_key, *, ca=False, end=FAR):
        name = x509.Name([x509.NameAttribute(*one) for one in subject])
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        return (
            x509.CertificateBuilder()
            .subject_name(name).issuer_name(issuer.subject if issuer else name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)).not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
            .sign(issuer_key, hashes.SHA256())
        )  # fmt: skip
