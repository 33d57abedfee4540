"""Somebody in the path shows something else than the server's certificate: he gets no byte of what we have to say.

Each way in is tried by the link with the broker, by the device API and by enrolment; the right server is the control.
"""

import queue
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.adapters.linux.est import EstEnroller
from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.keys import UnsafeFileKeyStore
from agent.adapters.linux.link import PahoLink
from agent.adapters.linux.store import FileStore
from agent.formats.errors import CamwardError
from agent.formats.token import Token
from tests.contract.listening import Listening

DEVICE = "a" * 26
SECRET = "a-secret-of-the-token"
HANDSHAKE = 22  # the content type of a ClientHello (RFC 8446, 5.1)
DAY = timedelta(days=1)
SERVER, CLIENT = x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH


class Ca:
    """A certificate authority, and what it issues."""

    def __init__(self, folder, name):
        self.folder, self.name, self.key = folder, name, ec.generate_private_key(ec.SECP256R1())
        self.pem = self.issue(name + "-ca", self.key, ca=True).public_bytes(Encoding.PEM).decode()

    def issue(self, subject, key, *, host="127.0.0.1", begins=-DAY, ends=DAY, usage=SERVER, ca=False, urn=""):
        now = datetime.now(UTC)
        san = x509.UniformResourceIdentifier(urn) if urn else x509.IPAddress(ip_address(host))
        common = x509.NameOID.COMMON_NAME
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(common, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(common, self.name + "-ca")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName([san]), critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def files(self, subject, **how):
        """A certificate and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, private = self.folder / f"{subject}.pem", self.folder / f"{subject}.key"
        certificate.write_bytes(self.issue(subject, key, **how).public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, private


class Middle(Listening):
    """Accepts, does TLS by its context (None: none at all), and keeps what it hears.

    Attributes:
        raw: what came without TLS.
        heard: what came inside TLS.
        met: connections.
    """

    silence_s = 2.0
    at_once = False

    def __init__(self, context):
        self.raw = self.heard = b""
        self.met = 0
        self._context = context
        super().__init__()

    def converse(self, connection):
        self.met += 1
        if self._context is None:
            # What servers say first, and what somebody says who wants us to go on without TLS.
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + bytes.fromhex("2003000000"))
            while piece := connection.recv(4096):
                self.raw += piece
            return
        with self._context.wrap_socket(connection, server_side=True) as secured:
            while piece := secured.recv(4096):
                self.heard += piece


def tls(certificate, key, **how):
    """A server's context; `how` weakens it as far as this machine's library lets it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if "version" in how:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = context.maximum_version = how["version"]
    if "ciphers" in how:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(how["ciphers"] + ":@SECLEVEL=0")
    return context


def ways(fleet, other, folder):
    """What the man in the middle shows, by what it is called."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = Ca(folder, "own")
    own.key = key
    device = fleet.files("device-as-server", usage=CLIENT, urn=f"urn:camward:device:{DEVICE}")
    good = fleet.files("good")
    return {
        "self-signed": lambda: tls(*own.files("self")),
        "by another CA": lambda: tls(*other.files("other")),
        "for another host": lambda: tls(*fleet.files("elsewhere", host="192.0.2.1")),
        "expired": lambda: tls(*fleet.files("old", begins=-9 * DAY, ends=-DAY)),
        "not begun": lambda: tls(*fleet.files("young", begins=DAY, ends=9 * DAY)),
        "a device's": lambda: tls(*device),
        "a client's": lambda: tls(*fleet.files("client", usage=CLIENT)),
        "TLS 1.0": lambda: tls(*good, version=ssl.TLSVersion.TLSv1),
        "TLS 1.1": lambda: tls(*good, version=ssl.TLSVersion.TLSv1_1),
        "TLS 1.2 with CBC": lambda: tls(*good, ciphers="ECDHE-ECDSA-AES128-SHA256"),
        "TLS 1.2 with CBC and SHA-1": lambda: tls(*good, ciphers="ECDHE-ECDSA-AES256-SHA"),
        "no TLS": lambda: None,
    }


WAYS = (
    "self-signed", "by another CA", "for another host", "expired", "not begun", "a device's", "a client's", "TLS 1.0",
    "TLS 1.1", "TLS 1.2 with CBC", "TLS 1.2 with CBC and SHA-1", "no TLS",
)  # fmt: skip


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return Ca(tmp_path_factory.mktemp("fleet"), "fleet")


@pytest.fixture(scope="module")
def shown(fleet, tmp_path_factory):
    found = ways(fleet, Ca(tmp_path_factory.mktemp("other"), "other"), tmp_path_factory.mktemp("own"))
    assert tuple(found) == WAYS
    return found


@pytest.fixture
def middle():
    made = []

    def start(context):
        made.append(Middle(context))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def device(fleet):
    return fleet.files("camera", usage=CLIENT, urn=f"urn:camward:device:{DEVICE}")


def by_link(fleet, device, port, _folder):
    """Two tries of the link; whether one of them got through."""
    events = queue.SimpleQueue()
    link = PahoLink(*device, events.put)
    link.open("127.0.0.1", port, fleet.pem, DEVICE, ("camward/1/" + DEVICE + "/down/command",))
    try:
        return [events.get(timeout=60)[0] for _ in range(2)]
    finally:
        link.close()


def by_fetcher(fleet, device, port, _folder):
    fetcher = HttpsFetcher(*device)
    fetcher.open(f"https://127.0.0.1:{port}", fleet.pem)
    try:
        fetcher.get(f"/tuf/director/{DEVICE}/timestamp.json", 1000)
    except CamwardError as error:
        return str(error)
    finally:
        fetcher.close()
    return ""


def by_enrolment(fleet, _device, port, folder):
    keys = UnsafeFileKeyStore(FileStore(folder / "state"))
    keys.ensure("tls")
    token = Token(f"https://127.0.0.1:{port}", SECRET, "an id", ssl.PEM_cert_to_DER_cert(fleet.pem), "0" * 64)
    try:
        EstEnroller(keys).certify(token, DEVICE, "KW1-1", "tls")
    except CamwardError as error:
        return str(error)
    return ""


CLIENTS = (by_link, by_fetcher, by_enrolment)
SAYS = {by_link: DEVICE.encode(), by_fetcher: b"GET /tuf/director", by_enrolment: b"Authorization: Basic"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("way", WAYS)
def test_the_man_in_the_middle_hears_nothing(way, client, shown, fleet, device, middle, tmp_path, impatient):
    between = middle(shown[way]())
    outcome = client(fleet, device, between.port, tmp_path)
    between.close()
    assert between.met > 0
    assert between.heard == b""
    for record in (between.raw[at : at + 1] for at in [0] if between.raw):
        assert record[0] == HANDSHAKE
    assert SAYS[client] not in between.raw
    assert outcome == ["down", "down"] if client is by_link else outcome


@pytest.mark.parametrize("client", CLIENTS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("how", [{}, {"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}], ids=["TLS 1.3", "TLS 1.2"])
def test_the_right_server_hears_it(how, client, fleet, device, middle, tmp_path, impatient):
    """The control: it is the certificate that makes the difference."""
    right = middle(tls(*fleet.files("right"), **how))
    client(fleet, device, right.port, tmp_path)
    right.close()
    assert SAYS[client] in right.heard
