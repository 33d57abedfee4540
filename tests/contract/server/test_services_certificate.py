"""EST for the camera's services: who gets a certificate, for what key and name, and what it is no good for."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from update_server import settings
from update_server.errors import Misconfigured
from update_server.pki.enrolment import DAILY_CERTIFICATES

PATH = "/.well-known/est/services/simpleenroll"


def ask(camera, **how):
    with camera.client() as client:
        return client.post(PATH, content=camera.csr(**how))


@pytest.fixture
def key():
    return ec.generate_private_key(ec.SECP256R1())


def test_a_camera_gets_one_for_its_own_name_whatever_it_asks_for(camera, key):
    answer = ask(camera, key=key)
    assert answer.status_code == 200, answer.text
    (made,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))
    assert made.public_key() == key.public_key()
    made.verify_directly_issued_by(camera.server.services.authority.certificate)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [camera.id + ".camward.internal"]
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    assert camera.id not in made.subject.rfc4514_string()
    assert "camward-ingest" not in made.subject.rfc4514_string()


def test_the_identitys_key_and_another_serial_number_are_refused(camera, key):
    assert ask(camera).status_code == 400
    assert ask(camera, key=key, serial="KW1-9").status_code == 400
    with camera.client() as client:
        assert client.post(PATH, content=b"rubbish").status_code == 400


def test_without_a_certificate_with_a_denied_one_and_too_often_there_is_none(camera, server, key):
    import httpx

    with httpx.Client(verify=server.context()) as client:
        assert client.post(server.device_url + PATH, content=camera.csr(key=key)).status_code == 401
    answers = [ask(camera, key=key).status_code for _ in range(DAILY_CERTIFICATES)]
    assert answers == [200] * (DAILY_CERTIFICATES - 1) + [429], "the identity's own counts as well"
    server.run("device", "deny", camera.id)
    assert ask(camera, key=key).status_code == 403


@pytest.mark.parametrize("hosts", [("update.cams.example.net",), ("10.0.0.1", "UPDATE.cams.example.net")])
def test_no_server_may_have_a_name_among_the_cameras(hosts, tmp_path):
    with pytest.raises(Misconfigured, match="cameras' domain"):
        settings.validated("server.toml", operator="O", hosts=hosts, devices={"camera_domain": "Cams.example.net"})
    made = settings.validated("x", operator="O", hosts=hosts, devices={"camera_domain": "other.example.net"})
    assert made.devices.camera_domain == "other.example.net"


@pytest.mark.parametrize(
    "domain", ["", "10.0.0.1", "-a.example", "a..b", "*.example.net", "a/b", "a" * 64 + ".example"]
)
def test_what_is_no_domain_is_refused(domain):
    with pytest.raises(Misconfigured):
        settings.validated("server.toml", operator="O", hosts=("a.example",), devices={"camera_domain": domain})
