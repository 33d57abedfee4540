"""The listener against clients that are slow, and bodies that are long."""

import asyncio
import socket
import threading

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from update_server.body import LimitedBody
from update_server.errors import BadInput
from update_server.serving.listener import Listener, PeerProtocol, bind

DEADLINE_S = 0.3
WAIT_S = 30
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


class Hurried(PeerProtocol):
    """The same protocol with a deadline that a test can wait for."""

    request_s = DEADLINE_S


async def slow_answer(scope, receive, send):
    """Reads the body, then takes longer than a request may."""
    body = await Request(scope, receive).body()
    await asyncio.sleep(2 * DEADLINE_S)
    await PlainTextResponse(body)(scope, receive, send)


@pytest.fixture
def address():
    listening = bind("127.0.0.1", 0)
    server = Listener(uvicorn.Config(slow_answer, http=Hurried, lifespan="off", log_config=None, ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    yield listening.getsockname()
    server.should_exit = True
    thread.join(WAIT_S)
    listening.close()


def until_closed(connection):
    received = b""
    try:
        while part := connection.recv(4096):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("sent", [b"", b"GE", REQUEST[:-2], REQUEST, REQUEST + b"abc"])
def test_a_request_that_does_not_arrive_whole_ends_the_connection(address, sent):
    with socket.create_connection(address, WAIT_S) as connection:
        connection.sendall(sent)
        assert until_closed(connection) == b""


def test_an_answer_may_take_longer_and_the_next_request_has_a_deadline_too(address):
    with socket.create_connection(address, WAIT_S) as connection:
        for _ in range(2):
            connection.sendall(REQUEST + b"abcd")
            answer = b""
            while not answer.endswith(b"abcd"):
                part = connection.recv(4096)
                assert part, "closed before the answer"
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(REQUEST[:20])
        assert until_closed(connection) == b""


@pytest.mark.parametrize(("length", "taken"), [(0, True), (100, True), (101, False), (10**9, False)])
def test_a_long_body_is_not_read_on(length, taken):
    read = 0

    async def receive():
        nonlocal read
        part = min(50, length - read)
        read += part
        return {"type": "http.request", "body": b"x" * part, "more_body": read < length}

    async def app(scope, receive, send):
        await Request(scope, receive).body()

    call = LimitedBody(app, 100)({"type": "http"}, receive, None)
    if taken:
        asyncio.run(call)
        assert read == length
    else:
        with pytest.raises(BadInput):
            asyncio.run(call)
        assert read <= 150
