"""What neighbours say to each other and about themselves: configuration, request, address, and what runs."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import sharing
from agent.formats import address, neighbours, range_request, running
from agent.formats.errors import FormatError
from agent.formats.neighbours import Neighbours
from agent.formats.range_request import RangeRequest
from agent.formats.running import Running

RUNNING = Running("b", "kawa-1-1.1.0.slot", "ab" * 32, 10 * 4096, "kawa-1-1.1.0.tree", "cd" * 32)
IMAGE, TREE = RUNNING.image_path(), RUNNING.tree_path()


def head(first="GET /targets/x HTTP/1.1", *lines):
    return "\r\n".join((first, *(lines or ("Host: a", "Range: bytes=0-9")), "", "")).encode()


def test_neighbours_are_off_by_default():
    assert neighbours.parse({}) == Neighbours(False, 8446)
    assert neighbours.parse({"neighbours": {"serve": True}}) == Neighbours(True, 8446)
    assert neighbours.parse({"neighbours": {"serve": True, "port": 9000}}).port == 9000


@pytest.mark.parametrize(
    "wrong",
    [True, [], {}, {"serve": 1}, {"serve": True, "port": 443}, {"serve": True, "port": 65536}, {"serve": True, "x": 1}],
)
def test_a_configuration_that_is_no_such_thing_is_refused(wrong):
    with pytest.raises(FormatError):
        neighbours.parse({"neighbours": wrong})


def test_what_runs_survives_a_restart():
    assert running.parse(running.encode(RUNNING)) == RUNNING
    assert RUNNING.tree_length_bytes() == 320
    with pytest.raises(FormatError):
        running.parse(running.encode(RUNNING).replace(b'"b"', b'"c"'))


def test_our_downloaders_request_is_read():
    asked = range_request.parse(head("GET " + IMAGE + " HTTP/1.1", "Host: 192.168.7.2:8446", "range: bytes=4096-8191"))
    assert asked == RangeRequest(IMAGE, 4096, 8191, False)
    assert range_request.parse(head("GET / HTTP/1.1", "Range: bytes=0-0", "Connection: close")).close


@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"\r\n\r\n", head()[:-1], head() + b"GET", head() + head(), head().replace(b"\r\n", b"\n"),
        head("POST / HTTP/1.1"), head("GET / HTTP/1.0"), head("GET  / HTTP/1.1"), head("GET x HTTP/1.1"),
        head("get / HTTP/1.1"), head("GET / HTTP/1.1 "), head("GET http://a/ HTTP/1.1"),
        head("GET / HTTP/1.1", "Host: a"),
        head("GET / HTTP/1.1", "Range: bytes=0-9", "Range: bytes=0-9"),
        head("GET / HTTP/1.1", "Range: bytes=0-9,20-29"), head("GET / HTTP/1.1", "Range: bytes=-5"),
        head("GET / HTTP/1.1", "Range: bytes=5-"), head("GET / HTTP/1.1", "Range: bytes=9-5"),
        head("GET / HTTP/1.1", "Range: lines=0-9"), head("GET / HTTP/1.1", "Range: bytes=0-99999999999"),
        head("GET / HTTP/1.1", "Range: bytes=0-9", "Content-Length: 3"),
        head("GET / HTTP/1.1", "Range: bytes=0-9", "Transfer-Encoding: chunked"),
        head("GET / HTTP/1.1", "Range: bytes=0-9", "Expect: 100-continue"),
        head("GET / HTTP/1.1", "Range: bytes=0-9", "no colon"), head("GET / HTTP/1.1", "Range : bytes=0-9"),
        head("GET / HTTP/1.1", "Range: bytes=0-9", " folded: x"),
        head("GET /\0 HTTP/1.1", "Range: bytes=0-9"), head("GET /ü HTTP/1.1", "Range: bytes=0-9"),
        head("GET / HTTP/1.1", "Range: bytes=0-9", *["A: b"] * 40), head("GET /" + "a" * 3000 + " HTTP/1.1"),
    ],
)  # fmt: skip
def test_anything_else_is_no_request(wrong):
    with pytest.raises(FormatError):
        range_request.parse(wrong)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/targets/", "/targets/" + "ab" * 32, IMAGE + "/", IMAGE + "?x", "/targets/../" + IMAGE[1:], IMAGE.upper(),
        "/" + IMAGE, IMAGE.replace("/targets", "/targets/."), IMAGE.replace("k", "%6b"), IMAGE + "%00", TREE + "x",
        "/targets/" + "00" * 32 + ".kawa-1-1.1.0.slot", "/data/camward/identity/tls.key.pem", "/update/running.json",
    ],
)  # fmt: skip
def test_no_other_path_is_served(path):
    assert sharing.part(RUNNING, RangeRequest(path, 0, 9, False)) is None


def test_a_part_keeps_within_what_there_is():
    assert sharing.part(RUNNING, RangeRequest(IMAGE, 0, 40959, False)) == sharing.Part("image", 0, 40960, 40960)
    assert sharing.part(RUNNING, RangeRequest(IMAGE, 40959, 9999999999, False)) == sharing.Part(
        "image", 40959, 40960, 40960
    )
    assert sharing.part(RUNNING, RangeRequest(IMAGE, 40960, 50000, False)) is None
    assert sharing.part(RUNNING, RangeRequest(TREE, 319, 320, False)) == sharing.Part("tree", 319, 320, 320)
    assert sharing.part(RUNNING, RangeRequest(TREE, 320, 320, False)) is None


@given(st.integers(0, 40959), st.integers(1, 40960), st.integers(1, 16))
def test_blocks_cover_the_bytes_and_no_more(first, length, most):
    end = min(first + length, 40960)
    block, count = sharing.blocks(first, end, most)
    assert block * 4096 <= first < (block + 1) * 4096
    assert 1 <= count <= most
    assert count == most or (block + count - 1) * 4096 < end <= (block + count) * 4096


def test_when_nothing_is_served():
    assert sharing.withheld(RUNNING, "b", False) == ""
    assert sharing.withheld(RUNNING, "a", False)
    assert sharing.withheld(RUNNING, "b", True)
    assert sharing.withheld(None, "b", False)
    with pytest.raises(FormatError):
        sharing.require_tree(RUNNING, bytes(320), bytes(32))
    with pytest.raises(FormatError):
        sharing.require_tree(RUNNING, bytes(288), bytes.fromhex("cd" * 32))
    sharing.require_tree(RUNNING, bytes(320), bytes.fromhex("cd" * 32))


@pytest.mark.parametrize(
    ("declarations", "found"),
    [
        ({}, False), ({"listeners": 5}, False), ({"listeners": [5]}, False),
        ({"listeners": [{"proto": "udp", "port": 8446}]}, False),
        ({"listeners": [{"proto": "tcp", "port": 443}]}, False),
        ({"listeners": [{"proto": "tcp", "port": 443}, {"proto": "tcp", "port": 8446}]}, True),
    ],
)  # fmt: skip
def test_a_port_is_opened_only_where_it_is_declared(declarations, found):
    assert sharing.declared(declarations, 8446) is found


@given(st.ip_addresses().map(str) | st.text("0123456789abcdef:.%", max_size=50))
def test_addresses_are_those_that_the_library_takes(text):
    try:
        ipaddress.ip_address(text)
        known = "%" not in text
    except ValueError:
        known = False
    try:
        taken = address.parse(text) == text
    except FormatError:
        taken = False
    assert not taken or known, "we take what is no address"
    if known and text == str(ipaddress.ip_address(text)):
        assert taken, "we refuse an address in its usual spelling"
