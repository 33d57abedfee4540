"""A hostile server, a fetcher that talks to it, and repositories with an update on it."""

import copy

import pytest

from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.http_exchange import LIMITS
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
