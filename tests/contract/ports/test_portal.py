"""Networks that answer in the server's place: no byte of ours, a code that says what it is, and back soon."""

import socket
import ssl
import threading

import pytest

from agent.adapters.linux import link as links
from agent.adapters.linux.est import EstEnroller
from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.store import FileStore
from agent.formats.errors import Unavailable
from agent.formats.token import Token
from tests.contract.listening import Listening
from tests.contract.ports.filtered import filtered
from tests.contract.ports.hostile_broker import HostileBroker, patient_broker
from tests.contract.ports.tls_server import certificate

DEVICE = "a" * 26
HOST = "server.example"
REDIRECT = (
    b"HTTP/1.1 302 Found\r\nLocation: http://login.portal.example/?back=server.example\r\nContent-Length: 0\r\n\r\n"
)
CLIENT_HELLO = b"\x16\x03\x01"  # a handshake record (RFC 8446, 5.1)


class Portal(Listening):
    """Answers whatever comes: `secured` with a certificate of its own, in the clear with a redirect.

    Attributes:
        raw: what came without TLS.
        heard: what came inside TLS.
    """

    silence_s = 5.0
    at_once = False

    def __init__(self, secured):
        self.raw = self.heard = b""
        self._secured = secured
        super().__init__()

    def converse(self, connection):
        if self._secured is not None:
            with self._secured.wrap_socket(connection, server_side=True) as secured:
                self.heard += secured.recv(65536)
                secured.sendall(REDIRECT)
            return
        self.raw += connection.recv(65536)
        connection.sendall(REDIRECT)
        while piece := connection.recv(65536):
            self.raw += piece


@pytest.fixture
def where(monkeypatch):
    """`where[0]`: the port to which HOST leads, or what asking for it raises."""
    real, leads = socket.getaddrinfo, [0]

    def ask(host, *arguments, **options):
        if host != HOST:
            return real(host, *arguments, **options)
        if isinstance(leads[0], OSError):
            raise leads[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", leads[0]))]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    return leads


@pytest.fixture
def server(tmp_path):
    with patient_broker(tmp_path, HOST) as made:
        yield made


def contexts(folder):
    """Of a portal: a certificate of its own for our server's name, and one of its own name by the same."""
    found = {"in the clear": None}
    for name, shown in (("of our name", HOST), ("of its name", "login.portal.example")):
        certificate(folder, "portal", "127.0.0.1", names=(shown,))
        found[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found[name].load_cert_chain(folder / "portal.pem", folder / "portal.key")
    return found


def next_code(link):
    event = link.events.get(timeout=60)
    assert event[0] == "down"
    return event[2]


@pytest.mark.parametrize("kind", ["in the clear", "of our name", "of its name"])
def test_a_portal_hears_nothing_is_called_so_and_the_server_is_reached_when_it_lets_us_through(
    kind, server, link, where, tmp_path
):
    portal = Portal(contexts(tmp_path)[kind])
    where[0] = portal.port
    link.open(HOST, server.port, server.ca, DEVICE, ())
    assert [next_code(link), next_code(link)] == ["portal", "portal"]
    fetcher = HttpsFetcher(tmp_path / "device.pem", tmp_path / "device.key")
    fetcher.open(f"https://{HOST}", server.ca)
    with pytest.raises(Unavailable, match="somebody else answers"):
        fetcher.get("/tuf/director/timestamp.json", 1000)
    keys = UnsafeFileKeyStore(FileStore(tmp_path / "state"))
    keys.ensure("tls")
    token = Token(f"https://{HOST}", "a-secret-of-the-token", "an id", ssl.PEM_cert_to_DER_cert(server.ca), "0" * 64)
    with pytest.raises(Unavailable, match="somebody else answers"):
        EstEnroller(keys).certify(token, DEVICE, "KW1-1", "tls")
    where[0] = server.port
    while link.events.get(timeout=60) != ("up",):
        pass
    portal.close()
    assert portal.heard == b""
    assert portal.raw == b"" if kind != "in the clear" else portal.raw.startswith(CLIENT_HELLO)
    for ours in (DEVICE.encode(), b"timestamp", b"token", b"GET", b"POST"):
        assert ours not in portal.raw
    assert DEVICE.encode() in server.heard  # the control: the server hears it


def test_the_other_troubles_have_codes_of_their_own(server, link, where, monkeypatch):
    monkeypatch.setattr(links, "DIAL_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as closing:

        def close_the_first():
            closing.accept()[0].close()

        threading.Thread(target=close_the_first, daemon=True).start()
        where[0] = closing.getsockname()[1]
        link.open(HOST, server.port, server.ca, DEVICE, ())
        assert next_code(link) == "closed"
        where[0] = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        while (code := next_code(link)) == "unreachable":
            pass  # the listener's queue took one more, and nobody was there
        assert code == "name"
    with filtered() as nowhere:
        where[0] = nowhere
        while (code := next_code(link)) == "name":
            pass
        assert code == "unreachable"
        where[0] = server.port
        while link.events.get(timeout=60) != ("up",):
            pass


def test_a_right_certificate_for_another_name_is_no_portal(server, link, where, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    ca = certificate(other, "server", "127.0.0.1", names=("other.example",))
    elsewhere = HostileBroker(other, lambda connection, _: connection.recv(1))
    where[0] = elsewhere.port
    link.open(HOST, 1, ca, DEVICE, ())
    assert next_code(link) == "tls"
    elsewhere.close()
    assert elsewhere.heard == b""
