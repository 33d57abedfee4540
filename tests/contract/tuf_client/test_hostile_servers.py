"""A server that means harm, below what metadata can say: the limits hold, and nothing on disk changes."""

import contextlib
import gzip
import threading

import pytest

from agent.adapters.linux.http_exchange import Limits
from agent.adapters.linux.plain_fetcher import PlainFetcher, split_base
from agent.formats.errors import FormatError, Unavailable

IMPATIENT = Limits(silence_s=0.2, grace_s=0.3, slowest_bytes_per_s=1e9)


def endless(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


def claims_more(handler):
    handler.answer(200, b"{}", Content_Length=str(10**12))
    handler.close_connection = True


def cut_off(handler):
    handler.answer(200, b"{}", Content_Length="1000")
    handler.close_connection = True


def compressed(handler):
    handler.answer(200, gzip.compress(b" " * 10**6), Content_Encoding="gzip")


def hangs_up(handler):
    handler.close_connection = True
    handler.connection.shutdown(2)


def no_http(handler):
    handler.wfile.write(b"220 mail.example ESMTP\r\n" * 10)
    handler.close_connection = True


def moved_elsewhere(handler):
    handler.answer(302, b"", Location="http://198.51.100.66/2.root.json")


def moved_here(handler):
    handler.answer(301, b"", Location=handler.path.replace("timestamp", "other"))


def broken(handler):
    handler.answer(500, b"oh")


def deep(handler):
    handler.answer(200, b"[" * 5000 + b"]" * 5000)


def doubled(handler):
    handler.answer(200, b'{"signed": {}, "signed": {}, "signatures": []}')


def huge_number(handler):
    handler.answer(200, b'{"signed": {"version": ' + b"9" * 5000 + b'}, "signatures": []}')


def no_number(handler):
    handler.answer(200, b'{"signed": {"version": NaN}, "signatures": []}')


def no_text(handler):
    handler.answer(200, b'{"signed": {"_type": "\xc0\xaf"}, "signatures": []}')


ATTACKS = {
    endless: "endless_data",
    claims_more: "unavailable",
    cut_off: "unavailable",
    compressed: "unavailable",
    hangs_up: "unavailable",
    no_http: "unavailable",
    moved_elsewhere: "unavailable",
    moved_here: "unavailable",
    broken: "unavailable",
    deep: "endless_data",
    doubled: "format",
    huge_number: "format",
    no_number: "format",
    no_text: "format",
}


@pytest.mark.parametrize(("attack", "code"), ATTACKS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_no_answer_of_a_hostile_server_changes_anything(client, site, attack, code):
    assert client.refresh() == 0
    before = {file: file.read_bytes() for file in client.metadata.iterdir()}
    site.requests()
    site.files["timestamp.json"] = attack
    assert client.refresh() == 1
    assert client.code() == code, client.said
    assert {file: file.read_bytes() for file in client.metadata.iterdir()} == before
    assert site.requests() == ["2.root.json", "timestamp.json"]


@pytest.mark.parametrize("attack", [endless, claims_more, cut_off, compressed, moved_elsewhere, broken])
def test_no_answer_of_a_hostile_server_becomes_a_target(client, site, attack):
    target = site.add_target("file", b"content")
    site.republish()
    site.content[target.hashes["sha256"] + ".file"] = attack
    assert client.download("file") == 1
    assert client.code() in {"endless_data", "unavailable", "arbitrary_software"}
    assert client.downloaded() == []


def test_an_announced_length_bounds_what_is_read(client, site):
    site.hashes = True
    site.republish()
    site.files["2.snapshot.json"] += b" "
    assert client.refresh() == 1
    assert client.code() == "endless_data"
    assert client.stored() == {"root": 1, "timestamp": 2}


@pytest.mark.parametrize("who", ["caller", "server"])
def test_an_error_is_one_printable_line_whatever_names_are_in_it(client, site, who):
    name = "bell\a\x1b[2J\nsecond line"
    if who == "server":
        site.delegate("targets", name)
        site.publish(name)
        del site.roles["snapshot"].meta[name + ".json"]
        site.republish()
        assert client.download("file") == 1
        assert client.code() == "mix_and_match"
    else:
        assert client.download(name) == 1
        assert client.code() == "unknown_target"
    assert client.said[:-1].isprintable()


@pytest.fixture
def fetcher(site):
    return PlainFetcher(site.url + "/metadata/", IMPATIENT)


@pytest.fixture
def until_the_end():
    """Set when the test is over, for servers that would go on."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("begun", [False, True])
def test_a_silent_server_is_left(fetcher, site, until_the_end, begun):
    def silent(handler):
        if begun:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
        until_the_end.wait(60)

    site.files["x"] = silent
    with pytest.raises(Unavailable, match=r"silent|slow"):
        fetcher.get("x", 1000)


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_server_that_drips_is_left(site, until_the_end, where):
    def drip(handler):
        if where == "body":
            handler.send_response(200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: " if where == "head" else b"")
            while not until_the_end.wait(0.02):
                handler.wfile.write(b"x")

    site.files["x"] = drip
    patient = PlainFetcher(site.url + "/metadata/", Limits(silence_s=3600, grace_s=0.3, slowest_bytes_per_s=1e9))
    with pytest.raises(Unavailable, match=r"silent|slow"):
        patient.get("x", 100_000)


def test_at_most_one_byte_more_than_allowed_is_returned(fetcher, site):
    site.files["x"] = b"a" * 1000
    assert fetcher.get("x", 1000) == b"a" * 1000
    assert fetcher.get("x", 10) == b"a" * 11


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_not_there_is_none(fetcher, site, status):
    site.files["x"] = lambda handler: handler.answer(status, b"no")
    assert fetcher.get("x", 10) is None


def test_a_refused_answer_does_not_end_the_next(fetcher, site):
    site.files["x"], site.files["y"] = compressed, b"fine"
    with pytest.raises(Unavailable):
        fetcher.get("x", 10)
    assert fetcher.get("y", 10) == b"fine"


def test_nobody_listening_is_unavailable():
    with pytest.raises(Unavailable):
        PlainFetcher("http://127.0.0.1:1/").get("x", 10)


def test_https_needs_a_certificate_that_the_system_trusts(site):
    with pytest.raises(Unavailable):
        PlainFetcher(site.url.replace("http:", "https:"), IMPATIENT).get("x", 10)
    assert site.requests() == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://a/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://a:x/",
        "http://a:0/",
        "http://a:99999/",
        "http://u@a/",
        "http://u:p@a/",
        "http://a/?x",
        "http://a/#x",
        "http://a/b c",
        "http://a/\nHost: b",
        "http://あ/",
        "http://[::1/",
    ],
)
def test_only_plain_addresses_are_base_urls(url):
    with pytest.raises(FormatError):
        PlainFetcher(url)


def test_a_base_url_has_a_host_a_port_and_a_folder():
    assert split_base("http://a") == (False, "a", 80, "/")
    assert split_base("https://a/b") == (True, "a", 443, "/b/")
    assert split_base("http://[::1]:8080/b/c/") == (False, "::1", 8080, "/b/c/")
