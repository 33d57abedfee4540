"""Our own endpoints, scanned: every protocol version and every cipher suite that this machine's library knows."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from tests.contract.camera.camera_process import camera_config, make_certificate, start_camera

VERSIONS = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
OLD = ("TLSv1", "TLSv1.1")
BOOT = Path(__file__).resolve().parents[3] / "agent/boot"
ASKS = """
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.load_cert_chain(*sys.argv[3:])
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30) as raw:
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as secured:
        print(secured.cipher()[0])
"""


def known_suites():
    """The names of all suites for TLS 1.2 or older."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return [one["name"] for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"]


def accepted(port, ca, version, suites, certificate=None):
    """(version, suite) of the handshake with an endpoint that offers this alone; None where there is none."""
    context = ssl.create_default_context(cadata=ca)
    context.check_hostname = False
    context.set_ciphers(suites + ":@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    if certificate is not None:
        context.load_cert_chain(*certificate)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 30) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
        ):
            return secured.version(), secured.cipher()[0]
    except (ssl.SSLError, ConnectionError):
        return None


def scan(port, ca, certificate=None):
    """Everything that an endpoint accepts."""
    found = {accepted(port, ca, version, "ALL", certificate) for version in VERSIONS}
    found |= {accepted(port, ca, ssl.TLSVersion.TLSv1_2, suite, certificate) for suite in known_suites()}
    return found - {None}


def below_policy(found):
    """What of it is older than TLS 1.2, without forward secrecy, or without authenticated encryption."""
    return {
        (version, suite)
        for version, suite in found
        if version in OLD
        or (version == "TLSv1.2" and not (suite.startswith("ECDHE") and ("GCM" in suite or "CHACHA20" in suite)))
    }


def within_policy(found):
    assert below_policy(found) == set()
    assert {version for version, _ in found} == {"TLSv1.2", "TLSv1.3"}, "the scan reached it"


@pytest.mark.parametrize("listener", ["device_port", "people_port", "mqtt_port"])
def test_the_server_and_its_broker_accept_nothing_below_policy(listener, server, camera):
    certificate = (camera.folder / "cert.pem", camera.folder / "key.pem")
    within_policy(scan(getattr(server, listener), server.ca.read_text(), certificate))


@pytest.mark.parametrize(
    ("environment", "suite"),
    [({"OPENSSL_CONF": str(BOOT / "openssl.cnf")}, "TLS_CHACHA20_POLY1305_SHA256"), ({}, "TLS_AES_256_GCM_SHA384")],
    ids=["as the agent is started", "OpenSSL's own order"],
)
def test_the_camera_says_which_cipher_is_fast_there(environment, suite, server, camera):
    line = [sys.executable, "-c", ASKS, server.device_port, server.ca, camera.folder / "cert.pem"]
    made = subprocess.run(
        [str(word) for word in [*line, camera.folder / "key.pem"]],
        env={**os.environ, **environment}, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert made.stdout.split() == [suite]


def test_the_agent_is_started_with_its_order_of_ciphers():
    assert " OPENSSL_CONF=/usr/lib/camward/openssl.cnf " in (BOOT / "run-agent").read_text()


@pytest.mark.parametrize("service", ["https", "rtsps"])
def test_the_camera_accepts_nothing_below_policy(service, tmp_path):
    make_certificate(tmp_path)
    process = start_camera(tmp_path, camera_config(tmp_path))
    try:
        within_policy(scan(process.ports[service], (tmp_path / "cert.pem").read_text()))
    finally:
        process.stop()


def test_the_scan_finds_a_weak_endpoint(tmp_path):
    """The control."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as secured:
                secured.recv(1)
            raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        found = below_policy(scan(listener.getsockname()[1], (tmp_path / "cert.pem").read_text()))
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
    assert {version for version, _ in found} == {"TLSv1", "TLSv1.1", "TLSv1.2"}
    assert any("CBC" in suite or suite.endswith(("SHA", "SHA256")) for _, suite in found)
