"""Leaving, moving, erasing and vouchers with the real agent process, real servers and brokers, and the command line."""

import os
import shutil
import subprocess
import sys

import pytest

from agent.adapters.linux.admin_commands import RESTART_NOW
from tests.contract.ports.board import CODE, Board, wait_for
from tests.contract.ports.test_agent_process import PASSWORD, claim
from tests.contract.server import harness

SLOT = bytes(range(256)) * 64
KEPT = {"factory/label.json", "trust/rollback_index"}
FRESH = {
    "credentials/state.json", "evidence/history.json", "identity/evidence.key.pem", "identity/tls.key.pem",
    "web/cert.pem", "web/key.pem",
}  # fmt: skip
"""What every camera makes at its first start."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    made = [harness.make_server(tmp_path_factory.mktemp(name) / "s") for name in ("first", "second")]
    for server in made:
        harness.start(server)
    yield made
    for server in made:
        harness.stop(server)


@pytest.fixture
def board(tmp_path, servers):
    made = Board(tmp_path / "board", (servers[0].folder / "tuf/image/1.root.json").read_bytes())
    made.leave_factory(SLOT)
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


@pytest.fixture
def enrolled(board, servers):
    """Claimed and enrolled with the first operator."""
    board.power_on()
    board.start_camera()
    claim(board)
    assert command(board, "enrol", token(servers[0])) == 0
    wait_for(lambda: board.status()["link"] == "up", "the session with the broker")
    return board


def token(server):
    return server.run("device", "token").stdout.strip()


def command(board, *words, answers=""):
    """`camward-agent`, as root types it."""
    line = [sys.executable, "-W", "error", "-m", "agent.main", words[0], "--run", str(board.run), *words[1:]]
    done = subprocess.run(line, input=answers, capture_output=True, text=True, timeout=60, check=False)
    board.told = done.stdout + done.stderr
    return done.returncode


def documents(board):
    return {str(path.relative_to(board.state)) for path in board.state.rglob("*") if path.is_file()}


def restarted(board):
    board.wait_for_restart()
    board.says("camward-agent: ready")


def test_leaving_on_the_command_line_asks_for_the_serial_number(enrolled, servers):
    board, device = enrolled, enrolled.status()["device"]
    assert command(board, "disown", answers="KW1-000002\n") == 1
    assert "nothing was done" in board.told
    assert board.status()["operator"] == "River Office"
    assert command(board, "disown", answers=board.serial + "\n") == 0
    restarted(board)
    status = board.status()
    assert (status["operator"], status["enrolment"]["phase"], status["state"]) == ("", "none", "claimed")
    assert status["device"] != device
    left = documents(board)
    assert not [
        name for name in left if name.startswith(("ownership", "enrol", "outbox", "trust/director", "handover"))
    ]
    assert "identity/certificate.pem" not in left
    wait_for(
        lambda: [one for one in servers[0].json("device", "list") if one["id"] == device and not one["online"]],
        "the former operator to see it gone",
    )
    wait_for(lambda: board.ask("web", "login", user="admin", password=PASSWORD).get("ok"), "the login")
    assert command(board, "disown", "--yes") == 1
    assert "no operator" in board.told


def test_moving_to_another_operator_in_one_step(enrolled, servers):
    board, device, second = enrolled, enrolled.status()["device"], servers[1]
    wrong, unsealing = token(second), (board.state / "identity/unseal.key.pem").read_bytes()
    assert command(board, "transfer", wrong[:-9], "--yes") == 1
    assert board.status()["operator"] == "River Office"
    assert command(board, "transfer", token(second), "--yes") == 0
    restarted(board)
    wait_for(lambda: board.status()["link"] == "up", "the session with the next broker: " + str(board.status()))
    following = board.status()["device"]
    assert following != device
    assert board.status()["server"] == second.device_url
    assert (board.state / "identity/unseal.key.pem").read_bytes() != unsealing, "it would still open"
    shown = wait_for(
        lambda: [one for one in second.json("device", "list") if one["id"] == following and one["online"]],
        "the next operator to see it",
    )
    assert shown[0]["serial"] == board.serial
    assert not [name for name in documents(board) if "next" in name or name.startswith(("enrol", "handover"))]
    assert oct((board.state / "identity/tls.key.pem").stat().st_mode)[-3:] == "600"


def test_an_erase_leaves_what_the_factory_made_and_the_label_claims(enrolled):
    board = enrolled
    before = (board.state / "factory/label.json").read_bytes()
    keys = {(board.state / name).read_bytes() for name in ("identity/tls.key.pem", "web/key.pem", "web/cert.pem")}
    (board.state / "credentials/web.json.new").write_bytes(b"half a write")
    (board.state / "unheard of").write_bytes(b"admin")
    os.chmod(board.state / "unheard of", 0o600)
    assert command(board, "erase", "--yes") == 0
    restarted(board)
    assert board.ask("web", "state")["state"] == "unclaimed"
    found = documents(board)
    assert KEPT | FRESH <= found <= KEPT | FRESH | {"clock/floor.json"}, found
    assert (board.state / "factory/label.json").read_bytes() == before
    assert not keys & {path.read_bytes() for path in board.state.rglob("*") if path.is_file()}
    board.camera.stop()  # on a camera the restart does it: the certificate is another
    shutil.rmtree(board.folder / "camera")
    board.start_camera()
    assert board.ask("web", "claim", code="AAAA-AAAA-AAAA-AAAA", user="admin", password=PASSWORD)["code"] == "denied"
    assert board.ask("web", "claim", code=CODE, user="admin", password=PASSWORD)["ok"]
    assert command(board, "evidence") == 0
    line = next(line for line in board.told.splitlines() if "S1.1-15" in line)
    assert "PASS" in line, line


def test_a_kill_in_the_middle_of_an_erase_is_made_good_at_the_next_start(enrolled):
    board = enrolled
    board.kill()
    (board.state / "handover").mkdir()
    (board.state / "handover/erase.json").write_bytes(b"torn")
    (board.state / "credentials/web.json").unlink()
    board.console.clear()
    board.power_on()
    assert "camward-agent: erase is done" in board.console
    assert board.ask("web", "state")["state"] == "unclaimed"
    assert KEPT | FRESH <= documents(board) <= KEPT | FRESH | {"clock/floor.json"}


def test_a_camera_whose_agent_does_not_start_is_erased_when_it_does(enrolled):
    board = enrolled
    key = (board.state / "identity/tls.key.pem").read_bytes()
    board.kill()
    (board.state / "identity/tls.key.pem").write_bytes(b"damaged")
    assert command(board, "erase", "--yes", "--state", board.state) == RESTART_NOW
    board.console.clear()
    board.power_on()
    assert "camward-agent: erase is done" in board.console
    assert board.ask("web", "state")["state"] == "unclaimed"
    assert (board.state / "identity/tls.key.pem").read_bytes() not in (b"damaged", key)


def test_a_camera_enrols_with_the_voucher_of_its_factory(board, servers, tmp_path):
    server, out = servers[0], board.state / "factory" / "voucher.json"
    server.run("device", "voucher", board.serial, "--out", out)
    board.power_on()
    wait_for(lambda: board.status()["link"] == "up", "the session with the broker: " + str(board.status()))
    assert (board.status()["operator"], board.status()["state"]) == ("River Office", "unclaimed")
    assert not out.exists()


def test_a_voucher_of_another_manufacturer_is_refused(board, servers):
    servers[1].run("device", "voucher", board.serial, "--out", board.state / "factory" / "voucher.json")
    board.power_on()
    wait_for(lambda: "forged_voucher" in board.status()["enrolment"]["problem"], "the refusal")
    assert board.status()["operator"] == ""


def test_a_certificate_that_rotted_costs_the_operator_and_not_the_camera(enrolled, servers):
    """People still get in, and may leave and enrol anew."""
    board = enrolled
    board.kill()
    board.console.clear()
    (board.state / "identity/certificate.pem").write_bytes(b"rotten")
    board.power_on()
    wait_for(lambda: board.ask("web", "login", user="admin", password=PASSWORD).get("ok"), "the login")
    assert "certificate" in board.status()["enrolment"]["problem"]
    assert command(board, "disown", "--yes") == 0
    restarted(board)
    assert command(board, "enrol", token(servers[0])) == 0
    wait_for(lambda: board.status()["link"] == "up", "the session with the broker")
