"""X.509 work, in a process of its own: the libraries for it take megabytes that the agent needs once in its life.

`run` starts this module as a program, hands it one job as JSON on its standard input, and gives back the answer. What a
server sent is so parsed outside the process that holds the agent's state. Keys go through pipes only.
"""

import base64
import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.formats.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+\Z")  # what a file can be called as well
MAX_PATH = 5  # certificates, the CA left out
JOB_S = 120.0  # under a second on x86, some seconds on a slow camera that is busy
VALID_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
VALID_TO = datetime.datetime(2099, 12, 31, tzinfo=datetime.UTC)
"""The camera may not know the time when it makes the certificate, and only people can renew their trust in it."""


class EnrolmentRefused(Rejected):
    """The server will not certify this device, or what it sent is not a certificate for it."""

    code = "enrolment_refused"


def run(job: str, **arguments: str) -> list[str]:
    """Do a job of `JOBS` in a short-lived process.

    Raises:
        EnrolmentRefused: the job's answer to what it was given.
        Unavailable: the process failed or took too long.
    """
    command = [sys.executable, "-s", "-S", "-P", "-m", __name__]
    environment = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
    question = json.dumps({"job": job, **arguments}).encode()
    try:
        done = subprocess.run(
            command, input=question, stdout=subprocess.PIPE, env=environment, timeout=JOB_S, check=True
        )
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise Unavailable(f"certificates: the job {job} failed ({type(error).__name__})") from error
    if "refused" in answer:
        raise EnrolmentRefused(str(answer["refused"]))
    return [str(text) for text in answer["made"]]


def request(key: str, device_id: str, serial: str) -> list[str]:
    """A certificate request (PKCS#10) for the private key `key` (PEM): base64 of DER, as EST wants it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    subject = [
        x509.NameAttribute(NameOID.COMMON_NAME, device_id),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, serial),
    ]
    name = x509.UniformResourceIdentifier("urn:camward:device:" + device_id)
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(subject))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        # The same bytes each time: a server that has put a request aside knows it again (RFC 7030, 4.2.3).
        .sign(_private_key(key), hashes.SHA256(), ecdsa_deterministic=True)
    )
    return [base64.encodebytes(made.public_bytes(serialization.Encoding.DER)).decode()]


def chain(key: str, device_id: str, ca: str, reply: str) -> list[str]:
    """The PEM chain in an EST reply, own certificate first, up to the CA, which is left out (RFC 8446, 4.4.2).

    `ca` is what the camera trusts, as PEM; `reply` is base64 of what the server sent, which should be base64 of a
    certs-only PKCS#7.

    Raises:
        EnrolmentRefused: it is no such list, or none of them is for this key and device and by this CA.
    """
    own, others = _listed(key, reply)
    if own is None or _common_name(own) != device_id:
        raise EnrolmentRefused("the certificate is not for this device")
    return [_pem_path(own, others, ca)]


def services_chain(key: str, ca: str, reply: str) -> list[str]:
    """The DNS name and the PEM chain in an EST reply for the camera's services; arguments as in `chain`.

    Raises:
        EnrolmentRefused: it is no such list, or none of them is for this key and one DNS name, and by this CA.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    own, others = _listed(key, reply)
    if own is None:
        raise EnrolmentRefused("the certificate is not for this key")
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = names.get_values_for_type(x509.DNSName)
        usages = list(own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (ValueError, x509.ExtensionNotFound):
        hosts, usages = [], []
    if len(hosts) != 1 or not HOST_NAME.match(hosts[0]):
        raise EnrolmentRefused("the certificate is not for one name")
    if usages != [ExtendedKeyUsageOID.SERVER_AUTH]:
        raise EnrolmentRefused("the certificate is not for servers alone")
    return [hosts[0], _pem_path(own, others, ca)]


def self_signed(serial: str) -> list[str]:
    """A fresh P-256 key (PKCS#8) and a certificate of it that is its own issuer, both PEM."""
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
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return [private.decode(), certificate.public_bytes(pem).decode()]


JOBS: dict[str, Callable[..., list[str]]] = {
    "request": request,
    "chain": chain,
    "services_chain": services_chain,
    "self_signed": self_signed,
}


def main() -> int:
    """The short-lived process: one job from standard input, its answer to standard output."""
    question = json.loads(sys.stdin.buffer.read())
    try:
        answer: dict[str, object] = {"made": JOBS[question.pop("job")](**question)}
    except EnrolmentRefused as error:
        answer = {"refused": error.detail}
    with contextlib.suppress(BrokenPipeError):  # the agent has ended meanwhile, and nobody waits
        os.write(sys.stdout.fileno(), json.dumps(answer).encode())
    return 0


def _listed(key: str, reply: str) -> "tuple[x509.Certificate | None, list[x509.Certificate]]":
    """The one certificate of this key in an EST reply, if there is one, and the others.

    Raises:
        EnrolmentRefused: it is no list of certificates.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs7

    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ours = _private_key(key).public_key().public_bytes(*spki)
    try:
        with warnings.catch_warnings():
            # OpenSSL keeps the order that it is given, which DER does not; the library reads that, and warns of it.
            warnings.filterwarnings("ignore", "PKCS#7 certificates could not be parsed as DER", UserWarning)
            found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(base64.b64decode(reply)))
        own = [item for item in found if item.public_key().public_bytes(*spki) == ours]
    except (ValueError, UnsupportedAlgorithm) as error:  # binascii.Error is a ValueError
        raise EnrolmentRefused("the reply is no PKCS#7 list of certificates that we know") from error
    return own[0] if len(own) == 1 else None, [item for item in found if item not in own]


def _pem_path(own: "x509.Certificate", others: "list[x509.Certificate]", ca: str) -> str:
    """The certificate and those between it and the CA. Their dates are looked at by whoever they are shown to.

    Raises:
        EnrolmentRefused: no chain of signatures leads to the CA.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    trusted, path = x509.load_pem_x509_certificates(ca.encode()), [own]
    while not any(_is_by(path[-1], issuer) for issuer in trusted):
        between = [item for item in others if item not in path and _may_issue(item) and _is_by(path[-1], item)]
        if not between or len(path) == MAX_PATH:
            raise EnrolmentRefused("the certificate is not by the operator's CA")
        path.append(between[0])
    return "".join(item.public_bytes(serialization.Encoding.PEM).decode() for item in path)


def _is_by(certificate: "x509.Certificate", issuer: "x509.Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_issue(certificate: "x509.Certificate") -> bool:
    """Whether it is a CA's (RFC 5280, 4.2.1.9): a device's certificate signs for nobody."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        return False


def _private_key(pem: str) -> "EllipticCurvePrivateKey":
    """Raises ValueError: it is no P-256 key."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("no P-256 key")
    return key


def _common_name(certificate: "x509.Certificate") -> str:
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


if __name__ == "__main__":
    sys.exit(main())
