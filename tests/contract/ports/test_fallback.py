"""A network that lets nothing out but port 443: a front there leads to the broker by what TLS says it will carry."""

import queue
import socket
import time

import pytest

from agent.adapters.linux import dialing
from agent.adapters.linux import link as links
from agent.adapters.linux.detour import HttpsDialer
from agent.adapters.linux.dialing import Dialer
from agent.adapters.linux.downloader import HttpsDownloader
from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.http_exchange import LIMITS
from agent.adapters.linux.link import PahoLink
from agent.core import ways
from agent.formats.delivery import Source
from agent.formats.errors import Unavailable
from agent.formats.proxy import Proxy
from tests.contract.ports.alpn_front import Front
from tests.contract.ports.filtered import filtered
from tests.contract.ports.hostile_broker import HostileBroker
from tests.contract.ports.http_proxy import HttpProxy
from tests.contract.ports.tls_server import certificate

DEVICE = "a" * 26
HOST = "127.0.0.1"
LOCAL = LIMITS._replace(silence_s=1.0)
BRIEF = LIMITS._replace(silence_s=1.5, grace_s=3.0)  # as long to each other as those of a camera
AGAIN_S = 3.0  # more than one vain attempt takes


class Site:
    """A broker, another server of the same certificate, and a front before both; `link` and its events."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.ca = certificate(folder, "server", HOST)
        certificate(folder, "device", HOST)
        self.files = folder / "device.pem", folder / "device.key"
        self.stays = True
        self.broker = HostileBroker(folder, self._stay)
        self.other = HostileBroker(
            folder, lambda connection, _: None, answer=b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
        )
        self.front = Front(self.broker.port, self.other.port)
        monkeypatch.setattr(ways, "FALLBACK_PORT", self.front.port)
        monkeypatch.setattr(links, "FIRST_DELAY_S", 0.01)
        monkeypatch.setattr(links, "MIN_DELAY_S", 0.01)
        monkeypatch.setattr(links, "DIAL_S", 1.0)
        self.events = queue.SimpleQueue()
        self.link = PahoLink(*self.files, self.events.put)

    def _stay(self, connection, _number):
        connection.settimeout(0.1)
        while self.stays:
            try:
                if not connection.recv(4096):
                    return
            except TimeoutError:
                pass
        self.stays = True

    def open(self, port, dialer=None):
        if dialer is not None:
            self.link = PahoLink(*self.files, self.events.put, dialer=dialer)
        self.link.open(HOST, port, self.ca, DEVICE, ())

    def until_up(self):
        """The troubles before the session stands."""
        found = []
        while (event := self.events.get(timeout=60)) != ("up",):
            found.append(event[2])
        return found

    def close(self):
        self.link.close()
        self.front.close()
        self.broker.close()
        self.other.close()


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = Site(tmp_path, monkeypatch)
    yield made
    made.close()


def test_where_the_brokers_port_is_filtered_the_link_comes_by_the_front(site):
    with filtered() as nowhere:
        site.open(nowhere)
        assert site.until_up() == ["unreachable"]
        assert site.front.met == [[b"mqtt"]]
        site.stays = False  # the next session begins where this one was
        assert site.until_up() == ["closed"]
    assert site.front.met == [[b"mqtt"]] * 2


def test_where_the_brokers_port_is_open_the_front_is_not_asked(site):
    """The control."""
    site.open(site.broker.port)
    assert site.until_up() == []
    assert site.front.met == []


def test_the_direct_way_is_tried_again_and_kept_where_it_has_come_back(site):
    with filtered() as nowhere:
        site.open(nowhere)
        site.until_up()
        site.monkeypatch.setattr(ways, "DIRECT_AGAIN_S", AGAIN_S)
        time.sleep(AGAIN_S)
        site.stays = False
        assert site.until_up() == ["closed", "unreachable"]  # a look at the direct way between
        assert len(site.front.met) == 2
    back = HostileBroker(site.folder, site._stay, port=nowhere)
    time.sleep(AGAIN_S)
    site.stays = False
    assert site.until_up() == ["closed"]
    assert (len(site.front.met), back.sessions) == (2, 1)
    site.link.close()
    back.close()


def test_a_proxy_that_leads_to_443_alone(site):
    proxy = HttpProxy({site.front.port: site.front.port})
    site.open(8883, Dialer(Proxy(HOST, proxy.port, "")))
    assert site.until_up() == ["proxy"]
    assert site.front.met == [[b"mqtt"]]
    proxy.close()


def test_a_server_at_443_that_knows_no_mqtt_is_left_again(site):
    """It has the fleet's certificate, and answers by HTTP: the direct way is next."""
    site.monkeypatch.setattr(ways, "FALLBACK_PORT", site.other.port)
    with filtered() as nowhere:
        site.open(nowhere)
        found = [site.events.get(timeout=60)[2] for _ in range(3)]
    assert found == ["unreachable", "closed", "unreachable"]


def test_https_goes_through_the_same_front_to_the_server(site):
    fetcher = HttpsFetcher(*site.files)
    fetcher.open(f"https://{HOST}:{site.front.port}", site.ca)
    with pytest.raises(Unavailable, match="400"):
        fetcher.get("/x", 10)
    fetcher.close()
    assert (site.front.met, site.broker.heard) == ([[]], b"")
    assert b"GET /x" in site.other.heard


def test_somebody_else_at_443_hears_nothing(site, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    certificate(other, "server", HOST)
    stranger = HostileBroker(other, lambda connection, _: connection.recv(1))
    site.monkeypatch.setattr(ways, "FALLBACK_PORT", stranger.port)
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    site.open(port)  # refused
    assert [site.events.get(timeout=60)[2] for _ in range(4)] == ["unreachable", "portal"] * 2
    site.link.close()
    stranger.close()
    assert stranger.heard == b""


def https(site, port, made=HttpsFetcher, dialer=None, limits=LOCAL):
    found = made(*site.files, limits=limits, dialer=dialer or HttpsDialer())
    found.open(f"https://{HOST}:{port}", site.ca)
    return found


def answered(site, fetcher):
    """The server, which answers 400 whatever it is asked."""
    with pytest.raises(Unavailable, match="400"):
        fetcher.get("/x", 10)
    fetcher.close()


def test_where_the_servers_port_is_filtered_https_comes_by_the_front_in_the_same_exchange(site):
    with filtered() as nowhere:
        fetcher = https(site, nowhere)
        answered(site, fetcher)
        assert site.front.met == [[b"http/1.1"]]
        begun = time.monotonic()
        answered(site, fetcher)
        assert time.monotonic() - begun < 1.0, "the way that worked comes first"
        downloader = https(site, nowhere, HttpsDownloader)
        with pytest.raises(Unavailable, match="400"):
            downloader.read(Source("", ""), "/x", 0, 10, 10, 1)
        downloader.close()
        with pytest.raises(Unavailable, match="silent"):  # the control: without the detour nothing comes through
            https(site, nowhere, dialer=Dialer()).get("/x", 10)
    assert site.front.met == [[b"http/1.1"]] * 3
    site.monkeypatch.setattr(ways, "DIRECT_AGAIN_S", 0.0)
    answered(site, https(site, site.other.port))
    assert len(site.front.met) == 3, "where the server's own port is open, the front is not asked"


def test_where_every_address_is_silent_in_tls_https_comes_by_the_front_in_the_time_that_is_left(site):
    """Paths that swallow long packets: each connection stands, and each handshake is waited for."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}",)) for n in (1, 2, 3)]
    site.monkeypatch.setattr(dialing, "resolve", lambda _, port: [(*one[:4], (*one[4], port)) for one in found])
    with socket.create_server(("", 0)) as silent:
        port = silent.getsockname()[1]
        answered(site, https(site, port, limits=BRIEF))
        assert site.front.met == [[b"http/1.1"]]
        with pytest.raises(Unavailable, match=r"slow|silent"):  # the control: one way would take all the time
            https(site, port, dialer=Dialer(), limits=BRIEF).get("/x", 10)
        assert len(site.front.met) == 1


def test_a_key_that_cannot_be_read_is_no_reason_for_the_other_port(site):
    def unreadable():
        raise Unavailable("the key")

    with pytest.raises(Unavailable, match="the key"):
        HttpsDialer().dial(HOST, site.other.port, unreadable, lambda: 1.0, lambda: 60.0)
    assert site.front.met == []


def test_https_through_a_proxy_that_leads_to_443_alone(site):
    proxy = HttpProxy({site.front.port: site.front.port})
    answered(site, https(site, 8443, dialer=HttpsDialer(Proxy(HOST, proxy.port, ""))))
    assert site.front.met == [[b"http/1.1"]]
    proxy.close()


def test_https_to_a_stranger_at_443_ends_without_a_byte_and_the_error_is_that_of_the_servers_port(site, tmp_path):
    (tmp_path / "else").mkdir()
    certificate(tmp_path / "else", "server", HOST)  # by a CA of its own
    asked = []
    stranger = HostileBroker(tmp_path / "else", lambda connection, _: asked.append(connection))
    site.monkeypatch.setattr(ways, "FALLBACK_PORT", stranger.port)
    with filtered() as nowhere, pytest.raises(Unavailable, match="silent"):
        https(site, nowhere).get("/x", 10)
    with pytest.raises(Unavailable, match="does not verify"):  # the control: that stranger was there
        https(site, stranger.port).get("/x", 10)
    assert asked == []
    stranger.close()
