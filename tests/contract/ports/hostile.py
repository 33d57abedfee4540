"""How a server misbehaves, and what has to hold after each attack."""

import itertools

import pytest

from agent.formats.errors import CamwardError
from tests.contract.ports.tls_server import until_closed

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TIMESTAMP = "/tuf/director/timestamp.json"
MAX_LINE_CHARS = 200


def look(world, fetcher):
    """A full verification over the wire; what it accepts is stored."""
    world.answer = lambda request: fetcher.get(f"/tuf/{request.repository}/{request.path}", request.max_bytes)
    return world.run().outcome


def attacked(world, server, fetcher, behaviour):
    """Answer the director's timestamp like this, once; the error that ends the look, all else being as it must."""
    before = {name: dict(roles) for name, roles in world.stored.items()}
    server.hostile[TIMESTAMP] = behaviour
    with pytest.raises(CamwardError) as caught:
        look(world, fetcher)
    assert world.stored == before
    text = str(caught.value)
    assert text.isprintable(), text
    assert len(text) < MAX_LINE_CHARS, text
    del server.hostile[TIMESTAMP]
    return caught.value


def survives(world, fetcher):
    """The next honest look finds the update."""
    assert look(world, fetcher).version == "1.1.0"


def say(*parts, close=False):
    """Send these bytes."""

    def behave(connection):
        for part in parts:
            connection.sendall(part)
        return close

    return behave


def flood(begin, again):
    """Send this, then that for as long as anyone listens."""

    def behave(connection):
        connection.sendall(begin)
        piece = again * (4096 // len(again) + 1)
        while True:
            connection.sendall(piece)

    return behave


def dribble(begin, again=b"x"):
    """Send this one byte at a time, then that for ever."""

    def behave(connection):
        for byte in itertools.chain(begin, itertools.cycle(again)):
            connection.sendall(bytes([byte]))

    return behave


def mute(begin=b""):
    """Send this and nothing more, the connection open."""

    def behave(connection):
        connection.sendall(begin)
        until_closed(connection)
        return True

    return behave
