"""A hostile server, a fetcher that talks to it, repositories with an update on it; and a link that does not wait."""

import copy
import queue

import pytest

from agent.adapters.linux import link as links
from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.http_exchange import LIMITS
from agent.adapters.linux.link import PahoLink
from tests.contract.ports.tls_server import Server, certificate
from tests.repositories import World, make_release


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def published():
    """Repositories with an update."""
    made = World()
    made.offer(make_release())
    return made


@pytest.fixture
def world(published, server):
    """The same on the server, and a camera that has not looked yet."""
    made = copy.copy(published)
    made.stored = copy.deepcopy(published.stored)
    for name in ("image", "director"):
        for path, body in made.repository(name).files.items():
            server.files[f"/tuf/{name}/{path}"] = body
    return made


@pytest.fixture
def connect(server, tmp_path):
    """`connect(limits, clock)`: a fetcher of this server."""
    certificate(tmp_path, "device", "127.0.0.1")
    made = []

    def make(limits=LIMITS, **clock):
        fetcher = HttpsFetcher(tmp_path / "device.pem", tmp_path / "device.key", limits=limits, **clock)
        fetcher.open(server.url, server.ca)
        made.append(fetcher)
        return fetcher

    yield make
    for fetcher in made:
        fetcher.close()


@pytest.fixture
def impatient(monkeypatch):
    """A link tries again at once."""
    monkeypatch.setattr(links, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(links, "MIN_DELAY_S", 0.01)


@pytest.fixture
def link(tmp_path, impatient):
    """A link, not opened yet; its `events` are a queue. Ask for its server first, which then waits for no session."""
    certificate(tmp_path, "device", "127.0.0.1")
    events = queue.SimpleQueue()
    made = PahoLink(tmp_path / "device.pem", tmp_path / "device.key", events.put)
    made.events = events
    yield made
    made.close()
