"""Pieces of targets from the manufacturer's public repository come as they do from the operator's server."""

import pytest

from agent.adapters.linux.dates import by_the_system
from agent.adapters.linux.public_fetcher import PublicFetcher
from agent.formats.delivery import Source
from agent.formats.errors import Unavailable
from tests.contract.ports.tls_server import Server

OWN, BODY = Source("", ""), bytes(range(256)) * 400


def ranged(served_bytes=None):
    """Answers one request for `BODY` from byte 0 to byte 59,999; hangs up after so many of them."""
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-59999/{len(BODY)}\r\nContent-Length: 60000\r\n\r\n"

    def answer(connection):
        connection.sendall(head.encode() + BODY[:60_000][:served_bytes])
        return served_bytes is not None

    return answer


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    made.close()


@pytest.fixture
def public(server):
    made = PublicFetcher(by_the_system)
    made.open(server.url + "/kawa", server.ca)
    yield made
    made.close()


def test_the_pieces_of_a_run_come_by_one_request(public, server):
    server.hostile["/kawa/targets/x"] = ranged()
    pieces = [public.read(OWN, "/targets/x", at, 60_000, 20_000, 1) for at in (0, 20_000, 40_000)]
    assert b"".join(pieces) == BODY[:60_000]
    assert server.asked == ["/kawa/targets/x"]
    assert [one["verified"] for one in public.connections()] == [True]


def test_what_has_come_before_a_cut_is_kept(public, server):
    server.hostile["/kawa/targets/x"] = ranged(43_000)
    assert public.read(OWN, "/targets/x", 0, 60_000, 60_000, 4096) == BODY[:40_960]


def test_what_is_not_there_is_said_and_nobody_else_is_asked(public, server):
    assert public.read(OWN, "/targets/none", 0, 4096, 4096, 4096) is None
    asked = list(server.asked)
    with pytest.raises(Unavailable, match="no mirror"):
        public.read(Source(server.url, ""), "/targets/x", 0, 4096, 4096, 4096)
    assert server.asked == asked
