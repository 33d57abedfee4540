"""EST over real TLS: tokens, certificates, what works without one and what does not."""

import hashlib
import json
import ssl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def test_a_camera_enrols_and_its_name_is_derived_from_its_key(camera):
    subject = camera.certificate.subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == camera.id
    assert subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value == camera.serial
    sans = camera.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sans.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:camward:device:{camera.id}"]
    usage = camera.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    # Of a server as well, for its neighbours (docs/adr/0016-neighbours.md); it names no host.
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH, x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_ownership_record_is_the_one_named_in_the_token(camera, server):
    with camera.client() as client:
        record = client.get("/device/v1/ownership").content
    assert hashlib.sha256(record).hexdigest() == camera.owner_token["ownership_sha256"]
    value = json.loads(record)
    assert value["operator"] == "River Office"
    assert value["server"] == {"url": server.device_url}
    assert value["broker"] == {"host": "127.0.0.1", "port": server.mqtt_port}
    assert value["ca"] == server.ca.read_text()
    assert json.loads(value["director_root"])["signed"]["_type"] == "root"


def test_a_token_serves_one_key_and_a_lost_reply_may_be_asked_for_again(new_camera):
    camera, thief = new_camera(), new_camera()
    token = camera.token()
    assert camera.simpleenroll(token).status_code == 200
    stolen = thief.simpleenroll(token)
    assert stolen.status_code == 401
    assert "used or expired" in stolen.json()["what"]
    assert camera.simpleenroll(token).status_code == 200


def test_an_expired_token_is_refused(new_camera):
    camera = new_camera()
    assert camera.simpleenroll(camera.token(valid_s=0)).status_code == 401


def test_a_wrong_secret_is_refused_and_does_not_use_the_token_up(new_camera):
    camera = new_camera()
    token = camera.token()
    assert camera.simpleenroll({**token, "secret": "x"}).status_code == 401
    assert camera.simpleenroll(token).status_code == 200


def test_a_token_for_one_serial_number_serves_no_other(new_camera):
    camera = new_camera()
    assert camera.simpleenroll(camera.token("OTHER-1")).status_code == 401
    assert camera.simpleenroll(camera.token(camera.serial)).status_code == 200


def test_a_malformed_request_leaves_the_token_usable(new_camera):
    camera = new_camera()
    token = camera.token()
    p384 = ec.generate_private_key(ec.SECP384R1())
    for body in (b"!!!", b"AAAA", camera.csr(key=p384), camera.csr(serial="../x"), b"A" * 10_000):
        assert camera.simpleenroll(token, body).status_code == 400
    assert camera.simpleenroll(token).status_code == 200


def test_renewal_keeps_the_key(camera):
    with camera.client() as client:
        path = "/.well-known/est/simplereenroll"
        other = ec.generate_private_key(ec.SECP256R1())
        assert client.post(path, content=camera.csr(key=other)).status_code == 400
        answer = client.post(path, content=camera.csr())
    assert answer.status_code == 200
    before = camera.certificate.serial_number
    camera.install(answer)
    assert camera.certificate.serial_number != before


@pytest.mark.parametrize(
    "path", ["/device/v1/ownership", "/tuf/image/timestamp.json", "/targets/x", "/.well-known/est/simplereenroll", "/"]
)
def test_nothing_but_enrolment_works_without_a_certificate(server, path):
    with httpx.Client(verify=server.context(), base_url=server.device_url) as client:
        assert client.get(path).status_code == 401
        assert client.get("/.well-known/est/cacerts").status_code == 200


def test_a_certificate_of_another_authority_is_refused_by_tls(server, new_camera, tmp_path):
    camera = new_camera()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, camera.id)])
    import datetime

    from cryptography.hazmat.primitives import hashes, serialization

    now = datetime.datetime.now(datetime.UTC)
    forged = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(camera.key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .sign(camera.key, hashes.SHA256())
    )  # fmt: skip
    (camera.folder / "cert.pem").write_bytes(forged.public_bytes(serialization.Encoding.PEM))
    (camera.folder / "key.pem").write_bytes(
        camera.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with camera.client() as client, pytest.raises((httpx.TransportError, ssl.SSLError)):
        client.get("/device/v1/ownership")


def test_the_evidence_key_is_never_replaced_silently(camera):
    with camera.client() as client:
        assert client.put("/device/v1/identity", json=camera.identity(version="1.0.1")).status_code == 204
        camera.evidence_key = ec.generate_private_key(ec.SECP256R1())
        refused = client.put("/device/v1/identity", json=camera.identity())
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert client.put("/device/v1/identity", json=camera.identity(serial="X")).status_code == 400
        assert client.put("/device/v1/identity", content=b"[" * 5000).status_code == 400


def test_a_camera_gets_only_so_many_certificates_in_a_day(camera, server, new_camera):
    with camera.client() as client:
        codes = [client.post("/.well-known/est/simplereenroll", content=camera.csr()).status_code for _ in range(25)]
    assert codes == [200] * 19 + [429] * 6  # the first was given at enrolment
    new_camera().enrol()


def test_a_removed_camera_is_locked_out_and_may_enrol_again(camera, server):
    server.run("device", "remove", camera.serial)
    with camera.client() as client:
        director = f"/tuf/director/{camera.id}/timestamp.json"
        for path in ("/device/v1/ownership", director, "/tuf/image/timestamp.json", "/targets/x"):
            assert client.get(path).status_code == 403
        assert client.post("/.well-known/est/simplereenroll", content=camera.csr()).status_code == 403
    camera.enrol()


def test_the_peer_certificate_reaches_the_application_as_pinned(camera, server):
    """Pins PeerProtocol to uvicorn's internals: the application sees exactly the certificate TLS verified."""
    import uvicorn

    assert uvicorn.__version__ == "0.54.0", "look at serving/listener.py again, then change this line"
    with camera.client() as client:
        assert client.get(f"/tuf/director/{camera.id}/timestamp.json").status_code == 200
        assert client.get(f"/tuf/director/{'a' * 26}/timestamp.json").status_code == 403
    with httpx.Client(verify=server.context(), base_url=server.device_url) as client:
        assert client.get(f"/tuf/director/{camera.id}/timestamp.json").status_code == 401
