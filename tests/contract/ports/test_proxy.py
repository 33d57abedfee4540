"""The link and every HTTPS call through an HTTP proxy: TLS from end to end, and one clear reason where it leads not."""

import base64
import queue
import socket
import ssl

import pytest

from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.downloader import HttpsDownloader
from agent.adapters.linux.est import EstEnroller
from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.http_exchange import LIMITS
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.link import PahoLink
from agent.adapters.linux.public_fetcher import PublicFetcher
from agent.adapters.linux.site import PROXY, PROXY_UNREADABLE, site_proxy
from agent.adapters.linux.store import FileStore
from agent.formats.delivery import Source
from agent.formats.errors import CamwardError, Unavailable
from agent.formats.proxy import Proxy
from agent.formats.token import Token
from tests.contract.ports.hostile_broker import HostileBroker, patient_broker
from tests.contract.ports.http_proxy import ANSWERS, HttpProxy
from tests.contract.ports.tls_server import certificate

HOST = "server.example"  # which nothing but the proxy can find
DEVICE = "a" * 26
BROKER, SERVER = 8883, 8443
SECRET = "camera:a secret"


@pytest.fixture
def files(tmp_path):
    certificate(tmp_path, "device", "127.0.0.1")
    return tmp_path / "device.pem", tmp_path / "device.key"


@pytest.fixture
def server(tmp_path):
    """Both broker and HTTPS server: it notes what comes, and answers as a broker."""
    with patient_broker(tmp_path, HOST) as made:
        yield made


@pytest.fixture
def proxy():
    made = []

    def start(leads, answer=None, login=b""):
        made.append(HttpProxy(leads, answer, login))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def nothing_but_the_proxy(monkeypatch, impatient):
    """The names of the servers exist nowhere here."""
    real = socket.getaddrinfo

    def ask(host, *arguments, **options):
        assert host != HOST, "the server's name is the proxy's to find"
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", ask)


def by(running, login_file=""):
    return Dialer(Proxy("127.0.0.1", running.port, str(login_file)))


def opened(made, server):
    made.open(f"https://{HOST}", server.ca)
    return made


def enrol(dialer, server, folder):
    keys = UnsafeFileKeyStore(FileStore(folder / "state"))
    keys.ensure("tls")
    token = Token(f"https://{HOST}", "a-secret-of-the-token", "an id", ssl.PEM_cert_to_DER_cert(server.ca), "0" * 64)
    EstEnroller(keys, dialer=dialer).certify(token, DEVICE, "KW1-1", "tls")


def download(dialer, files, server):
    opened(HttpsDownloader(*files, dialer=dialer), server).read(Source("", ""), "/targets/x", 0, 4096, 4096, 4096)


def public(dialer, server):
    from agent.adapters.linux.dates import by_the_system

    made = PublicFetcher(by_the_system, dialer)
    made.open(f"https://{HOST}:{SERVER}", server.ca)
    made.get("/public", 10)


CALLS = {
    b"GET /x HTTP/1.1": lambda way, files, server, _: opened(HttpsFetcher(*files, dialer=way), server).get("/x", 10),
    b"GET /targets/x HTTP/1.1": lambda way, files, server, _: download(way, files, server),
    b"GET //public HTTP/1.1": lambda way, _files, server, _: public(way, server),
    b"POST /.well-known/est/simpleenroll": lambda way, _files, server, folder: enrol(way, server, folder),
}


@pytest.mark.parametrize("says", CALLS)
def test_every_https_call_goes_through_the_proxy_and_is_heard_by_the_server_alone(says, proxy, server, files, tmp_path):
    running = proxy({SERVER: server.port})
    with pytest.raises(Unavailable):  # this server is none of HTTP
        CALLS[says](by(running), files, server, tmp_path)
    expected = f"CONNECT {HOST}:{SERVER} HTTP/1.1\r\nHost: {HOST}:{SERVER}\r\n\r\n".encode()
    assert set(running.asked) == {expected}
    assert says in server.heard or says.replace(b"//", b"/") in server.heard
    assert says not in running.carried
    assert b"a-secret-of-the-token" not in running.carried


def test_the_link_goes_through_the_proxy_and_the_login_goes_no_further(proxy, server, files, tmp_path):
    (tmp_path / "login").write_text(SECRET + "\n")
    running = proxy({BROKER: server.port}, login=base64.b64encode(SECRET.encode()))
    events = queue.SimpleQueue()
    link = PahoLink(*files, events.put, dialer=by(running, tmp_path / "login"))
    link.open(HOST, BROKER, server.ca, DEVICE, ())
    assert events.get(timeout=60) == ("up",)
    link.close()
    assert DEVICE.encode() in server.heard
    assert DEVICE.encode() not in running.carried
    assert base64.b64encode(SECRET.encode()) not in server.heard


@pytest.mark.parametrize("kind", ANSWERS)
def test_whatever_the_proxy_answers_gives_one_reason(kind, proxy, server, files):
    answer, reason = ANSWERS[kind]
    running = proxy({}, answer)
    fetcher = HttpsFetcher(*files, limits=LIMITS._replace(silence_s=1.0), dialer=by(running))
    with pytest.raises(Unavailable) as caught:
        opened(fetcher, server).get("/x", 10)
    assert caught.value.detail == reason
    assert server.heard == b""


def test_the_link_says_that_it_is_the_proxy(proxy, server, files, tmp_path):
    events = queue.SimpleQueue()
    running = proxy({}, ANSWERS["407"][0])
    link = PahoLink(*files, events.put, dialer=by(running))
    link.open(HOST, BROKER, server.ca, DEVICE, ())
    assert events.get(timeout=60) == ("down", "the proxy wants a login, and none is set (407) (port 8883)", "proxy")
    link.close()
    (tmp_path / "login").write_text("camera:of yesterday")
    for dialer, text in (
        (by(running, tmp_path / "login"), "the proxy wants another login (407)"),
        (by(running, tmp_path / "missing"), "the proxy's login cannot be read: No such file or directory"),
        (Dialer(Proxy("no proxy.example", 1, "")), "the proxy's name could not be resolved"),
        (Dialer(Proxy("127.0.0.1", 1, "")), "the proxy cannot be reached: [Errno 111] Connection refused"),
    ):
        fetcher = opened(HttpsFetcher(*files, dialer=dialer), server)
        with pytest.raises(CamwardError) as caught:
            fetcher.get("/x", 10)
        assert caught.value.detail.startswith(text)


def test_a_proxy_that_leads_elsewhere_hears_no_more_than_anybody(proxy, server, files, tmp_path):
    """By TLS that it opens itself: its own certificate is not the server's."""
    other = tmp_path / "other"
    other.mkdir()
    certificate(other, "server", "127.0.0.1", names=(HOST,))
    stranger = HostileBroker(other, lambda connection, _: connection.recv(1))
    running = proxy({BROKER: stranger.port, SERVER: stranger.port})
    events = queue.SimpleQueue()
    link = PahoLink(*files, events.put, dialer=by(running))
    link.open(HOST, BROKER, server.ca, DEVICE, ())
    event = events.get(timeout=60)
    assert (event[0], event[2]) == ("down", "portal")
    with pytest.raises(Unavailable, match="somebody else answers"):
        opened(HttpsFetcher(*files, dialer=by(running)), server).get("/x", 10)
    running.leads[BROKER] = server.port  # the control
    while events.get(timeout=60) != ("up",):
        pass
    link.close()
    stranger.close()
    assert stranger.heard == b""


def test_cameras_of_the_site_are_reached_without_it(proxy, server, files):
    running = proxy({})
    downloader = opened(HttpsDownloader(*files, dialer=by(running)), server)
    near = Source(f"https://127.0.0.1:{server.port}", DEVICE)
    with pytest.raises(Unavailable):
        downloader.read(near, "/targets/x", 0, 4096, 4096, 4096)
    assert running.asked == []


def test_the_sites_word_stands_above_the_manufacturers_and_what_cannot_be_read_is_told(tmp_path):
    store, default = FileStore(tmp_path), Proxy("maker.example", 1, "")
    assert site_proxy(store, default) == (default, ())
    store.write(PROXY, b'{"v":1,"proxy":{"host":"site.example","port":3128}}')
    assert site_proxy(store, default) == (Proxy("site.example", 3128, ""), ())
    store.write(PROXY, b'{"v":1,"proxy":null}')
    assert site_proxy(store, default) == (None, ())
    store.write(PROXY, b'{"v":1,"proxy":{"host":"site.example"}}')
    assert site_proxy(store, default) == (default, (PROXY_UNREADABLE,))
