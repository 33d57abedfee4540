"""The fleet CA's key by its signer URI: a thin private key, certificates that others verify, keys that do not fit."""

import datetime
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from update_server.errors import Misconfigured
from update_server.keyfiles import new_key, write_key
from update_server.pki import authority
from update_server.pki.signing import SigningKey
from update_server.repository.online import Online

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def fleet(tmp_path):
    """A CA whose key lies in a file of the operator's choice."""
    (tmp_path / "pki").mkdir()
    write_key(tmp_path / "elsewhere.pem", new_key())
    return authority.make(tmp_path / "pki", "Op", NOW, f"file:{tmp_path / 'elsewhere.pem'}")


def test_the_key_stays_where_its_uri_says(fleet):
    assert sorted(path.name for path in fleet.folder.iterdir()) == [".signers.lock", "ca.pem", "signers.toml"]
    fleet.prove()


def test_what_it_signs_is_verified_by_openssl_and_by_cryptography(fleet, tmp_path):
    device = fleet.certify_device(new_key().public_key(), "KW1-1", 90, NOW)
    fleet.write_server(("cam.example",), NOW)
    fleet.write_ingest(NOW)
    (tmp_path / "device.pem").write_bytes(pem(device))
    files = [tmp_path / "device.pem", fleet.folder / "server.pem", fleet.folder / "ingest.pem"]
    at = str(int(NOW.timestamp()))
    line = ["openssl", "verify", "-x509_strict", "-attime", at, "-CAfile"]
    done = subprocess.run([*line, fleet.folder / "ca.pem", *files], capture_output=True, text=True, check=True)
    assert done.stdout.count(": OK\n") == 3
    server = x509.load_pem_x509_certificate((fleet.folder / "server.pem").read_bytes())
    policy = PolicyBuilder().store(Store([fleet.certificate])).time(NOW)
    chain = policy.build_server_verifier(x509.DNSName("cam.example")).verify(server, [])
    assert chain == [server, fleet.certificate]
    (tmp_path / "other").mkdir()  # the control: another CA of the same name
    other = authority.make(tmp_path / "other", "Op", NOW).folder / "ca.pem"
    assert subprocess.run([*line, other, *files], capture_output=True, check=False).returncode != 0


def test_a_server_from_before_finds_its_key_file_without_a_list(tmp_path):
    authority.make(tmp_path, "Op", NOW)
    (tmp_path / "signers.toml").unlink()
    before = authority.Authority(tmp_path)
    before.prove()
    before.certify_device(new_key().public_key(), "KW1-1", 90, NOW).verify_directly_issued_by(before.certificate)


def test_another_key_at_its_place_does_not_sign(fleet, tmp_path):
    write_key(tmp_path / "elsewhere.pem", new_key())
    changed = authority.Authority(fleet.folder)
    with pytest.raises(Misconfigured, match="another key than expected"):
        changed.prove()
    with pytest.raises(Misconfigured, match="another key than expected"):
        changed.certify_device(new_key().public_key(), "KW1-1", 90, NOW)


def test_what_only_looks_needs_no_key(fleet, tmp_path):
    (tmp_path / "elsewhere.pem").unlink()
    assert authority.Authority(fleet.folder).certificate == fleet.certificate
    with pytest.raises(Misconfigured, match="cannot be read"):
        authority.Authority(fleet.folder).prove()


def test_a_key_that_needs_a_passphrase_is_refused(tmp_path):
    with pytest.raises(Misconfigured, match="cannot need a passphrase"):
        authority.make(tmp_path, "Op", NOW, f"encrypted-file:{tmp_path / 'x.pem'}")
    assert not (tmp_path / "ca.pem").exists()


def test_the_private_key_does_nothing_but_sign_as_certificates_are_signed(fleet):
    key = SigningKey(fleet.certificate.public_key(), Online(fleet.folder))
    with pytest.raises(NotImplementedError):
        key.sign(b"x", ec.ECDSA(hashes.SHA384()))
    with pytest.raises(NotImplementedError):
        key.exchange(ec.ECDH(), new_key().public_key())
    for secret in (key.private_numbers, lambda: key.private_bytes(None, None, None)):
        with pytest.raises(NotImplementedError):
            secret()
    key.public_key().verify(key.sign(b"x", ec.ECDSA(hashes.SHA256())), b"x", ec.ECDSA(hashes.SHA256()))
