"""Which of a name's addresses the camera ends up at, and how long that takes; over real sockets of both families."""

import contextlib
import queue
import socket
import ssl
import threading
import time

import pytest

from agent.adapters.linux import link as links
from agent.adapters.linux.dialing import ATTEMPT_DELAY_S, Dialer, race, resolve
from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.http_exchange import LIMITS
from agent.adapters.linux.link import PahoLink
from agent.adapters.linux.tls import client_context
from agent.formats.errors import Unavailable
from tests.contract.ports.filtered import filtered
from tests.contract.ports.hostile_broker import HostileBroker
from tests.contract.ports.tls_server import certificate

HOST = "server.example"
MUCH_S = 5.0  # on a machine that hardly runs; without the next attempt nothing would come within ALLOWED_S
ALLOWED_S = 60.0


def entry(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    where = (host, port, 0, 0) if ":" in host else (host, port)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where


@contextlib.contextmanager
def listening(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def names(monkeypatch):
    """`names(*addresses)`: what the system's resolver says of HOST."""
    real = socket.getaddrinfo

    def install(*addresses):
        def ask(host, *arguments, **options):
            return list(addresses) if host == HOST else real(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", ask)

    return install


@pytest.mark.parametrize("good", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("dead", ["127.0.0.1", "::1"])
def test_an_address_that_swallows_everything_costs_a_quarter_of_a_second(good, dead):
    with filtered(dead) as nowhere, listening(good) as port:
        begun = time.monotonic()
        connected, address = race([entry(dead, nowhere), entry(good, port)], ALLOWED_S)
        took_s = time.monotonic() - begun
        with connected:
            assert connected.getpeername()[:2] == address[4][:2] == (good, port)
    assert ATTEMPT_DELAY_S <= took_s < MUCH_S


def test_such_an_address_alone_takes_all_the_time_there_is():
    """The control: it is the second address that helps."""
    with filtered("::1") as nowhere:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            race([entry("::1", nowhere)], 0.5)
        assert time.monotonic() - begun >= 0.5


def test_an_address_that_refuses_is_not_waited_for():
    with listening("::1") as port, listening("127.0.0.1") as other:
        pass
    with listening("127.0.0.1") as good:
        begun = time.monotonic()
        connected, _ = race([entry("::1", port)] * 4 + [entry("127.0.0.1", good)], ALLOWED_S)
        connected.close()
        assert time.monotonic() - begun < 4 * ATTEMPT_DELAY_S
    with pytest.raises(ConnectionRefusedError):
        race([entry("::1", port), entry("127.0.0.1", other)], ALLOWED_S)


def test_a_family_that_this_machine_has_no_way_for_is_passed_over():
    with listening("127.0.0.1") as good:
        unreachable = socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("fe80::1", 1, 0, 0)  # no zone
        connected, address = race([unreachable, entry("127.0.0.1", good)], ALLOWED_S)
        connected.close()
    assert address[0] == socket.AF_INET


def test_attempts_are_bounded_and_the_families_take_turns(names):
    names(*(entry("2001:db8::" + str(n), 1) for n in range(1, 9)), entry("192.0.2.1", 1), entry("192.0.2.2", 1))
    assert [one[4][0] for one in resolve(HOST, 1)] == [
        "2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3", "2001:db8::4",
    ]  # fmt: skip


def test_what_cannot_be_a_name_has_no_address():
    for name in ("a" * 64 + ".example", "b\udc80.example", ".example"):
        with pytest.raises(socket.gaierror):
            resolve(name, 443)


def test_an_address_that_connects_and_then_swallows_gives_way_to_the_next(names, tmp_path):
    """Long packets are lost on some tunnels: the connection stands, and the handshake never ends."""
    ca = certificate(tmp_path, "server", "127.0.0.1", names=(HOST,))
    broker = HostileBroker(tmp_path, lambda connection, _: connection.recv(1))
    with listening("::1") as mute:
        names(entry("::1", mute), entry("127.0.0.1", broker.port))
        connected = Dialer().dial(HOST, 1, lambda: client_context(ca), lambda: 0.5)
        with connected:
            assert connected.getpeername() == ("127.0.0.1", broker.port)
            assert isinstance(connected, ssl.SSLSocket)
        names(entry("::1", mute))
        with pytest.raises(TimeoutError):
            Dialer().dial(HOST, 1, lambda: client_context(ca), lambda: 0.5)
    broker.close()


@pytest.mark.parametrize("good", ["127.0.0.1", "::1"])
def test_the_link_and_the_fetcher_come_by_the_family_that_works(good, names, tmp_path, monkeypatch):
    monkeypatch.setattr(links, "FIRST_DELAY_S", 0.01)
    ca = certificate(tmp_path, "server", "127.0.0.1", names=(HOST,))
    certificate(tmp_path, "device", "127.0.0.1")
    files = tmp_path / "device.pem", tmp_path / "device.key"
    met = queue.SimpleQueue()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")

    def serve(listener):
        with contextlib.suppress(OSError):  # the end of the listener
            while True:
                answer(listener.accept()[0])

    def answer(raw):
        with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as secured:
            met.put((secured.family, secured.recv(4)[:1]))
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    family = socket.AF_INET6 if ":" in good else socket.AF_INET
    dead = "127.0.0.1" if ":" in good else "::1"
    with filtered(dead) as nowhere, socket.create_server((good, 0), family=family) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        names(entry(dead, nowhere), entry(good, listener.getsockname()[1]))
        link = PahoLink(*files, lambda _: None)
        link.open(HOST, 8883, ca, "a" * 26, ())
        assert met.get(timeout=MUCH_S) == (family, b"\x10")  # CONNECT
        link.close()
        fetcher = HttpsFetcher(*files)
        fetcher.open(f"https://{HOST}", ca)
        assert fetcher.get("/x", 10) == b"ok"
        came = met.get(timeout=MUCH_S)
        while came == (family, b"\x10"):  # the link, which tries again at once, until it was closed
            came = met.get(timeout=MUCH_S)
        assert came == (family, b"G")
        fetcher.close()
        listener.shutdown(socket.SHUT_RDWR)
    names(entry(dead, nowhere))
    alone = HttpsFetcher(*files, limits=LIMITS._replace(silence_s=0.5))
    alone.open(f"https://{HOST}", ca)
    with pytest.raises(Unavailable):
        alone.get("/x", 10)
