"""The installer's tool, the real agent and the real camera process: proofs, claim, hand-over, login."""

import json
import subprocess
import sys

import pytest

from tests.contract.ports.board import CODE, Board
from tests.contract.server import harness

RUN_S = 120


@pytest.fixture
def board(tmp_path):
    server = harness.make_server(tmp_path / "server")
    image_root = (server.folder / "tuf/image/1.root.json").read_bytes()
    slot, _, _ = harness.write_build(tmp_path / "factory", "1.0.0")
    made = Board(tmp_path / "board", image_root)
    made.leave_factory(slot.read_bytes())
    made.power_on()
    made.start_camera()
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def run(folder, *arguments, status=0):
    command = [sys.executable, "-W", "error", "-m", "update_server.installer.main", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_a_camera_is_claimed_by_its_label_and_its_owner_gets_in(board, tmp_path):
    run(tmp_path, "handover", "keygen", "office")
    codes = tmp_path / "codes.csv"
    arguments = ["claim", "site.handover", "--codes", "codes.csv", "--to", "office.pub", "--json"]
    arguments += ["--address", f"127.0.0.1:{board.ports[0]}"]

    codes.write_text(f"{board.serial},{'A' * 16}\n")
    wrong = json.loads(run(tmp_path, *arguments, status=1))
    assert [one["code"] for one in wrong["cameras"]] == ["not_proved"]
    assert board.ask("web", "state")["state"] == "unclaimed"

    codes.write_text(f"{board.serial},{CODE}\n")
    assert json.loads(run(tmp_path, *arguments))["claimed"] == 1
    titles, row = run(tmp_path, "handover", "decrypt", "site.handover", "--key", "office", "--print").splitlines()
    account = dict(zip(titles.split(","), row.split(","), strict=True))
    assert (account["serial"], account["state"]) == (board.serial, "claimed")
    for service in ("web", "rtsp", "onvif"):
        assert board.ask(service, "login", user=account["user"], password=account["password"])["ok"], service
    assert json.loads(run(tmp_path, *arguments))["cameras"][0]["code"] == "already"
