"""The real agent behind a proxy: it enrols, looks for updates and links through it, and past it by no way."""

import json

import pytest

from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.http_proxy import HttpProxy
from tests.contract.ports.test_agent_process import claim, enrol, server
from tests.contract.server import harness

__all__ = ["server"]


class Everywhere(dict):
    """Leads to any port of this machine."""

    def get(self, port):
        return port


@pytest.fixture
def proxy():
    made = HttpProxy(Everywhere())
    yield made
    made.close()


@pytest.fixture
def board(tmp_path, server):
    slot, _, _ = harness.write_build(tmp_path / "factory", "1.0.0")
    made = Board(tmp_path / "board", (server.folder / "tuf/image/1.root.json").read_bytes())
    made.leave_factory(slot.read_bytes())
    yield made
    made.stop()


def start(board, site):
    (board.state / "config").mkdir()
    (board.state / "config" / "proxy.json").write_text(site)
    board.power_on()
    board.start_camera()


def test_a_camera_enrols_and_links_through_the_proxy_of_its_site(board, server, proxy):
    start(board, json.dumps({"v": 1, "proxy": {"host": "127.0.0.1", "port": proxy.port}}))
    enrol(board, server, claim(board))
    wait_for(lambda: board.status()["update"]["last_result"] != "", "a look for updates")
    assert board.status()["link_trouble"] == ""
    asked = {head.split(b" ")[1] for head in proxy.asked}
    ports = server.services.settings.ports
    assert asked == {f"127.0.0.1:{port}".encode() for port in (ports.device, ports.mqtt)}
    for ours in (b"camward", b"GET ", b"POST "):
        assert ours not in proxy.carried


def test_what_stands_there_damaged_is_told(board, proxy):
    start(board, '{"v":1,"proxy":')
    assert "proxy_unreadable" in board.status()["problems"]


def test_a_camera_goes_through_the_proxy_that_a_command_names_and_past_it_again_by_another(board, server, proxy):
    board.power_on()
    board.start_camera()
    enrol(board, server, claim(board))
    wait_for(lambda: board.status()["link"] == "up", "the link")
    assert proxy.asked == []
    device = board.status()["device"]
    for said, stands in ((f"127.0.0.1:{proxy.port}", {"host": "127.0.0.1", "port": proxy.port}), ("none", None)):
        (made,) = server.json("command", "send", "settings", device, "--proxy", said)

        def state(made=made):
            return next(one for one in server.json("command", "list", device) if one["id"] == made["id"])["state"]

        wait_for(lambda state=state: state() in {"done", "refused"}, "the command's end")
        assert state() == "done"
        assert json.loads((board.state / "config/proxy.json").read_text()) == {"v": 1, "proxy": stands}
        assert board.status()["link"] == "up"
    asked = {head.split(b" ")[1] for head in proxy.asked}
    assert f"127.0.0.1:{server.services.settings.ports.mqtt}".encode() in asked
