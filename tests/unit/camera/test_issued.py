"""Which certificate a client is shown, by the name that it asks for."""

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from firmware_sim.camera.tls import Issued, tls_context
from tests.contract.camera.camera_process import make_certificate
from update_server.pki import authority
from update_server.pki.authority import utc

NAME = "a" * 26 + ".camward.internal"


@pytest.fixture
def served(tmp_path: Path) -> ssl.SSLContext:
    certificate, key = make_certificate(tmp_path)
    context = tls_context(certificate, key)
    Issued(certificate, key).serve(context)
    return context


def shown(context: ssl.SSLContext, name: str | None, trusted: str) -> bytes:
    """What a client that trusts these certificates sees when it asks for a name, in DER."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with context.wrap_socket(theirs, server_side=True) as secured:
            secured.recv(1)

    server = threading.Thread(target=serve)
    server.start()
    try:
        client = ssl.create_default_context(cadata=trusted)
        client.check_hostname = False  # which certificate is shown is what is compared here
        with client.wrap_socket(ours, server_hostname=name) as secured:
            found = secured.getpeercert(binary_form=True)
            secured.sendall(b"x")
    finally:
        server.join()
    assert found is not None
    return found


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def issue(folder: Path, key: Path, name: str, work: Path) -> tuple[bytes, str]:
    """Another certificate for the same key, kept under a name; and the CA that it is by."""
    work.mkdir()
    now = utc(int(time.time()))
    made = authority.make(work, "O", now)
    private = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    certificate = made.certify_services(private.public_key(), "KW1-1", NAME, 90, now)
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    return certificate.public_bytes(Encoding.DER), made.pem


def test_only_who_asks_for_the_name_is_shown_the_issued_one_and_a_new_one_at_once(
    served: ssl.SSLContext, tmp_path: Path
) -> None:
    own, known = der(tmp_path / "cert.pem"), (tmp_path / "cert.pem").read_text()
    assert shown(served, NAME, known) == own
    first, ca = issue(tmp_path / "issued", tmp_path / "key.pem", NAME + ".pem", tmp_path / "ca1")
    known += ca
    assert shown(served, NAME, known) == first
    for name in (None, "127.0.0.1", "b" * 26 + ".camward.internal", "camward.internal"):
        assert shown(served, name, known) == own, name
    second, ca = issue(tmp_path / "issued", tmp_path / "key.pem", NAME + ".pem", tmp_path / "ca2")
    known += ca
    assert shown(served, NAME, known) == second != first
    (tmp_path / "issued" / (NAME + ".pem")).unlink()
    assert shown(served, NAME, known) == own


def test_a_damaged_one_is_not_shown(served: ssl.SSLContext, tmp_path: Path) -> None:
    (tmp_path / "issued").mkdir()
    (tmp_path / "issued" / (NAME + ".pem")).write_text("damaged")
    assert shown(served, NAME, (tmp_path / "cert.pem").read_text()) == der(tmp_path / "cert.pem")


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "a..b", ".a", "x\x00y", "-", "", "x" * 64])
def test_what_is_no_name_reaches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    certificate, key = make_certificate(tmp_path)
    issued = Issued(certificate, key)
    looked: list[Path] = []

    def stat(path: Path) -> None:
        looked.append(path)
        raise FileNotFoundError

    monkeypatch.setattr(Path, "stat", stat)
    for asked in (name, "fine.example"):
        issued._asked(None, asked, None)  # type: ignore[arg-type]
    assert [path.name for path in looked] == ["fine.example.pem"]
