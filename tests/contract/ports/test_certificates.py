"""X.509 work in a process of its own: what comes back is right, and its libraries never come into the agent."""

import base64
import datetime
import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs7,
)
from cryptography.x509.oid import NameOID

from agent.adapters.linux import certificates
from agent.adapters.linux.certificates import EnrolmentRefused
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.web_certificate import SelfSignedCertificate
from agent.formats.errors import Unavailable

FROM = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TO = datetime.datetime(2036, 1, 1, tzinfo=datetime.UTC)
CA = ec.generate_private_key(ec.SECP256R1())
KEY = ec.generate_private_key(ec.SECP256R1())
STAYS_SMALL = """
import pathlib, sys
from agent.adapters.linux import certificates, keys, store
mine = keys.UnsafeFileKeyStore(store.FileStore(pathlib.Path(sys.argv[1])))
mine.ensure("tls")
mine.sign("tls", b"message")
certificates.run("request", key=mine.pem("tls"), device_id="one", serial="KW1-1")
print(sorted(set(sys.modules) & {"cryptography.x509", "cryptography.hazmat.primitives.serialization"}))
"""


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str = "Fleet CA",
    by: ec.EllipticCurvePrivateKey = CA,
    *,
    ca: bool = False,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(TO)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )


ROOT = certificate("Fleet CA", CA, ca=True)


def chain(*found: x509.Certificate, trusted: x509.Certificate = ROOT) -> bytes:
    """What the job makes of an EST reply with these certificates."""
    body = base64.encodebytes(pkcs7.serialize_certificates(list(found), Encoding.DER))
    ca = trusted.public_bytes(Encoding.PEM).decode()
    (made,) = certificates.run(
        "chain", key=pem(KEY), device_id="one", ca=ca, reply=base64.b64encode(body).decode()
    )  # fmt: skip
    return made.encode()


def test_a_request_names_device_and_serial_and_is_signed_by_the_key():
    (made,) = certificates.run("request", key=pem(KEY), device_id="one", serial="KW1-1")
    request = x509.load_der_x509_csr(base64.b64decode(made))
    assert request.is_signature_valid
    assert request.public_key() == KEY.public_key()
    assert request.subject.rfc4514_string() == "2.5.4.5=KW1-1,CN=one"
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:camward:device:one"]


def test_the_own_certificate_comes_first_and_the_ca_is_left_out():
    key = ec.generate_private_key(ec.SECP256R1())
    between, own = certificate("Fleet CA 2", key, ca=True), certificate("one", KEY, "Fleet CA 2", key)
    for found in ((ROOT, between, own), (own, between), (between, own, certificate("two", CA))):
        read = x509.load_pem_x509_certificates(chain(*found))
        assert [item.subject.rfc4514_string() for item in read] == ["CN=one", "CN=Fleet CA 2"]
    assert x509.load_pem_x509_certificates(chain(certificate("one", KEY))) != []


def test_what_is_not_for_this_device_is_refused():
    stranger = ec.generate_private_key(ec.SECP256R1())
    for wrong in (certificate("two", KEY), certificate("one", stranger)):
        with pytest.raises(EnrolmentRefused, match="not for this device"):
            chain(wrong)
    for body in (b"", b"rubbish", base64.b64encode(b"\x30\x80\x00"), b"\xff" * 100):
        with pytest.raises(EnrolmentRefused, match="PKCS#7"):
            certificates.run("chain", key=pem(KEY), device_id="one", ca="", reply=base64.b64encode(body).decode())


def test_what_the_cameras_ca_has_not_signed_is_refused():
    """By a stranger under the CA's name, by the device itself, and by another device of the same CA."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    false_root = certificate("Fleet CA", stranger, by=stranger, ca=True)
    by_stranger = certificate("one", KEY, by=stranger)
    other = certificate("two", stranger)
    for found in (
        (by_stranger,),
        (by_stranger, false_root),
        (certificate("one", KEY, "one", KEY),),
        (certificate("one", KEY, "two", stranger), other),
        (certificate("one", KEY, "nobody", stranger), certificate("nobody", stranger, "nobody", stranger, ca=True)),
    ):
        with pytest.raises(EnrolmentRefused, match="not by the operator's CA"):
            chain(*found)
    assert chain(by_stranger, trusted=false_root), "the control: whoever trusts the stranger takes it"


SERVER, CLIENT = x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH


@pytest.mark.parametrize(
    ("hosts", "usages", "says"),
    [
        (["one.camward.internal"], [SERVER], ""),
        (["one.camward.internal"], [SERVER, CLIENT], "servers alone"),
        (["one.camward.internal"], [], "one name"),
        (["one.camward.internal", "two.camward.internal"], [SERVER], "one name"),
        (["../one"], [SERVER], "one name"),
        ([], [SERVER], "one name"),
    ],
)
def test_the_services_certificate_is_for_one_name_and_for_servers_alone(hosts, usages, says):
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Camward camera")]))
        .issuer_name(ROOT.subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(TO)
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(one) for one in hosts]), critical=False
        )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    body = base64.encodebytes(pkcs7.serialize_certificates([builder.sign(CA, hashes.SHA256())], Encoding.DER))
    ca, reply = ROOT.public_bytes(Encoding.PEM).decode(), base64.b64encode(body).decode()
    if says:
        with pytest.raises(EnrolmentRefused, match=says):
            certificates.run("services_chain", key=pem(KEY), ca=ca, reply=reply)
        return
    name, made = certificates.run("services_chain", key=pem(KEY), ca=ca, reply=reply)
    assert name == hosts[0]
    assert len(x509.load_pem_x509_certificates(made.encode())) == 1


def test_a_new_key_of_the_services_leaves_no_certificate_for_the_former_one(tmp_path: Path):
    web = SelfSignedCertificate(tmp_path / "web", 0)
    web.ensure("KW1-1")
    web.keep("one.camward.internal", b"chain")
    web.keep("two.camward.internal", b"another")
    assert web.issued() == b"another"
    assert web.ensure("KW1-1")
    assert web.issued() == b"another"
    web.path.unlink()
    web.ensure("KW1-1")
    assert web.issued() is None


def test_a_process_that_fails_is_no_answer(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(Unavailable, match="request"):
        certificates.run("request", key="rubbish", device_id="one", serial="KW1-1")
    assert "Error" in capfd.readouterr().err


def test_the_cameras_own_certificate_is_made_once(tmp_path: Path):
    web = SelfSignedCertificate(tmp_path / "web", 0)
    first = web.ensure("KW1-1")
    assert web.ensure("KW1-1") == first
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(web.path, web.path.with_name("key.pem"))
    made = x509.load_pem_x509_certificate(web.path.read_bytes())
    made.verify_directly_issued_by(made)
    assert made.subject.rfc4514_string() == "CN=KW1-1"


def test_keys_are_written_as_the_library_writes_them(tmp_path: Path):
    keys = UnsafeFileKeyStore(FileStore(tmp_path))
    spki = keys.ensure("tls")
    read = load_pem_private_key(keys.path("tls").read_bytes(), None)
    assert isinstance(read, ec.EllipticCurvePrivateKey)
    assert pem(read) == keys.pem("tls") == keys.path("tls").read_text()
    assert read.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == spki


def test_the_libraries_for_certificates_stay_out_of_the_agent(tmp_path: Path):
    command = [sys.executable, "-c", STAYS_SMALL, str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("waits", [True, False])
def test_a_job_whose_agent_has_ended_says_nothing_on_the_console(waits):
    line = [sys.executable, "-m", "agent.adapters.linux.certificates"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(line, **pipes) as job:
        question = json.dumps({"job": "self_signed", "serial": "KW1-1"}).encode()
        if waits:
            answer, said = job.communicate(question)
            assert len(json.loads(answer)["made"]) == 2
        else:
            job.stdout.close()
            job.stdin.write(question)
            job.stdin.close()
            said = job.stderr.read()
        assert (said, job.wait()) == (b"", 0)
