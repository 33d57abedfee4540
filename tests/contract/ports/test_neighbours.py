"""Two real agents of one site: the second has its blocks from the first over mutual TLS, none from the server."""

import json
import time

import pytest

from tests.contract.ports.board import Board, free_ports, wait_for
from tests.contract.ports.test_agent_process import claim, enrol
from tests.contract.server import harness

VERSION = "1.1.0"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # A delivery is signed again when the timestamp gets old: seconds here, an hour elsewhere. The first
    # camera says soon that it serves, for it measures often.
    folder = tmp_path_factory.mktemp("server") / "s"
    with harness.running(folder, director_timestamp_age_s=5, telemetry_interval_s=5) as made:
        yield made


@pytest.fixture
def boards(tmp_path, server):
    image_root = (server.folder / "tuf/image/1.root.json").read_bytes()
    slot, _, _ = harness.write_build(tmp_path / "factory", "1.0.0")
    made = []
    for number in (1, 2):
        board = Board(tmp_path / f"board{number}", image_root, f"KW1-00000{number}")
        board.neighbours_port = free_ports(1)[0] if number == 1 else 0
        board.leave_factory(slot.read_bytes())
        board.power_on()
        board.start_camera()
        made.append(board)
    yield made
    for board in made:
        assert board.stop().replace(f"camward-agent: no watchdog: {board.folder}/no-watchdog\n", "") == ""


def assign(board, server):
    services, now = server.services, int(time.time())
    with services.database.write() as session:
        row = harness.releases.find(session, VERSION, "kawa-1")
        services.assign(session, harness.devices.find(session, board.status()["device"]), row, now)


def install(board, server):
    assign(board, server)
    assert board.admin("check")["ok"]
    board.wait_for_restart()
    wait_for(lambda: board.status()["update"]["phase"] == "idle", "the commit: " + str(board.status()["update"]))


def device(server, board):
    wanted = board.status()["device"]
    return next(one for one in server.json("device", "list") if one["id"] == wanted)


def withhold(server):
    """Take away what a camera needs beside metadata: image and tree, and of the artifact all but the index."""
    wait_for(lambda: [one["state"] for one in server.json("delta", "list")] == ["made"], "the artifact")
    services = server.services
    with services.database.read() as session:
        artifact = services.deltas.artifact(session, "1.0.0", harness.releases.find(session, VERSION, "kawa-1"))
    for file in list((server.folder / "targets").iterdir()):
        if file.suffix in (".slot", ".tree"):
            file.unlink()
        elif file.name.startswith(artifact.sha256):
            file.write_bytes(file.read_bytes()[: artifact.index_length_bytes])


def test_the_second_camera_fetches_from_the_first(boards, server, tmp_path):
    first, second = boards
    for board in boards:
        enrol(board, server, claim(board))
        server.run("device", "site", board.status()["device"], "river")
    slot, _ = harness.add_release(server, tmp_path / "build", VERSION)
    for board in boards:
        board.known[VERSION] = slot.read_bytes()

    install(first, server)
    serves = "the first camera to say where it serves: "
    wait_for(lambda: device(server, first)["telemetry"].get("address"), serves + str(first.console))
    said = device(server, first)["telemetry"]
    assert (said["address"], said["serves_port"]) == ("127.0.0.1", first.neighbours_port)

    withhold(server)
    install(second, server)
    assert second.boots == [("a", "1.0.0"), ("b", VERSION)]
    assert second.slot("b").startswith(slot.read_bytes())
    row = json.loads(server.run("device", "show", second.status()["device"], "--json").stdout)
    assert row["site"] == "river"
    assert "source_lied" not in [one["event"] for one in row["updates"]]
