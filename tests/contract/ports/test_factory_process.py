"""The real agent process enrols by the certificate of its factory, as a voucher or a person bids it to."""

import pytest

from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import claim
from tests.contract.server import harness
from tests.factory_certificates import Maker, pem
from update_server.keyfiles import new_key

SLOT = bytes(range(256)) * 64


@pytest.fixture(scope="module")
def maker():
    return Maker()


@pytest.fixture(scope="module")
def server(tmp_path_factory, maker):
    folder = tmp_path_factory.mktemp("server")
    (folder / "maker.pem").write_bytes(pem(maker.ca))
    made = harness.make_server(folder / "s")
    made.run("factory-ca", "add", "kawa", folder / "maker.pem", "--any", "--model", "kawa-1")
    harness.start(made)
    yield made
    harness.stop(made)


@pytest.fixture
def board(tmp_path, server):
    """As it leaves the factory, without a factory certificate."""
    made = Board(tmp_path / "board", (server.folder / "tuf/image/1.root.json").read_bytes())
    made.serial = f"KW1-{tmp_path.name[-20:].replace('_', '-')}"
    made.leave_factory(SLOT)
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def is_up(board):
    """Whether it is enrolled to the end: its services have a certificate as well, and nothing is under way."""
    wait_for(lambda: board.status()["link"] == "up", "the session with the broker: " + str(board.status()))
    wait_for(lambda: list((board.state / "web/issued").glob("*.pem")), "the services' certificate")


def give(board, maker):
    """The factory's certificate and key."""
    key = new_key()
    for name, one in (("certificate.pem", maker.certify(key, board.serial)), ("key.pem", key)):
        (board.state / "factory" / name).write_bytes(pem(one))
        (board.state / "factory" / name).chmod(0o600)


def test_a_camera_with_an_invitation_in_its_voucher_enrols_by_itself(board, server, maker):
    give(board, maker)
    out = board.state / "factory/voucher.json"
    server.run("device", "voucher", board.serial, "--by-factory", "--out", out)
    board.power_on()
    is_up(board)
    shown = server.json("device", "show", board.status()["device"])
    assert (shown["serial"], shown["model"]) == (board.serial, "kawa-1")
    assert not out.exists()
    assert (board.state / "factory/certificate.pem").exists()


def test_a_person_pastes_an_invitation_that_serves_every_camera_with_a_certificate(board, server, maker):
    invitation = server.json("device", "token", "--by-factory")["token"]
    board.power_on()
    board.start_camera()
    grant = claim(board)
    assert board.ask("web", "enrol", grant=grant, token=invitation)["ok"]
    wait_for(lambda: "no factory certificate" in board.status()["enrolment"]["problem"], "the refusal")
    give(board, maker)
    assert board.ask("web", "enrol", grant=grant, token=invitation)["ok"]
    is_up(board)


def test_a_certificate_of_another_maker_enrols_nobody(board, server):
    give(board, Maker())
    server.run("device", "voucher", board.serial, "--by-factory", "--out", board.state / "factory/voucher.json")
    board.power_on()
    problem = wait_for(lambda: board.status()["enrolment"]["problem"], "the refusal")
    assert problem
    assert board.status()["link"] != "up"
    assert server.run("device", "show", board.serial, check=False).returncode == 1
