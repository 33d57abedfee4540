"""The runbook for a camera that changes hands: two real servers with their brokers, the real agent, real commands."""

import sys
from pathlib import Path

import pytest

from tests.contract.ports.board import CODE, Board, wait_for
from tests.contract.runbooks.office import ROOT, Office
from tests.contract.server import harness

NAME = "ownership-change"
PASSWORD = "paper boat lantern tide"
SLOT = bytes(range(256)) * 64
KEPT = ("factory/label.json", "trust/rollback_index")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    made = [harness.make_server(tmp_path_factory.mktemp(name) / "s") for name in ("former", "next")]
    for server in made:
        harness.start(server)
    yield made
    for server in made:
        harness.stop(server)


@pytest.fixture
def board(tmp_path, servers):
    made = Board(tmp_path / "board", (servers[0].folder / "tuf/image/1.root.json").read_bytes())
    made.leave_factory(SLOT)
    made.power_on()
    made.start_camera()
    yield made
    made.stop()


@pytest.fixture
def desk(tmp_path, program, servers, board):
    """A folder with both servers in it, and `camward-agent` speaking to this camera."""
    folder = tmp_path / "desk"
    folder.mkdir()
    for name, server in zip(("former", "next"), servers, strict=True):
        (folder / name).symlink_to(server.folder)
    agent = Path(program) / "camward-agent"
    call = f'cd {ROOT} && exec {sys.executable} -W error -m agent.main "$verb" --run {board.run} "$@"'
    agent.write_text(f'#!/bin/sh\nverb="$1"\nshift\n{call}\n')
    agent.chmod(0o755)
    return Office(folder, program)


def restarted(board):
    board.wait_for_restart()
    board.says("camward-agent: ready")


def test_a_camera_moves_leaves_and_is_erased(board, desk, servers):
    former, following = servers
    assert board.ask("web", "claim", code=CODE, user="admin", password=PASSWORD)["ok"]
    token = former.run("device", "token").stdout.strip()
    assert board.admin("enrol", token=token)["ok"]
    wait_for(lambda: board.status()["link"] == "up", "the session with the first operator")
    wait_for((board.state / "clock/floor.json").is_file, "a proof of the time")
    kept = {name: (board.state / name).read_bytes() for name in KEPT}
    first = board.status()["device"]

    desk.follow(NAME, "To another operator, in one step")
    restarted(board)
    wait_for(lambda: board.status()["link"] == "up", "the session with the next operator")
    assert board.status()["server"] == following.device_url
    wait_for(lambda: not any(one["online"] for one in former.json("device", "list")), "the former to see it gone")
    desk.follow(NAME, "Look, at both ends")
    assert former.json("device", "list") == []
    assert [one["serial"] for one in following.json("device", "list")] == [board.serial]
    assert board.status()["device"] != first

    desk.follow(NAME, "Without an operator")
    restarted(board)
    assert (board.status()["operator"], board.status()["state"]) == ("", "claimed")

    desk.follow(NAME, "Sold, given back, thrown away")
    restarted(board)
    assert board.ask("web", "state")["state"] == "unclaimed"
    assert {name: (board.state / name).read_bytes() for name in KEPT} == kept
    assert (board.state / "clock/floor.json").is_file()
    assert not board.ask("web", "login", user="admin", password=PASSWORD).get("ok")
