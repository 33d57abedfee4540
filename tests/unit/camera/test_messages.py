import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.camera.messages import MAX_HEAD_BYTES, RequestError, body_length, format_response, parse_head


def test_reads_a_request_as_browsers_send_it() -> None:
    head = parse_head(b"GET /a?b=c HTTP/1.1\r\nHost: 10.0.0.1\r\nAccept-Language:  ja, en;q=0.5 \r\nX-A:\r\n"[:-2])

    assert (head.method, head.target, head.version) == ("GET", "/a?b=c", "HTTP/1.1")
    assert head.get("accept-language") == "ja, en;q=0.5"
    assert head.get("x-a") == ""
    assert head.get("absent") == ""


def test_joins_list_headers_and_refuses_doubled_single_ones() -> None:
    joined = parse_head(b"GET / HTTP/1.1\r\nAccept: a\r\nAccept: b")

    assert joined.get("accept") == "a, b"
    for name in (b"Host", b"Content-Length", b"Authorization", b"Cookie", b"Origin"):
        with pytest.raises(RequestError, match="repeated"):
            parse_head(b"GET / HTTP/1.1\r\n" + name + b": 1\r\n" + name + b": 1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/2.0",
        b"get / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET /\x00 HTTP/1.1",
        b"GET / HTTP/1.1\nHost: a",
        b"GET / HTTP/1.1\r\n Folded: a",
        b"GET / HTTP/1.1\r\nName : a",
        b"GET / HTTP/1.1\r\nName: a\x00b",
        b"GET / HTTP/1.1\r\nName: a\rb",
        b"GET / HTTP/1.1\r\n: a",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_refuses_what_other_parsers_might_read_differently(data: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        parse_head(data)

    assert caught.value.status == 400


def test_refuses_a_head_that_is_too_long_or_has_too_many_headers() -> None:
    for data in (b"GET / HTTP/1.1\r\nA: " + b"a" * MAX_HEAD_BYTES, b"GET / HTTP/1.1" + b"\r\nA: a" * 65):
        with pytest.raises(RequestError) as caught:
            parse_head(data)
        assert caught.value.status == 431


@given(st.binary(max_size=300))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    statuses = []
    for start in (b"", b"GET / HTTP/1.1\r\n", b"DESCRIBE rtsp://a/stream RTSP/1.0\r\n"):
        try:
            head = parse_head(start + data)
            body_length(head, 100)
        except RequestError as error:
            statuses.append(error.status)
    assert set(statuses) <= {400, 413, 431, 501}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-length": "101"}, 413),
        ({"content-length": "-1"}, 400),
        ({"content-length": "1,1"}, 400),
        ({"content-length": "+1"}, 400),
        ({"content-length": "\xb2"}, 400),
        ({"content-length": "1" * 13}, 400),
        ({"transfer-encoding": "chunked"}, 501),
    ],
)
def test_refuses_a_body_whose_length_is_doubtful(headers: dict[str, str], status: int) -> None:
    head = parse_head(b"POST / HTTP/1.1")
    head.headers.update(headers)

    with pytest.raises(RequestError) as caught:
        body_length(head, 100)

    assert caught.value.status == status


def test_body_length_up_to_the_limit_is_accepted() -> None:
    assert body_length(parse_head(b"POST / HTTP/1.1\r\nContent-Length: 100"), 100) == 100
    assert body_length(parse_head(b"GET / HTTP/1.1"), 100) == 0


def test_a_header_value_cannot_break_a_response() -> None:
    with pytest.raises(ValueError, match="break the line"):
        format_response("HTTP/1.1", 200, [("A", "b\r\nSet-Cookie: c")], b"")
    assert (
        format_response("HTTP/1.1", 200, [("A", "b")], b"x") == b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 1\r\n\r\nx"
    )
