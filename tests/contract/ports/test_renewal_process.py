"""The real agent process renews its certificate with a real server, and proves it at a real broker."""

import time
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import claim, enrol
from tests.contract.server import harness
from update_server.pki.authority import utc

SLOT = bytes(range(256)) * 64


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with harness.running(tmp_path_factory.mktemp("server") / "s") as made:
        yield made


@pytest.fixture
def board(tmp_path, server):
    """Claimed and enrolled, without power."""
    made = Board(tmp_path / "board", (server.folder / "tuf/image/1.root.json").read_bytes())
    made.leave_factory(SLOT)
    made.power_on()
    made.start_camera()
    enrol(made, server, claim(made))
    wait_for((made.state / "clock/floor.json").exists, "a proof of the time")
    made.device = made.status()["device"]
    made.kill()
    made.console.clear()
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def place(board):
    return board.state / "identity/certificate.pem"


def beside(board):
    return board.state / "identity/renewed-certificate.pem"


def age(board, server, begun_days_ago, days=90):
    """Put a certificate in place that the fleet's CA gave this camera's key so long ago."""
    key = load_pem_private_key((board.state / "identity/tls.key.pem").read_bytes(), None)
    past = utc(int(time.time())) - timedelta(days=begun_days_ago)
    made = server.services.authority.certify_device(key.public_key(), board.serial, days, past)
    place(board).write_bytes(made.public_bytes(Encoding.PEM))
    return made


def is_renewed(board, old):
    found = x509.load_pem_x509_certificate(place(board).read_bytes())
    return found.not_valid_after_utc > old.not_valid_after_utc and not beside(board).exists()


@pytest.mark.parametrize(("begun_days_ago", "why"), [(70, "it is time"), (120, "it ended a month ago")])
def test_a_certificate_is_renewed_and_the_session_stands_with_the_new_one(board, server, begun_days_ago, why):
    old = age(board, server, begun_days_ago)
    board.power_on()
    wait_for(lambda: is_renewed(board, old), f"the renewal ({why}): {board.status()}")
    wait_for(lambda: board.status()["link"] == "up", "the session: " + str(board.status()))
    found = x509.load_pem_x509_certificate(place(board).read_bytes())
    assert found.public_key() == old.public_key()
    status = board.status()
    assert status["device"] == board.device
    assert status["certificate"] == {"ends": found.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"), "problem": ""}
    board.kill()  # the next telemetry would come in minutes
    board.power_on()
    ends_at = int(found.not_valid_after_utc.timestamp())
    wait_for(
        lambda: server.json("device", "show", board.device)["telemetry"].get("certificate_ends_at") == ends_at,
        "the server to be told",
    )


def test_a_kill_with_a_new_certificate_beside_the_old_one_loses_neither(board, server):
    old = age(board, server, 70)
    new = age(board, server, 0)
    beside(board).write_bytes(place(board).read_bytes())
    place(board).write_bytes(old.public_bytes(Encoding.PEM))
    board.power_on()
    wait_for(lambda: is_renewed(board, old), "the new one to take its place: " + str(board.status()))
    assert x509.load_pem_x509_certificate(place(board).read_bytes()) == new
    wait_for(lambda: board.status()["link"] == "up", "the session: " + str(board.status()))


def test_a_denied_camera_is_not_renewed_and_tells_its_owner(board, server):
    old = age(board, server, 70)
    server.run("device", "deny", board.device)
    board.power_on()
    wait_for(lambda: "403" in board.status()["certificate"]["problem"], "the refusal: " + str(board.status()))
    assert x509.load_pem_x509_certificate(place(board).read_bytes()) == old
    assert not beside(board).exists()
    assert not server.json("device", "show", board.device)["online"]
