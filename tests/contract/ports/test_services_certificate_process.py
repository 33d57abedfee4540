"""A real agent has a real server certify the camera's services, and the real camera shows it to whoever asks for it."""

import os
import socket
import ssl
import time
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import claim, enrol
from tests.contract.server import harness
from tests.contract.server.test_broker import broker_answer
from update_server.pki.authority import utc

SLOT = bytes(range(256)) * 64
CONNACK = b"\x20"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with harness.running(tmp_path_factory.mktemp("server") / "s") as made:
        yield made


@pytest.fixture
def board(tmp_path, server):
    """Claimed and enrolled, and its services certified."""
    made = Board(tmp_path / "board", (server.folder / "tuf/image/1.root.json").read_bytes())
    made.leave_factory(SLOT)
    made.power_on()
    made.start_camera()
    enrol(made, server, claim(made))
    made.device = made.status()["device"]
    made.name = made.device + ".camward.internal"
    made.issued = made.state / "web/issued" / (made.name + ".pem")
    wait_for(made.issued.exists, "the issued certificate: " + str(made.status()))
    wait_for((made.state / "clock/floor.json").exists, "a proof of the time")
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def shown(port, context, name):
    """The certificate that a client with this context sees when it asks for a name; it is verified by the context."""
    with (
        socket.create_connection(("127.0.0.1", port), 30) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True))


def test_recorders_verify_https_and_rtsps_by_the_fleets_ca_and_people_see_what_they_know(board, server):
    fleet = ssl.create_default_context(cafile=str(server.folder / "pki/ca.pem"))
    own = x509.load_pem_x509_certificate((board.state / "web/cert.pem").read_bytes())
    person = ssl.create_default_context(cafile=str(board.state / "web/cert.pem"))
    person.check_hostname = False  # by the address, as people come; it is this very certificate or none
    for port in board.ports:
        found = shown(port, fleet, board.name)
        assert found.public_key() == own.public_key()
        assert shown(port, fleet, board.name.upper()) == found
        assert shown(port, person, "127.0.0.1") == own
        with pytest.raises(ssl.SSLCertVerificationError):
            shown(port, fleet, "127.0.0.1")
        with pytest.raises(ssl.SSLCertVerificationError):
            shown(port, fleet, "b" * 26 + ".camward.internal")
        with pytest.raises(ssl.SSLCertVerificationError):
            shown(port, ssl.create_default_context(), board.name)
    usages = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_with_the_services_key_nobody_passes_for_the_camera(board, server):
    """Who takes over the camera's program has this key; the control is the identity's, which it cannot read."""
    services, identity = (
        (board.issued, board.state / "web/key.pem"),
        (board.state / "identity/certificate.pem", board.state / "identity/tls.key.pem"),
    )
    assert broker_answer(server, server.context(*identity))[:1] == CONNACK
    assert broker_answer(server, server.context(*services)) == b""
    for pair, expected in ((identity, 200), (services, None)):
        assert ownership(server, server.context(*pair)) == expected
    for path in (board.state / "identity").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    if os.geteuid() == 0:
        assert (board.state / "web/key.pem").stat().st_mode & 0o777 == 0o640
        assert board.issued.stat().st_mode & 0o777 == 0o640


def ownership(server, context):
    """The device listener's answer; None where TLS ends first."""
    import httpx

    try:
        with httpx.Client(verify=context, base_url=server.device_url) as client:
            return client.get("/device/v1/ownership").status_code
    except httpx.TransportError:
        return None


def test_it_is_renewed_and_shown_without_a_restart_of_the_camera(board, server):
    key = load_pem_private_key((board.state / "web/key.pem").read_bytes(), None)
    past = utc(int(time.time())) - timedelta(days=80)
    old = server.services.authority.certify_services(key.public_key(), board.serial, board.name, 90, past)
    board.issued.write_bytes(old.public_bytes(Encoding.PEM))
    fleet = ssl.create_default_context(cafile=str(server.folder / "pki/ca.pem"))
    assert shown(board.ports[0], fleet, board.name) == old
    board.kill()
    board.power_on()
    wait_for(lambda: x509.load_pem_x509_certificate(board.issued.read_bytes()) != old, "the renewal")
    wait_for(lambda: shown(board.ports[0], fleet, board.name) != old, "the camera to show it")
    found = shown(board.ports[0], fleet, board.name)
    assert found.not_valid_after_utc > old.not_valid_after_utc
