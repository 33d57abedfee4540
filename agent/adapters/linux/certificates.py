"""X.509 work, in a process of its own: the libraries for it take megabytes that the agent needs once in its life.

`run` starts this module as a program, hands it one job as JSON on its standard input, and gives back the answer. What a
server sent is so parsed outside the process that holds the agent's state. Keys go through pipes only.
"""

import base64
import datetime
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.formats.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+\Z")  # what a file can be called as well
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
        .sign(_private_key(key), hashes.SHA256())
    )
    return [base64.encodebytes(made.public_bytes(serialization.Encoding.DER)).decode()]


def chain(key: str, device_id: str, reply: str) -> list[str]:
    """The PEM chain in an EST reply, own certificate first, self-signed roots left out (RFC 8446, 4.4.2).

    `reply` is base64 of what the server sent, which should be base64 of a certs-only PKCS#7.

    Raises:
        EnrolmentRefused: it is no such list, or none of them is for this key and device.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs7

    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ours = _private_key(key).public_key().public_bytes(*spki)
    try:
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(base64.b64decode(reply)))
        own = [item for item in found if item.public_key().public_bytes(*spki) == ours]
    except (ValueError, UnsupportedAlgorithm) as error:  # binascii.Error is a ValueError
        raise EnrolmentRefused("the reply is no PKCS#7 list of certificates that we know") from error
    if len(own) != 1 or _common_name(own[0]) != device_id:
        raise EnrolmentRefused("the certificate is not for this device")
    others = [item for item in found if item is not own[0] and item.subject != item.issuer]
    return ["".join(item.public_bytes(serialization.Encoding.PEM).decode() for item in [own[0], *others])]


def services_chain(key: str, ca: str, reply: str) -> list[str]:
    """The DNS name and the PEM chain in an EST reply for the camera's services; `ca` is PEM, `reply` as in `chain`.

    Raises:
        EnrolmentRefused: it is no such list, or none of them is for this key and one DNS name, and signed by the CA.
    """
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs7

    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ours = _private_key(key).public_key().public_bytes(*spki)
    try:
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(base64.b64decode(reply)))
        own = [item for item in found if item.public_key().public_bytes(*spki) == ours]
        if len(own) != 1:
            raise EnrolmentRefused("the certificate is not for this key")
        names = own[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = names.get_values_for_type(x509.DNSName)
        issuers = x509.load_pem_x509_certificates(ca.encode())
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise EnrolmentRefused("the reply is no PKCS#7 list of certificates that we know") from error
    if len(hosts) != 1 or not HOST_NAME.match(hosts[0]):
        raise EnrolmentRefused("the certificate is not for one name")
    for issuer in issuers:
        try:
            own[0].verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return [hosts[0], own[0].public_bytes(serialization.Encoding.PEM).decode()]
    raise EnrolmentRefused("the certificate is not by the operator's CA")


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
    sys.stdout.write(json.dumps(answer))
    return 0


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
