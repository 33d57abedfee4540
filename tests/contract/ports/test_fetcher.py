"""The Linux Fetcher and Downloader against a TLS server that behaves and one that does not."""

import http.server
import ssl
import threading

import pytest

from agent.adapters.linux.downloader import HttpsDownloader
from agent.adapters.linux.fetcher import HttpsFetcher, split_server
from agent.adapters.linux.http_exchange import HttpServer
from agent.formats.delivery import Source
from agent.formats.errors import CutOff, FormatError, Unavailable
from tests.contract.ports.tls_server import certificate

BODY = bytes(range(256)) * 400
OWN = Source("", "")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        if self.path == "/moved":
            self.answer(302, b"", Location=f"https://127.0.0.1:{self.server.server_port}/whole")
        elif self.path == "/absent":
            self.answer(404, b"no")
        elif self.path == "/broken":
            self.answer(500, b"oh")
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 100)
            self.close_connection = True
        elif self.path == "/cut-run":
            self.send_response(206)
            self.send_header("Content-Range", f"bytes 0-59999/{len(BODY)}")
            self.send_header("Content-Length", "60000")
            self.end_headers()
            self.wfile.write(BODY[:43_000])
            self.close_connection = True
        elif self.path == "/whole" and "Range" in self.headers:
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            last = min(int(last), len(BODY) - 1)
            where = f"bytes {first}-{last}/{len(BODY)}"
            self.answer(206, BODY[int(first) : last + 1], **{"Content-Range": where})
        else:  # /unranged answers a range with everything
            self.answer(200, BODY)

    def do_PUT(self):
        self.server.asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(204 if self.path == "/ok" else 409, b"")

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    ca = certificate(tmp_path, "server", "127.0.0.1")
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.handle_error = lambda *_: None  # clients that refuse us are what some tests are about
    made.asked, made.ca = [], ca
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def fetcher(server, tmp_path):
    certificate(tmp_path, "device", "127.0.0.1")
    made = HttpsFetcher(tmp_path / "device.pem", tmp_path / "device.key")
    made.open(f"https://127.0.0.1:{server.server_port}", server.ca)
    yield made
    made.close()


@pytest.fixture
def downloader(server, tmp_path):
    certificate(tmp_path, "device", "127.0.0.1")
    made = HttpsDownloader(tmp_path / "device.pem", tmp_path / "device.key")
    made.open(f"https://127.0.0.1:{server.server_port}", server.ca)
    yield made
    made.close()


@pytest.mark.parametrize("piece_bytes", [1000, 8192, 30_000, len(BODY)])
def test_a_run_comes_in_pieces_by_one_request_and_the_next_run_over_the_same_connection(
    downloader, server, piece_bytes
):
    kept, runs = None, ((0, len(BODY)), (5000, 5100), (4096, 90_000))
    for first, end in runs:
        found = b""
        while first + len(found) < end:
            found += downloader.read(OWN, "/whole", first + len(found), end, piece_bytes, 1)
        assert found == BODY[first:end]
        kept = kept or downloader._server.tls()
        assert kept is not None
        assert downloader._server.tls() is kept
    assert server.asked == [("/whole", f"bytes={first}-{end - 1}") for first, end in runs]


def test_what_came_of_a_run_that_was_cut_off_is_kept(downloader):
    assert downloader.read(OWN, "/cut-run", 0, 60_000, 60_000, 4096) == BODY[:40_960]


def test_where_nothing_could_be_kept_of_what_came_it_is_said_how_much_it_was(downloader):
    with pytest.raises(CutOff) as cut:
        downloader.read(OWN, "/cut-run", 0, 60_000, 60_000, 49_152)
    assert cut.value.received_bytes == 43_000


def test_a_body_comes_whole_or_one_byte_beyond_the_limit(fetcher):
    assert fetcher.get("/whole", len(BODY)) == BODY
    assert fetcher.get("/whole", 100) == BODY[:101]
    assert fetcher.get("/whole", len(BODY)) == BODY


def test_one_connection_serves_many_requests(fetcher, server):
    fetcher.get("/whole", len(BODY))
    kept = fetcher._server.tls()
    for _ in range(3):
        fetcher.get("/absent", 100)
        fetcher.get("/whole", len(BODY))
        fetcher.put("/ok", b"{}")
    assert fetcher._server.tls() is kept


def test_a_request_does_not_load_the_systems_authorities(fetcher, monkeypatch):
    """The operator's CA is all that counts; reading 150 others for each block costs more than the block."""
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: pytest.fail("loaded"))
    assert fetcher.get("/whole", len(BODY)) == BODY
    assert fetcher.get("/whole", len(BODY)) == BODY


def test_a_range_is_what_was_asked_for(fetcher, server):
    assert fetcher.get("/whole", 4096, 1000, 50) == BODY[1000:1050]
    assert server.asked == [("/whole", "bytes=1000-1049")]


def test_a_server_that_ignores_the_range_is_no_use(fetcher):
    with pytest.raises(Unavailable):
        fetcher.get("/unranged", 4096, 1000, 50)


def test_what_is_not_there_is_none(fetcher):
    assert fetcher.get("/absent", 100) is None


@pytest.mark.parametrize("path", ["/broken", "/moved", "/cut"])
def test_errors_redirects_and_cut_bodies_are_unavailable_and_the_next_request_works(fetcher, server, path):
    with pytest.raises(Unavailable):
        fetcher.get(path, 4096)
    assert ("/whole", None) not in server.asked
    assert fetcher.get("/whole", len(BODY)) == BODY


def test_a_document_is_put_or_not_accepted(fetcher, server):
    fetcher.put("/ok", b"{}")
    with pytest.raises(Unavailable):
        fetcher.put("/not", b"{}")
    assert server.asked[0] == ("/ok", b"{}")


def test_a_server_of_another_ca_hears_no_request(fetcher, server, tmp_path):
    fetcher.open(f"https://127.0.0.1:{server.server_port}", certificate(tmp_path, "other", "127.0.0.1"))
    with pytest.raises(Unavailable, match="certificate does not verify: self-signed"):
        fetcher.get("/whole", 100)
    assert server.asked == []


def test_a_server_of_another_name_hears_no_request(fetcher, server):
    fetcher.open(f"https://127.0.0.2:{server.server_port}", server.ca)
    with pytest.raises(Unavailable):
        fetcher.get("/whole", 100)
    assert server.asked == []


def test_nothing_is_asked_before_a_server_is_known(tmp_path):
    with pytest.raises(Unavailable):
        HttpsFetcher(tmp_path / "x", tmp_path / "y").get("/", 1)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
def test_a_name_that_no_resolver_takes_is_a_server_out_of_reach(host):
    """Python's own resolver raises UnicodeError for it, which would end the agent, again after each restart."""
    with pytest.raises(Unavailable):
        HttpServer(host, 8443, None).exchange("GET", "/", None, {}, 1)


def test_the_evidence_names_the_verified_connection(fetcher):
    assert fetcher.connections() == []
    fetcher.get("/whole", len(BODY))
    (found,) = fetcher.connections()
    assert found["verified"]
    assert found["version"] in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize(
    "url",
    ["http://a", "https://", "https://a/b", "https://u:p@a", "https://a?x", "https://a:x", "ftp://a", "https://[::"],
)
def test_only_plain_https_addresses_are_servers(url):
    with pytest.raises(FormatError):
        split_server(url)


def test_an_address_has_a_port():
    assert split_server("https://a.example") == ("a.example", 8443)
    assert split_server("https://a.example:9/") == ("a.example", 9)


def test_what_is_read_on_comes_from_the_answer_under_way_and_asks_nobody(downloader, server):
    with pytest.raises(Unavailable):
        downloader.read_on(OWN, "/whole", 0, 90_000, 8192, 4096)
    assert server.asked == []
    assert downloader.read(OWN, "/whole", 0, 90_112, 8192, 4096) == BODY[:8192]
    for elsewhere in (
        (OWN, "/whole", 4096),
        (OWN, "/other", 8192),
        (Source("https://127.0.0.1:1", ""), "/whole", 8192),
    ):
        with pytest.raises(Unavailable):
            downloader.read_on(*elsewhere, 90_112, 8192, 4096)
    assert downloader.read_on(OWN, "/whole", 8192, 90_112, 8192, 4096) == BODY[8192:16_384]
    assert downloader.read(OWN, "/whole", 16_384, 90_112, 8192, 4096) == BODY[16_384:24_576]
    assert len(server.asked) == 1


def test_behind_a_piece_that_was_cut_off_nothing_is_read_on(downloader, server):
    downloader.read(OWN, "/cut-run", 0, 60_000, 49_152, 4096)
    before = len(server.asked)
    for at in (40_960, 49_152):
        with pytest.raises(Unavailable):
            downloader.read_on(OWN, "/cut-run", at, 60_000, 8192, 4096)
    assert len(server.asked) == before
