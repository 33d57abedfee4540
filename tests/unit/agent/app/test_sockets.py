"""The local sockets, over real Unix sockets: who may talk, and what happens to those who misbehave."""

import os
import selectors
import socket
import stat
import threading
from types import SimpleNamespace

import pytest

from agent.adapters.linux import sockets
from agent.adapters.linux.sockets import MAX_CONNECTIONS, LineServer
from agent.formats.errors import Unavailable

LIMIT = 64
WAIT_S = 10


class Loop:
    """A selector turned by hand, with one server that answers every line by its length; `late` ones by `answer`."""

    def __init__(self, path, users, server=LineServer):
        self.selector = selectors.DefaultSelector()
        self.lines, self.late, self.due = [], (), []
        self.path = path
        self.server = server(path, "web", 0o660, os.getgid(), users, LIMIT, self.selector, self.take)

    def take(self, connection, service, line):
        self.lines.append((service, line))
        self.due.append((connection, str(len(line)).encode() + b"\n"))
        if line not in self.late:
            self.answer(-1)

    def answer(self, which=0):
        self.server.send(*self.due.pop(which))

    def turn(self):
        for key, _ in self.selector.select(0.05):
            key.data()

    def turn_at_once(self):
        for key, _ in self.selector.select(0):
            key.data()

    def until(self, condition):
        deadline = threading.Event()
        timer = threading.Timer(WAIT_S, deadline.set)
        timer.start()
        while not condition():
            assert not deadline.is_set()
            self.turn()
        timer.cancel()

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(WAIT_S)
        client.connect(str(self.path))
        return client


@pytest.fixture
def loop(tmp_path):
    made = Loop(tmp_path / "login" / "web.sock", frozenset({os.geteuid()}))
    yield made
    made.server.close()
    made.selector.close()


def received(loop, client):
    """What comes until the line feed or the end; the loop turns meanwhile."""
    found = []

    def read():
        data = b""
        while not data.endswith(b"\n"):
            try:
                piece = client.recv(100)
            except ConnectionResetError:
                break
            if not piece:
                break
            data += piece
        found.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    loop.until(lambda: bool(found))
    thread.join()
    return found[0]


def test_the_socket_is_for_its_group_alone(loop):
    assert stat.S_IMODE(loop.path.stat().st_mode) == 0o660


def test_several_requests_on_one_connection_are_answered_in_order(loop):
    with loop.connect() as client:
        client.sendall(b"one\nthree\n")
        assert received(loop, client) in (b"3\n", b"3\n5\n")
        loop.until(lambda: len(loop.lines) == 2)
    assert loop.lines == [("web", b"one"), ("web", b"three")]


class Unbounded(LineServer):
    most_asked = 1000


@pytest.mark.parametrize(("server", "taken"), [(LineServer, 1), (Unbounded, 30)])
def test_who_sends_without_waiting_is_not_read_any_more_until_the_answer_is_out(tmp_path, server, taken):
    loop = Loop(tmp_path / "web.sock", frozenset({os.geteuid()}), server)
    loop.late = (b"x",)
    with loop.connect() as client:
        client.sendall(b"x\n" * 30)
        for _ in range(100):
            loop.turn()
        assert len(loop.lines) == taken
        if taken == 1:
            client.setblocking(False)
            sent = 0
            for _ in range(100):
                try:
                    sent += client.send(b"x\n" * 5000)
                except BlockingIOError:
                    pass
                loop.turn()
            assert len(loop.lines) == 1
            assert sent < 2**20, "the kernel's buffer is all that fills"
            loop.answer()
            loop.until(lambda: len(loop.lines) == 2)
    loop.server.close()
    loop.selector.close()


def test_who_does_not_read_its_answers_is_not_read_any_more(loop):
    with loop.connect() as deaf:
        deaf.settimeout(0)
        sent, before = 0, -1
        while before != (before := len(loop.lines)):
            for _ in range(300):
                try:
                    sent += deaf.send(b"x\n" * 100)
                except BlockingIOError:
                    pass
                loop.turn_at_once()
        connection = next(iter(loop.server._open.values()))
        assert connection.unsent_bytes() <= len(b"1\n")
        with loop.connect() as other:
            other.sendall(b"three\n")
            assert received(loop, other) == b"5\n"


def test_an_answer_is_never_taken_for_that_of_another_request(loop):
    loop.late = (b"slow",)
    with loop.connect() as client:
        client.sendall(b"slow\nat once\n")
        loop.until(lambda: loop.due)
        for _ in range(5):
            loop.turn()
        loop.answer()
        assert received(loop, client) == b"4\n"
        assert received(loop, client) == b"7\n"


@pytest.mark.parametrize("sent", [b"slow\n", b"slow\nafter it\n", b"slow\n" + b"x\n" * LIMIT])
def test_who_goes_away_before_its_answer_leaves_its_place_to_others(loop, sent):
    loop.late = (b"slow",)
    for _ in range(MAX_CONNECTIONS):
        with loop.connect() as client:
            client.sendall(sent)
            waiting = len(loop.due)
            loop.until(lambda waiting=waiting: len(loop.due) > waiting)
            loop.turn_at_once()
            loop.turn_at_once()
    with loop.connect() as client:
        client.sendall(b"at once\n")
        assert received(loop, client) == b"7\n"
    while loop.due:
        loop.answer()  # to nobody


def test_a_line_in_pieces_is_one_line(loop):
    with loop.connect() as client:
        client.sendall(b"on")
        loop.turn()
        loop.turn()
        client.sendall(b"e\n")
        assert received(loop, client) == b"3\n"


@pytest.mark.parametrize("data", [b"x" * LIMIT, b"x" * LIMIT + b"\n", b"x" * 10 * LIMIT])
def test_a_line_that_is_too_long_ends_the_connection(loop, data):
    with loop.connect() as client:
        client.sendall(data)
        assert received(loop, client) == b""
    assert loop.lines == []


def test_another_user_is_shown_the_door(tmp_path):
    loop = Loop(tmp_path / "web.sock", frozenset({os.geteuid() + 1}))
    with loop.connect() as client:
        assert received(loop, client) == b""
    assert loop.lines == []
    loop.server.close()
    loop.selector.close()


def test_too_many_connections_are_refused_and_the_others_go_on(loop):
    clients = [loop.connect() for _ in range(MAX_CONNECTIONS)]
    for _ in range(MAX_CONNECTIONS):
        loop.turn()
    with loop.connect() as surplus:
        assert received(loop, surplus) == b""
    clients[0].sendall(b"ok\n")
    assert received(loop, clients[0]) == b"2\n"
    for client in clients:
        client.close()


def test_a_client_that_goes_away_hurts_nobody(loop):
    with loop.connect() as client:
        client.sendall(b"ok\n")
    loop.until(lambda: len(loop.lines) == 1)
    with loop.connect() as client:
        client.sendall(b"still\n")
        assert received(loop, client) == b"5\n"


class NoRoom:
    """epoll(7) that can be made, and registers nothing."""

    def __init__(self):
        self.closed = False

    def register(self, *_):
        raise OSError(28, "No space left on device")

    def close(self):
        self.closed = True


@pytest.mark.parametrize("made", [True, False])
def test_who_cannot_be_watched_is_shown_the_door_and_the_others_go_on(loop, monkeypatch, made):
    tried = []

    def epoll():
        tried.append(NoRoom())
        if not made:
            raise OSError(24, "Too many open files")
        return tried[-1]

    loop.late = (b"x",)
    with loop.connect() as client, monkeypatch.context() as patched:
        patched.setattr(sockets, "select", SimpleNamespace(epoll=epoll))
        client.sendall(b"x\nwaits\n")
        assert received(loop, client) == b""
    assert [one.closed for one in tried] == [made], "tried once, and given back if there was one"
    loop.answer()
    with loop.connect() as client:
        client.sendall(b"still\n")
        assert received(loop, client) == b"5\n"


def test_a_socket_left_over_is_replaced(tmp_path):
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    loop = Loop(path, frozenset({os.geteuid()}))
    with loop.connect() as client:
        client.sendall(b"hello\n")
        assert received(loop, client) == b"5\n"
    loop.server.close()
    loop.selector.close()


def test_a_path_that_cannot_be_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="socket"):
        Loop(tmp_path / "file" / "web.sock", frozenset())
