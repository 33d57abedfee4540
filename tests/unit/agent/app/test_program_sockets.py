"""The programs' sockets, over real Unix sockets: a turn for each, and nobody makes the main loop wait or grow."""

import os
import random
import selectors
import socket
import subprocess
import sys

import pytest

from agent.adapters.linux.program_sockets import (
    MAX_PROGRAM_ASKED,
    MAX_PROGRAM_CONNECTIONS,
    MAX_UNSENT_BYTES,
    ProgramServer,
)
from tests.unit.agent.app import test_sockets
from tests.unit.agent.app.test_sockets import received

LIMIT = 64
OTHER = 4242  # a user id that nobody has
CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[3]))
client = socket.socket(socket.AF_UNIX)
try:
    client.connect(sys.argv[1])
    client.settimeout(5)
    client.sendall(b"hello\\n")
    print(client.recv(100))
except PermissionError:
    print("file")
except ConnectionError:
    print(b"")
"""


class Loop(test_sockets.Loop):
    """As its parent with a program's socket; answers come when `answers` is set, or by `answer`."""

    def __init__(self, path, users, answers=True):
        self.selector = selectors.DefaultSelector()
        self.lines, self.asked, self.answers, self.path = [], [], answers, path
        self.server = ProgramServer(path, "p", 0o660, os.getgid(), users, LIMIT, self.selector, self.take)

    def take(self, connection, service, line):
        self.lines.append(line)
        self.asked.append(connection)
        if self.answers:
            self.answer()

    def answer(self):
        self.server.send(self.asked.pop(0), str(len(self.lines)).encode() + b"\n")

    def close(self):
        self.server.close()
        self.selector.close()


@pytest.fixture
def loop(tmp_path):
    made = Loop(tmp_path / "link" / "p.sock", frozenset({os.geteuid()}))
    yield made
    made.close()


@pytest.fixture
def slow(tmp_path):
    made = Loop(tmp_path / "p.sock", frozenset({os.geteuid()}), answers=False)
    yield made
    made.close()


def test_many_lines_at_once_have_one_turn_each(loop):
    with loop.connect() as client:
        client.sendall(b"a\nb\nc\nd")
        loop.until(lambda: loop.lines)
        for _ in range(8):
            before = len(loop.lines)
            loop.turn()
            assert len(loop.lines) <= before + 1
        assert loop.lines == [b"a", b"b", b"c"]
        client.sendall(b"\n")
        loop.until(lambda: len(loop.lines) == 4)
        data = b""
        while data.count(b"\n") < 4:
            data += client.recv(100)
        assert data == b"1\n2\n3\n4\n"


def test_who_does_not_wait_for_answers_is_not_read_any_more_until_they_come(slow):
    with slow.connect() as client:
        client.setblocking(False)
        sent = 0
        for _ in range(40):
            try:
                sent += client.send(b"x\n" * 30)
            except BlockingIOError:
                pass
            slow.turn()
        assert len(slow.lines) == MAX_PROGRAM_ASKED
        assert sent < 2**20, "the kernel's buffer is all that fills"
        slow.answer()
        slow.until(lambda: len(slow.lines) == MAX_PROGRAM_ASKED + 1)


def test_what_is_told_to_a_program_that_does_not_read_ends_its_connection_and_no_other(loop):
    with loop.connect() as deaf, loop.connect() as reader:
        deaf.sendall(b"hello\n")
        assert received(loop, deaf) == b"1\n"
        number = max(loop.server._open)
        reader.sendall(b"hello\n")
        assert received(loop, reader) == b"2\n"
        other = next(one for one in loop.server._open if one != number)
        lines = 0
        while number in loop.server._open:
            loop.server.push(number, b"y" * 30_000 + b"\n")
            loop.turn()
            lines += 1
        assert 2 < lines < 50
        loop.server.push(number, b"gone\n")
        loop.server.push(other, b"news\n")
        assert {_end(deaf), _end(reader)} == {b"y\n", b"news\n"}


def _end(client):
    """The last of what has come."""
    client.setblocking(False)
    data = b""
    try:
        while piece := client.recv(65536):
            data += piece
    except OSError:
        pass
    return b"news\n" if data == b"news\n" else b"y\n" if data[:1] == b"y" else data


def test_what_does_not_fit_the_kernels_buffer_is_sent_when_the_program_reads(loop):
    with loop.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"hello\n")
        assert received(loop, client)
        number = next(iter(loop.server._open))
        for _ in range(3):
            loop.server.push(number, b"y" * (MAX_UNSENT_BYTES // 4 - 1) + b"\n")
        client.setblocking(False)
        data = b""
        while data.count(b"\n") < 3:
            loop.turn()
            try:
                data += client.recv(65536)
            except BlockingIOError:
                pass
        client.setblocking(True)
        client.sendall(b"again\n")
        loop.until(lambda: len(loop.lines) == 2)


def test_no_more_connections_than_there_may_be(loop):
    clients = [loop.connect() for _ in range(MAX_PROGRAM_CONNECTIONS)]
    for _ in clients:
        loop.turn()
    with loop.connect() as surplus:
        assert received(loop, surplus) == b""
    clients[0].sendall(b"ok\n")
    assert received(loop, clients[0]) == b"1\n"
    for client in clients:
        client.close()


@pytest.mark.parametrize("data", [b"x" * LIMIT, b"x" * 10 * LIMIT, b"a\n" + b"x" * LIMIT])
def test_a_line_that_is_too_long_ends_the_connection(loop, data):
    with loop.connect() as client:
        client.sendall(data)
        assert received(loop, client) in (b"", b"1\n")
        loop.until(lambda: not loop.server._open)
    assert loop.lines == ([b"a"] if data[:2] == b"a\n" else [])


def test_whatever_bytes_come_the_loop_goes_on(loop):
    chance = random.Random(7)
    for _ in range(100):
        with loop.connect() as client:
            client.settimeout(0)
            try:
                client.sendall(chance.randbytes(chance.randrange(1, 300)))
            except OSError:
                pass
            for _ in range(chance.randrange(4)):
                loop.turn()
    with loop.connect() as client:
        client.sendall(b"hello\n")
        loop.until(lambda: b"hello" in loop.lines)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's id")
def test_the_file_lets_its_group_in_and_of_that_only_the_users_that_are_named(tmp_path):
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == 0 and parent != parent.parent:
            parent.chmod(parent.stat().st_mode | 0o055)
    loop = Loop(tmp_path / "p.sock", frozenset({OTHER}))
    os.chown(loop.path, 0, OTHER)

    def tried(gid, uid):
        process = subprocess.Popen(
            [sys.executable, "-c", CONNECT, str(loop.path), str(gid), str(uid)], stdout=subprocess.PIPE, text=True
        )
        loop.until(lambda: process.poll() is not None)
        return process.communicate()[0].strip()

    assert tried(OTHER, OTHER) == "b'1\\n'"
    assert tried(OTHER, OTHER + 1) == "b''", "of the group, and another user"
    assert tried(OTHER + 1, OTHER + 1) == "file"
    loop.close()
