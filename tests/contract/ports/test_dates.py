"""Certificates are judged by what is known of the time, not by the system's clock; all else stays as strict."""

import http.server
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.adapters.linux.dates import ALWAYS, Dates, by_the_system
from agent.adapters.linux.fetcher import HttpsFetcher
from agent.adapters.linux.machine import SystemClock
from agent.adapters.linux.tls import client_context, loopback_context
from agent.core.clock import ClockDoubt
from agent.formats.errors import Unavailable

DAY = timedelta(days=1)
CA_FROM, CA_TO = datetime(2030, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
SERVER_FROM, SERVER_TO = datetime(2040, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
"""All of it is in the future of whoever runs this, and will have been expired for whoever does so in 2060."""


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def issue(subject, issuer, key, signer, begin, end, *, ca=False):
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )  # fmt: skip


def pem(item):
    return item.public_bytes(serialization.Encoding.PEM)


def private(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """A server whose certificate is of 2040, under a CA of 2030 to 2050; and a device of the same CA."""
    ca_key, key, device = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca = issue("ca", "ca", ca_key, ca_key, CA_FROM, CA_TO, ca=True)
    for file, subject, its_key in (("server", "server", key), ("device", "device", device)):
        (tmp_path / f"{file}.pem").write_bytes(pem(issue(subject, "ca", its_key, ca_key, SERVER_FROM, SERVER_TO)))
        (tmp_path / f"{file}.key").write_bytes(private(its_key))
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.handle_error = lambda *_: None  # clients that refuse us are what this is about
    made.asked, made.ca, made.ca_key = [], pem(ca).decode(), ca_key
    with serving(made, tmp_path / "server.pem", tmp_path / "server.key"):
        yield made


@contextmanager
def serving(made, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def get(server, tmp_path):
    """`get(dates)`: fetch something, judging certificates by these dates."""
    opened = []

    def ask(dates, ca=server.ca, host="127.0.0.1"):
        fetcher = HttpsFetcher(tmp_path / "device.pem", tmp_path / "device.key", dates)
        opened.append(fetcher)
        fetcher.open(f"https://{host}:{server.server_port}", ca)
        return fetcher.get("/x", 10)

    yield ask
    for fetcher in opened:
        fetcher.close()


def at(*moments):
    return Dates(*(int(moment.timestamp()) for moment in (moments * 2)[:2]))


@pytest.mark.parametrize("moment", [SERVER_FROM, SERVER_FROM + DAY, SERVER_TO])
def test_what_fits_the_known_time_is_taken_whatever_the_system_says(get, server, moment):
    assert get(lambda: at(moment)) == b"ok"


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (SERVER_FROM - DAY / 86400, "not valid yet"),
        (SERVER_TO + DAY / 86400, "expired"),
        (CA_FROM - DAY, "not valid yet"),
        (CA_TO + DAY, "expired"),
        (datetime(1970, 1, 1, tzinfo=UTC), "not valid yet"),
        (datetime(9999, 1, 1, tzinfo=UTC), "expired"),
    ],
)
def test_a_server_whose_dates_do_not_fit_hears_no_request(get, server, moment, why):
    with pytest.raises(ClockDoubt, match=why):
        get(lambda: at(moment))
    assert server.asked == []


def test_by_itself_a_context_goes_by_the_systems_clock(get, server):
    with pytest.raises(ClockDoubt, match="not valid yet"):
        get(by_the_system)
    assert server.asked == []


def test_without_a_clock_only_what_had_ended_at_the_build_is_refused(get, server):
    assert get(lambda: Dates(ALWAYS, 0)) == b"ok"
    assert get(SystemClock(int(SERVER_TO.timestamp())).dates_without_clock) == b"ok"
    with pytest.raises(ClockDoubt, match="expired"):
        get(SystemClock(int(SERVER_TO.timestamp()) + 1).dates_without_clock)


@pytest.mark.parametrize(("begin", "end"), [(CA_FROM, SERVER_FROM - DAY), (SERVER_FROM + DAY, CA_TO)])
def test_the_dates_of_the_ca_count_as_well(get, server, begin, end):
    other = pem(issue("ca", "ca", server.ca_key, server.ca_key, begin, end, ca=True)).decode()
    with pytest.raises(ClockDoubt):
        get(lambda: at(SERVER_FROM), other)
    assert server.asked == []


def test_dates_that_fit_make_up_for_no_other_ca_and_no_other_name(get, server):
    key = ec.generate_private_key(ec.SECP256R1())
    other = pem(issue("ca", "ca", key, key, CA_FROM, CA_TO, ca=True)).decode()
    for wrong in ({"ca": other}, {"host": "127.0.0.2"}):
        with pytest.raises(Unavailable) as refused:
            get(lambda: at(SERVER_FROM), **wrong)
        assert not isinstance(refused.value, ClockDoubt)
    assert server.asked == []


def test_the_dates_are_asked_for_at_each_connection(get, server, tmp_path):
    moments = [CA_TO + DAY, SERVER_FROM]
    fetcher = HttpsFetcher(tmp_path / "device.pem", tmp_path / "device.key", lambda: at(moments.pop(0)))
    fetcher.open(f"https://127.0.0.1:{server.server_port}", server.ca)
    with pytest.raises(ClockDoubt):
        fetcher.get("/x", 10)
    assert fetcher.get("/x", 10) == b"ok"
    fetcher.close()


def test_nothing_else_about_verification_is_weaker(server, tmp_path):
    context = client_context(server.ca)
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_flags & ssl.VERIFY_X509_TRUSTED_FIRST == ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).verify_flags
    with pytest.raises(ssl.SSLError):
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="127.0.0.1")


@pytest.mark.parametrize(("begin", "end"), [(CA_FROM, CA_TO), (datetime(2001, 1, 1, tzinfo=UTC), CA_FROM)])
def test_the_cameras_own_services_are_known_by_their_certificate_and_not_by_its_dates(tmp_path, begin, end):
    for which in ("own", "other"):
        key = ec.generate_private_key(ec.SECP256R1())
        (tmp_path / f"{which}.pem").write_bytes(pem(issue("camera", "camera", key, key, begin, end)))
        (tmp_path / f"{which}.key").write_bytes(private(key))
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.handle_error = lambda *_: None
    with serving(made, tmp_path / "own.pem", tmp_path / "own.key"):
        with connected(made, tmp_path / "own.pem") as secured:
            assert secured.getpeercert(binary_form=True)
        with pytest.raises(ssl.SSLCertVerificationError), connected(made, tmp_path / "other.pem"):
            pass


@contextmanager
def connected(made, pinned):
    with socket.create_connection(made.server_address) as raw, loopback_context(pinned).wrap_socket(raw) as secured:
        yield secured
