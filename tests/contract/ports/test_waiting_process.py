"""An update waits on the real agent process: set, postponed and hurried by its commands, and by the operator's."""

import time

import pytest

from agent.main import main
from tests.contract.ports.board import wait_for
from tests.contract.ports.test_agent_process import board, claim, enrol, server
from tests.contract.server import harness

__all__ = ["board", "server"]


@pytest.fixture
def command(board, capsys):
    """Runs `camward-agent` as root on the camera: exit status, output, errors."""

    def run(*words):
        code = main([*words, "--run", str(board.run)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def hours_from_now(hours):
    """A time of day in UTC."""
    return time.strftime("%H:%M", time.gmtime(time.time() + hours * 3600))


def test_an_update_waits_is_postponed_and_hurried_by_the_operator(board, server, tmp_path, command):
    enrol(board, server, claim(board))
    assert command("settings")[1] == "windows    any time\ntime zone  UTC0\n"
    later = f"daily {hours_from_now(6)}-{hours_from_now(7)}"
    code, said, _ = command("settings", "--windows", later, "--time-zone", "UTC0", "--postpone-days", "low=7,medium=7")
    assert (code, said.splitlines()[0]) == (0, "windows    " + later)
    for wrong in (("--windows", "daily 01:00-01:05"), ("--time-zone", "Tokyo"), ("--postpone-days", "low=30"),
                  ("--postpone-days", "low"), ("--windows", later, "--reset")):  # fmt: skip
        code, _, complaint = command("settings", *wrong)
        assert (code, complaint.count("\n")) == (1, 1)
    assert command("postpone", "1")[0] == 1, "nothing waits yet"

    slot, _ = harness.add_release(server, tmp_path / "build", "1.1.0")
    board.known["1.1.0"] = slot.read_bytes()
    device = board.status()["device"]
    server.run("device", "assign", device, "1.1.0")
    wait_for(lambda: board.status()["update"].get("waits") == "window", "the wait: " + str(board.status()["update"]))

    def told(reason):
        newest = server.json("device", "show", device)["updates"][:1]
        return newest and (newest[0]["event"], newest[0]["code"]) == ("waiting", reason) and newest[0]

    shown = wait_for(lambda: told("window"), "the reason on the server")
    assert 5 * 3600 < shown["until_at"] - time.time() < 7 * 3600
    code, said, _ = command("postpone", "12")
    assert (code, said[:15]) == (0, "Postponed until")
    wait_for(lambda: told("postponed"), "the postponement on the server")
    assert command("postpone", "soon")[0] == 1

    server.run("device", "update-now", device)
    board.wait_for_restart()
    assert board.boots == [("a", "1.0.0"), ("b", "1.1.0")]
    wait_for(lambda: board.status()["update"]["phase"] == "idle", "the commit")
    assert board.status()["schedule"]["windows"] == later
    assert command("settings", "--reset")[1] == "windows    any time\ntime zone  UTC0\n"


def test_update_now_on_the_camera_ends_the_wait(board, server, tmp_path, command):
    assert "not enrolled" in command("update-now")[2]
    enrol(board, server, claim(board))
    command("settings", "--windows", f"daily {hours_from_now(6)}-{hours_from_now(7)}")
    slot, _ = harness.add_release(server, tmp_path / "build", "1.1.1")
    board.known["1.1.1"] = slot.read_bytes()
    server.run("device", "assign", board.status()["device"], "1.1.1")
    wait_for(lambda: board.status()["update"].get("waits") == "window", "the wait")
    code, said, _ = command("update-now")
    assert (code, "does not wait" in said) == (0, True)
    board.wait_for_restart()
    assert board.boots[-1] == ("b", "1.1.1")
