"""The Linux Fetcher, the enrolment and the trust core against a server that lies: length, coding, range, place."""

import io
import os
import ssl

import pytest

from agent.adapters.linux.est import EstEnroller
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.store import FileStore
from agent.formats.errors import FormatError, Unavailable
from agent.formats.token import Token
from tests.contract.ports.hostile import CHUNKED, OK, TIMESTAMP, attacked, flood, say, survives
from tests.contract.ports.tls_server import certificate

# --- lies about length and encoding

UNCLEAR = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3",
    "the same length twice": b"Content-Length: 2\r\nContent-Length: 2",
    "a list of lengths": b"Content-Length: 2, 2",
    "a length and chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked",
    "no number": b"Content-Length: two",
    "a negative length": b"Content-Length: -2",
    "a signed length": b"Content-Length: +2",
    "a hexadecimal length": b"Content-Length: 0x2",
    "an underscored length": b"Content-Length: 1_0",
    "no length": b"X: y",
    "an empty length": b"Content-Length:",
    "a length of many digits": b"Content-Length: " + b"9" * 5000,
    "another coding": b"Transfer-Encoding: gzip",
    "two codings": b"Transfer-Encoding: gzip, chunked",
    "two coding headers": b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
}


@pytest.mark.parametrize("header", UNCLEAR.values(), ids=UNCLEAR)
def test_a_length_that_can_be_read_in_two_ways_is_refused(world, server, connect, header):
    fetcher = connect()
    error = attacked(world, server, fetcher, say(OK + header + b"\r\n\r\n{}"))
    assert isinstance(error, Unavailable)
    assert "length" in str(error)
    survives(world, fetcher)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"GZIP", b"identity, gzip", b"x"])
def test_a_compressed_answer_is_refused_unread(world, server, connect, coding):
    fetcher = connect()
    bomb = flood(OK + b"Content-Encoding: " + coding + b"\r\n\r\n", b"\x1f\x8b")
    error = attacked(world, server, fetcher, bomb)
    assert "compressed" in str(error)
    survives(world, fetcher)


def test_compression_is_never_asked_for(world, server, connect):
    survives(world, connect())
    assert len(server.heads) > 1
    for head in server.heads:
        codings = [line for line in head.lower().split(b"\r\n") if line.startswith((b"accept-encoding", b"te:"))]
        assert codings == [b"accept-encoding: identity"]


def test_a_body_shorter_than_it_says_is_cut_off(world, server, connect):
    fetcher = connect()
    body = server.files[TIMESTAMP]
    short = say(OK + b"Content-Length: %d\r\n\r\n" % (len(body) + 1), body, close=True)
    error = attacked(world, server, fetcher, short)
    assert "cut off" in str(error)
    chunks = say(CHUNKED, b"%x\r\n" % len(body), body, close=True)
    assert "cut off" in str(attacked(world, server, fetcher, chunks))
    survives(world, fetcher)


def test_bytes_after_the_body_are_nobodys_answer(world, server, connect):
    """A length too short leaves the rest on the connection, where the next answer is awaited: forged ones, here."""
    fetcher = connect()
    forged = OK + b"Content-Length: 6\r\n\r\nforged"
    head = OK + b"Content-Length: 10\r\n\r\n"
    for filled in (len(head) + 10, io.DEFAULT_BUFFER_SIZE):  # what is read ahead is lost, what comes after it is not
        error = attacked(world, server, fetcher, say(head.ljust(filled, b"x") + forged * 100))
        assert isinstance(error, FormatError)
        survives(world, fetcher)


def test_a_connection_that_owes_us_bytes_is_not_used_again(server, connect):
    fetcher = connect()
    server.hostile["/long"] = say(OK + b"Content-Length: 2000\r\n\r\n" + b"x" * 1001)
    server.files["/next"] = b"honest"
    assert fetcher.get("/long", 1000) == b"x" * 1001
    assert fetcher.get("/next", 1000) == b"honest"
    assert server.connections == 2


# --- answers that are none

NO_ANSWERS = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "nothing": b"",
    "a word": b"no",
    "binary": bytes(range(256)),
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "HTTP/0.9": b"<html>",
    "no status": b"HTTP/1.1\r\n\r\n",
    "status zero": b"HTTP/1.1 000 X\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 X\r\n\r\n",
    "status in words": b"HTTP/1.1 two X\r\n\r\n",
    "half a head": OK + b"Content-Le",
    "a chunk size in words": CHUNKED + b"many\r\nx\r\n",
    "an empty chunk size": CHUNKED + b"\r\n",
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_is_unavailable(world, server, connect, answer):
    fetcher = connect()
    error = attacked(world, server, fetcher, say(answer, close=True))
    assert isinstance(error, Unavailable)
    survives(world, fetcher)


@pytest.mark.parametrize(
    "status", [101, 102, 103, 201, 203, 204, 206, 304, 401, 403, 410, 416, 429, 500, 503, 599, 999]
)
def test_other_statuses_are_named(world, server, connect, status):
    fetcher = connect()
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
    assert str(status) in str(attacked(world, server, fetcher, say(answer, close=True)))
    survives(world, fetcher)


PLACES = [
    "https://127.0.0.1:{port}/elsewhere", "https://127.0.0.2:{port}/elsewhere", "http://127.0.0.1:{port}/elsewhere",
    "/elsewhere", "file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "place"),
    [*((302, place) for place in PLACES), *((status, PLACES[0]) for status in (300, 301, 303, 305, 307, 308))],
)
def test_redirects_are_followed_nowhere(world, server, connect, status, place):
    fetcher = connect()
    server.files["/elsewhere"] = server.files[TIMESTAMP]
    location = place.format(port=server.port).encode()
    answer = b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location)
    begin = server.connections
    error = attacked(world, server, fetcher, say(answer))
    assert f"answered {status}" in str(error)
    assert "/elsewhere" not in server.asked
    assert server.connections == begin + 1
    survives(world, fetcher)


# --- ranges

BODY = bytes(range(200))
PARTIAL = b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n"
RANGES = {
    "no range named": PARTIAL % 50 + b"\r\n" + BODY[100:150],
    "begins earlier": PARTIAL % 50 + b"Content-Range: bytes 99-148/200\r\n\r\n" + BODY[99:149],
    "begins later": PARTIAL % 49 + b"Content-Range: bytes 101-149/200\r\n\r\n" + BODY[101:150],
    "ends later": PARTIAL % 51 + b"Content-Range: bytes 100-150/200\r\n\r\n" + BODY[100:151],
    "ends before it begins": PARTIAL % 0 + b"Content-Range: bytes 100-99/200\r\n\r\n",
    "says more than it has": PARTIAL % 10 + b"Content-Range: bytes 100-149/200\r\n\r\n" + BODY[100:110],
    "has more than it says": PARTIAL % 50 + b"Content-Range: bytes 100-109/200\r\n\r\n" + BODY[100:150],
    "has another unit": PARTIAL % 50 + b"Content-Range: lines 100-149/200\r\n\r\n" + BODY[100:150],
    "is unsatisfied": PARTIAL % 0 + b"Content-Range: bytes */200\r\n\r\n",
    "is no number": PARTIAL % 50 + b"Content-Range: bytes a-b/c\r\n\r\n" + BODY[100:150],
    "comes in parts": PARTIAL % 2 + b"Content-Type: multipart/byteranges; boundary=x\r\n\r\n--",
    "is everything": OK + b"Content-Length: 200\r\n\r\n" + BODY,
}


@pytest.mark.parametrize("answer", RANGES.values(), ids=RANGES)
def test_another_range_than_asked_for_is_refused(server, connect, answer):
    fetcher = connect()
    server.hostile["/part"] = say(answer)
    with pytest.raises(Unavailable):
        fetcher.get("/part", 4096, 100, 50)
    right = PARTIAL % 50 + b"Content-Range: bytes 100-149/200\r\n\r\n" + BODY[100:150]
    server.hostile["/part"] = say(right)
    assert fetcher.get("/part", 4096, 100, 50) == BODY[100:150]


def test_the_end_of_a_file_may_be_shorter_than_asked_for(server, connect):
    fetcher = connect()
    server.hostile["/part"] = say(PARTIAL % 20 + b"Content-Range: bytes 180-199/*\r\n\r\n" + BODY[180:])
    assert fetcher.get("/part", 4096, 180, 50) == BODY[180:]


def test_an_endless_range_is_cut(server, connect):
    fetcher = connect()
    server.hostile["/part"] = flood(PARTIAL % 50_000_000 + b"Content-Range: bytes 100-149/200\r\n\r\n", b"x")
    with pytest.raises(Unavailable, match="another range"):
        fetcher.get("/part", 50, 100, 50)


# --- below HTTP


def test_rubbish_inside_tls_ends_the_connection(world, server, connect):
    fetcher = connect()

    def behave(connection):
        connection.sendall(OK)
        os.write(connection.fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record that does not decrypt
        return True

    assert isinstance(attacked(world, server, fetcher, behave), Unavailable)
    survives(world, fetcher)


def test_a_server_that_hangs_up_between_requests_is_asked_again(world, server, connect):
    fetcher = connect()
    for path in list(server.files):
        body = server.files[path]
        server.hostile[path] = say(OK + b"Content-Length: %d\r\n\r\n" % len(body), body, close=True)
    survives(world, fetcher)


def test_a_kept_connection_that_dies_under_the_request_is_replaced_once(server, connect):
    """It may have been the server's end of keeping; a fresh one that dies is the server's answer."""
    fetcher = connect()
    server.files.update({"/first": b"1", "/second": b"2"})
    assert fetcher.get("/first", 10) == b"1"

    def once(_connection):
        del server.hostile["/second"]
        return True

    server.hostile["/second"] = once
    assert fetcher.get("/second", 10) == b"2"
    assert (server.connections, server.asked) == (2, ["/first", "/second", "/second"])
    server.hostile["/second"] = lambda _: True
    with pytest.raises(Unavailable, match="closed the connection"):
        fetcher.get("/second", 10)
    assert server.connections == 3


# --- enrolment, by the same means

EST = "/.well-known/est/simpleenroll"
RENEWAL_PATH = "/.well-known/est/simplereenroll"
HOSTILE_ENROLMENTS = {
    "endless": flood(OK + b"Content-Length: 999999999\r\n\r\n", b"MIIB"),
    "endless interim answers": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "compressed": say(OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nMIIB"),
    "elsewhere": say(b"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
    "another protocol": say(b"220 mail\r\n", close=True),
    "nothing": say(close=True),
}


@pytest.mark.parametrize("behaviour", HOSTILE_ENROLMENTS.values(), ids=HOSTILE_ENROLMENTS)
def test_an_enrolment_with_a_hostile_server_comes_to_nothing(server, tmp_path, behaviour):
    keys = UnsafeFileKeyStore(FileStore(tmp_path / "state"))
    keys.ensure("tls")
    server.hostile[EST] = behaviour
    server.files["/elsewhere"] = b"MIIB"
    token = Token(server.url, "a secret", "an id", ssl.PEM_cert_to_DER_cert(server.ca), "0" * 64)
    with pytest.raises(Unavailable):
        EstEnroller(keys).certify(token, "a" * 26, "KW1-1", "tls")
    assert server.asked == [EST]


@pytest.mark.parametrize("behaviour", HOSTILE_ENROLMENTS.values(), ids=HOSTILE_ENROLMENTS)
def test_so_does_a_renewal(server, tmp_path, behaviour):
    certificate(tmp_path, "device", "127.0.0.1")
    (tmp_path / "state/identity").mkdir(parents=True)
    (tmp_path / "device.key").rename(tmp_path / "state/identity/tls.key.pem")
    keys = UnsafeFileKeyStore(FileStore(tmp_path / "state"))
    server.hostile[RENEWAL_PATH] = behaviour
    server.files["/elsewhere"] = b"MIIB"
    enroller = EstEnroller(keys, certificate=tmp_path / "device.pem")
    with pytest.raises(Unavailable):
        enroller.renew(server.url, server.ca, "a" * 26, "KW1-1", "tls")
    assert server.asked == [RENEWAL_PATH]


def test_without_a_certificate_to_show_nobody_is_asked_for_a_renewal(server, tmp_path):
    keys = UnsafeFileKeyStore(FileStore(tmp_path / "state"))
    keys.ensure("tls")
    with pytest.raises(Unavailable, match="certificate cannot be used"):
        EstEnroller(keys, certificate=tmp_path / "none.pem").renew(server.url, server.ca, "a" * 26, "KW1-1", "tls")
    assert server.asked == []


def test_nobody_there(world, server, connect):
    fetcher = connect()
    server.close()
    with pytest.raises(Unavailable, match="cannot be reached"):
        fetcher.get("/", 100)
