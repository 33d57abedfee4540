"""The one poll loop: the watchdog is fed while much is waiting, and a busy loop does not feed it all the time."""

import os
import socket
from types import SimpleNamespace

import pytest

from agent import main

BITES_S = 60.0  # the kernel's softdog


class World:
    """A clock, an agent that takes `took_s` for each event, and a watchdog that notes when it was fed."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.took_s = 0.0
        self.events: list[object] = []
        self.fed: list[float] = []

    def start(self, now: float) -> tuple[tuple[()], None]:
        return (), None

    def step(self, event: object, now: float) -> tuple[tuple[()], None]:
        self.events.append(event)
        self.now += self.took_s
        return (), None

    def feed(self) -> None:
        self.fed.append(self.now)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def loop(world, monkeypatch, tmp_path):
    config = SimpleNamespace(login_gid=os.getgid(), services=(), programs=(), plain_rtsp_port=0)
    ports = SimpleNamespace(clock=SimpleNamespace(monotonic_s=lambda: world.now))
    monkeypatch.setattr(main, "read_config", lambda path: config)
    monkeypatch.setattr(main, "watchdog", lambda path: world)
    monkeypatch.setattr(main, "compose", lambda *_: ports)
    monkeypatch.setattr(main, "build_agent", lambda *_: world)
    made = main.Loop(SimpleNamespace(config="", watchdog="", run=tmp_path))
    yield made
    for server in made._servers:
        server.close()
    made._selector.close()


def test_a_batch_of_slow_events_does_not_keep_the_watchdog_hungry(world, loop):
    world.took_s = 5.0
    for number in range(100):
        loop._inbox.put(number)
    loop._turn()
    assert world.events == list(range(100))
    assert max(later - earlier for earlier, later in zip([1000.0, *world.fed], world.fed, strict=False)) < BITES_S / 2


def test_lines_of_many_connections_do_not_either(world, loop, tmp_path):
    world.took_s = 5.0
    clients = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for client in clients:
        client.connect(str(tmp_path / "admin.sock"))
        loop._turn()
    for client in clients:
        client.sendall(b"{}\n")
    world.fed.clear()
    loop._turn()
    assert len(world.events) == len(clients), "all in one turn"
    assert max(later - earlier for earlier, later in zip([1000.0, *world.fed], world.fed, strict=False)) < BITES_S / 2
    for client in clients:
        client.close()


def test_a_busy_loop_feeds_it_once_in_a_second(world, loop):
    world.took_s = 0.125
    for number in range(80):
        loop._inbox.put(number)
    loop._turn()
    assert 9 <= len(world.fed) <= 11


def test_an_idle_turn_feeds_it_as_well(world, loop):
    loop._inbox.wake()
    loop._turn()
    assert (world.events, world.fed) == ([], [1000.0])
