"""Confidential releases on the real agent process: the whole one, then a delta to the next, and a stolen key."""

import random
import time

from tests.contract.ports.board import wait_for
from tests.contract.ports.test_agent_process import board, claim, enrol, server
from tests.contract.server import harness

__all__ = ["board", "server"]

BLOCK, BLOCKS = 4096, 50


def content(*versions):
    """Each version is the one before with a little in front: all blocks differ, and most of the bytes are there."""
    data = b"".join(random.Random(one).randbytes(500) for one in versions) + random.Random(5).randbytes(BLOCKS * BLOCK)
    return data + bytes(-len(data) % BLOCK)


def publish(server, folder, version, data):
    slot, tree, manifest = harness.write_build(folder, version, content=data)
    server.run("release", "add", slot, "--tree", tree, "--manifest", manifest, "--confidential")
    server.run("delta", "make", version, "--full")
    return slot


def install(board, server, version, data, slot):
    """Assign it, and go on until the camera has committed it; the delivery that was signed."""
    device = board.status()["device"]
    board.known[version] = data
    server.run("device", "assign", device, version)
    with server.services.database.read() as session:
        way = server.services.director.delivery(session, device)
    assert board.admin("check")["ok"]
    board.wait_for_restart()
    assert board.boots[-1] == (slot, version)
    board.says("camward-agent: healthy")
    assert board.slot(slot).startswith(data)
    wait_for(lambda: board.status()["update"]["phase"] == "idle", "the commit")
    return way["artifact"]


def test_a_confidential_release_and_a_delta_to_the_next_one_are_installed(board, server, tmp_path):
    enrol(board, server, claim(board))
    device = board.status()["device"]
    first, second = content("3.1.0"), content("3.1.0", "3.2.0")
    publish(server, tmp_path / "build", "3.1.0", first)
    artifact = install(board, server, "3.1.0", first, "b")
    assert artifact["from"] == ""
    assert set(artifact["key"]) == {"enc", "sealed", "to"}

    def runs(version):
        return server.json("device", "show", device)["version"] == version

    wait_for(lambda: runs("3.1.0"), "the server to hear of the version")
    publish(server, tmp_path / "build", "3.2.0", second)
    server.run("delta", "make", "3.2.0", "--from", "3.1.0")
    artifact = install(board, server, "3.2.0", second, "a")
    assert artifact["from"]
    assert artifact["length"] < 16 * 1024
    wait_for(lambda: runs("3.2.0"), "the server to hear of the version")
    assert {path.name for path in (server.folder / "targets").iterdir() if path.name.endswith(".slot")} == set()


def test_a_key_that_was_wrapped_for_another_camera_is_refused_and_reported(board, server, tmp_path):
    enrol(board, server, claim(board))
    device = board.status()["device"]
    publish(server, tmp_path / "build", "3.3.0", content("3.3.0"))
    other = harness.Camera(server, tmp_path / "other", "KW1-000099")
    services = server.services
    with services.database.write() as session:  # the server takes it for a camera with another key
        found = harness.devices.find(session, device)
        genuine, found.unsealing_key = found.unsealing_key, other.identity()["unsealing_public_key"]
        session.flush()
        row = harness.releases.find(session, "3.3.0", "kawa-1")
        services.assign(session, found, row, int(time.time()))
    assert board.admin("check")["ok"]

    def refused():
        newest = server.json("device", "show", device)["updates"][:1]
        return newest and newest[0]["event"] == "refused" and newest[0]

    report = wait_for(refused, "the refusal")
    assert report["code"] == "artifact"
    assert "3.3.0" in report["detail"]
    assert board.boots == [("a", "1.0.0")]
    with services.database.write() as session:
        harness.devices.find(session, device).unsealing_key = genuine
    assert services.redeliver(int(time.time())) == 1, "the control: with its own key it installs"
    board.known["3.3.0"] = content("3.3.0")
    assert board.admin("check")["ok"]
    board.wait_for_restart()
    assert board.boots[-1] == ("b", "3.3.0")
