"""Name servers that do not answer, names that are gone, and addresses behind which nobody is."""

import socket
import threading

import pytest

from tests.contract.ports.hostile_broker import HostileBroker, patient_broker
from tests.contract.ports.tls_server import certificate

DEVICE = "a" * 26
HOST = "broker.example"


@pytest.fixture
def broker(tmp_path):
    """Known as HOST, and by no address."""
    with patient_broker(tmp_path, HOST) as made:
        yield made


@pytest.fixture
def resolve(monkeypatch):
    """`resolve(answer)`: what the system's resolver says of HOST."""
    real = socket.getaddrinfo

    def install(answer):
        def ask(host, *arguments, **options):
            return answer() if host == HOST else real(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", ask)

    return install


def until(events, kind):
    while (event := events.get(timeout=60))[0] != kind:
        pass
    return event


def v4(port):
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))


def test_nobody_waits_for_a_name_server_but_the_links_own_thread(broker, link, resolve):
    """Closing comes back while the name server is still silent, and what it says in the end begins nothing."""
    asked, answered = threading.Event(), threading.Event()

    def silent():
        asked.set()
        answered.wait(60)
        return [v4(broker.port)]

    resolve(silent)
    link.open(HOST, broker.port, broker.ca, DEVICE, ())
    assert asked.wait(60)
    thread = link._client._thread
    link.close()
    assert not answered.is_set()
    answered.set()
    thread.join(60)
    assert not thread.is_alive()
    assert link.events.empty()
    resolve(lambda: [v4(broker.port)])
    link.open(HOST, broker.port, broker.ca, DEVICE, ())
    assert until(link.events, "up") == ("up",)


def test_a_name_that_is_gone_and_comes_back_at_another_address(broker, link, resolve):
    answers = [socket.gaierror(socket.EAI_NONAME, "no such name"), socket.gaierror(socket.EAI_AGAIN, "again")]

    def gone():
        if answers:
            raise answers.pop(0)
        return [v4(broker.port)]

    resolve(gone)
    link.open(HOST, broker.port, broker.ca, DEVICE, ())
    assert [link.events.get(timeout=60)[::2] for _ in range(3)] == [("down", "name"), ("down", "name"), ("up",)]


def test_an_ipv6_address_behind_which_nobody_is_does_not_keep_the_camera_off(broker, link, resolve):
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as nobody:
        nobody.bind(("::1", 0))  # not listening: refused
        dead = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", nobody.getsockname())
        resolve(lambda: [dead, v4(broker.port)])
        link.open(HOST, broker.port, broker.ca, DEVICE, ())
        assert until(link.events, "up") == ("up",)


def test_an_answer_that_leads_to_somebody_else_is_refused_and_the_right_one_taken_later(
    broker, link, resolve, tmp_path
):
    other = tmp_path / "other"
    other.mkdir()
    certificate(other, "server", "127.0.0.1", names=(HOST,))
    stranger = HostileBroker(other, lambda connection, _: connection.recv(4096))
    ports = [stranger.port]
    resolve(lambda: [v4(ports[-1])])
    try:
        link.open(HOST, broker.port, broker.ca, DEVICE, ())
        until(link.events, "down")
        ports.append(broker.port)
        until(link.events, "up")
    finally:
        stranger.close()
    assert (stranger.sessions, stranger.heard) == (0, b"")
