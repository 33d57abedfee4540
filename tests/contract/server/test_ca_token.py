"""The fleet CA's key on a PKCS#11 token (SoftHSM2): a server is made with it, and enrols, renews and serves by it."""

import subprocess

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from tests.contract.server import harness
from tests.contract.server.test_keys import one_line
from tests.contract.server.test_keys_token import uri

KEY = 0x51


def answered(answer):
    assert answer.status_code == 200, answer.text
    (made,) = pkcs7.load_der_pkcs7_certificates(harness.base64.b64decode(answer.content))
    return made


def test_cameras_and_their_services_are_certified_by_a_key_that_is_on_the_token_only(token, tmp_path):
    """And without the token the server certifies nobody, goes on serving, and does not start."""
    harness.command("keys", "new", uri(token, KEY), "--public", tmp_path / "ca.pub")
    server = harness.make_server(tmp_path / "s", extra=("--ca-key", uri(token, KEY)))
    assert [path.name for path in (server.folder / "pki").glob("ca*")] == ["ca.pem"]
    authority = x509.load_pem_x509_certificate(server.ca.read_bytes())
    assert harness.public_pem(authority.public_key()) == (tmp_path / "ca.pub").read_text()
    harness.start(server)
    try:
        camera = harness.Camera(server, tmp_path / "camera", "KW1-1").enrol()
        with camera.client() as client:
            renewed = answered(client.post("/.well-known/est/simplereenroll", content=camera.csr()))
            services = ec.generate_private_key(ec.SECP256R1())
            path = "/.well-known/est/services/simpleenroll"
            served = answered(client.post(path, content=camera.csr(key=services)))
        pems = []
        for number, one in enumerate((camera.certificate, renewed, served)):
            one.verify_directly_issued_by(authority)
            pems.append(tmp_path / f"{number}.pem")
            pems[-1].write_text(harness.ssl.DER_cert_to_PEM_cert(one.public_bytes(harness.serialization.Encoding.DER)))
        line = ["openssl", "verify", "-x509_strict", "-CAfile", server.ca, *pems, server.folder / "pki/server.pem"]
        assert subprocess.run(line, capture_output=True, text=True, check=True).stdout.count(": OK\n") == 4
    finally:
        harness.stop(server)
    (token / "tokens").rename(token / "gone")
    (token / "tokens").mkdir()
    try:
        assert "No PKCS#11 token found for label camward" in one_line(
            harness.command_line("serve", server.folder, "--with-broker")
        )
        listed = harness.command_line("device", "list", "--dir", server.folder)
        assert "KW1-1" in listed.stdout  # what only looks needs no token
    finally:
        (token / "tokens").rmdir()
        (token / "gone").rename(token / "tokens")


def test_a_token_whose_pin_is_gone_certifies_nobody_and_the_camera_may_ask_again(token, tmp_path):
    key = uri(token, KEY + 1).replace(f"{token}/pin", f"{tmp_path}/pin")
    (tmp_path / "pin").write_text((token / "pin").read_text())
    harness.command("keys", "new", key, "--public", tmp_path / "ca.pub")
    server = harness.make_server(tmp_path / "s", extra=("--ca-key", key))
    harness.start(server)
    try:
        camera = harness.Camera(server, tmp_path / "camera", "KW1-1")
        owned = camera.token()
        (tmp_path / "pin").write_text("0")
        assert camera.simpleenroll(owned).status_code == 503
        (tmp_path / "pin").unlink()
        assert camera.simpleenroll(owned).status_code == 503
        (tmp_path / "pin").write_text((token / "pin").read_text())
        assert camera.simpleenroll(owned).status_code == 200
        with httpx.Client(verify=server.context(), base_url=server.device_url) as client:
            assert client.get("/.well-known/est/cacerts").status_code == 200
    finally:
        harness.stop(server)


def test_a_key_that_is_not_there_makes_no_server(token, tmp_path):
    done = harness.command(
        "init", tmp_path / "s", "--operator", "O", "--host", "127.0.0.1", "--ca-key", uri(token, 0x77), check=False
    )
    assert "could not find" in one_line(done)
    assert list(tmp_path.iterdir()) == []
