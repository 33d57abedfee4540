"""The link with a broker that was taken over: whatever it sends, the link lives, stays small, and comes back."""

import itertools
import queue
import threading
import time
import tracemalloc

import pytest
from paho.mqtt.client import Client

from agent.adapters.linux import link as links
from agent.adapters.linux import mqtt_client
from agent.adapters.linux.link import PahoLink
from tests.contract.ports.board import wait_for
from tests.contract.ports.hostile_broker import PINGRESP, HostileBroker, mutated, publish
from tests.contract.ports.tls_server import certificate

DEVICE = "a" * 26
TOPIC = f"camward/1/{DEVICE}/down/command"
PACKETS = 600
IN_ONE_SESSION = 20
BREAKS_PAHO = publish(b"\xff\xfe", b"x")  # a topic that is no UTF-8: paho hands it over, and fails when it is looked at
MEMORY_BYTES = 4 << 20


@pytest.fixture
def fast(monkeypatch):
    """Reconnect at once: the policy itself is tested elsewhere."""
    for name, value in (("MIN_DELAY_S", 0.001), ("MAX_DELAY_S", 0.01), ("FIRST_DELAY_S", 0.01)):
        monkeypatch.setattr(links, name, value)


@pytest.fixture
def meet(tmp_path, fast):
    """`meet(behave)`: such a broker, and the link that has met it, with its events."""
    made = []
    ca = certificate(tmp_path, "server", "127.0.0.1")
    certificate(tmp_path, "device", "127.0.0.1")

    def start(behave, **how):
        events = queue.SimpleQueue()
        broker = HostileBroker(tmp_path, behave, **how)
        link = PahoLink(tmp_path / "device.pem", tmp_path / "device.key", events.put)
        made.extend((link, broker))
        link.open("127.0.0.1", broker.port, ca, DEVICE, (TOPIC,))
        return link, broker, events

    yield start
    for one in made:
        one.close()


def until(events, kind):
    """The next event of a kind."""
    while (event := events.get(timeout=60))[0] != kind:
        pass
    return event


def honest(connection):
    """Deliver one message, then be silent."""
    connection.sendall(publish(TOPIC.encode(), b"genuine"))
    while connection.recv(4096):
        pass


def test_a_packet_that_breaks_paho_ends_the_session_and_not_the_link(meet):
    def behave(connection, number):
        if number > 1:
            honest(connection)
        connection.sendall(BREAKS_PAHO)
        connection.recv(1 << 20)

    _, broker, events = meet(behave)
    assert until(events, "message") == ("message", TOPIC, b"genuine")
    assert broker.sessions == 2


def test_paho_alone_would_be_dead_for_ever(meet, monkeypatch):
    """The control: without our loop the same packet ends the thread, and nobody is told."""
    monkeypatch.setattr(mqtt_client.BoundedClient, "_thread_main", Client._thread_main)
    died = []
    monkeypatch.setattr("threading.excepthook", died.append)
    link, broker, _ = meet(lambda connection, _: (connection.sendall(BREAKS_PAHO), connection.recv(1 << 20)))
    wait_for(lambda: died, "the end of paho's thread")
    assert link._client._thread is None
    time.sleep(0.2)  # twenty times the longest delay between two tries here
    assert broker.sessions == 1


def test_whatever_packets_come_the_link_lives_and_stays_small(meet):
    seeds = iter(range(PACKETS))
    done = []

    def behave(connection, _number):
        sent = [mutated(seed) for seed in itertools.islice(seeds, IN_ONE_SESSION)]
        if not sent:
            done.append(True)
            honest(connection)
        for packet in sent:
            connection.sendall(packet)
        connection.sendall(PINGRESP)
        connection.settimeout(0.05)
        connection.recv(1 << 20)

    tracemalloc.start()
    try:
        _, broker, events = meet(behave)
        while until(events, "message") != ("message", TOPIC, b"genuine"):
            pass
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done
    assert broker.sessions > PACKETS // IN_ONE_SESSION
    assert peak_bytes < MEMORY_BYTES


@pytest.mark.parametrize(
    "stream",
    [
        b"\x32" + b"\xff\xff\xff\x7f" + b"x" * 65_536,  # 256 MB are announced
        b"".join(publish(TOPIC.encode(), b"x" * 1000, 2, mid) for mid in range(1, 2000)),  # never completed
        publish(TOPIC.encode(), b"x" * (mqtt_client.MAX_PACKET_BYTES + 1)),
    ],
    ids=["a length of 256 MB", "two thousand halves of QoS 2", "a long one"],
)
def test_what_would_fill_the_memory_ends_the_session(meet, stream):
    def behave(connection, number):
        if number > 1:
            honest(connection)
        connection.sendall(stream)
        while connection.recv(4096):
            pass

    tracemalloc.start()
    try:
        link, broker, events = meet(behave)
        until(events, "down")
        _, peak_bytes = tracemalloc.get_traced_memory()
        while until(events, "message") != ("message", TOPIC, b"genuine"):
            pass
    finally:
        tracemalloc.stop()
    assert broker.sessions == 2
    assert peak_bytes < MEMORY_BYTES
    assert len(link._client._in_messages) <= mqtt_client.MAX_HALF_TAKEN + 1


def test_a_broker_that_reads_nothing_gets_no_more_acknowledgements_than_there_is_room_for(meet, monkeypatch):
    """Each message of QoS 1 makes a PUBACK; where the broker reads none of them, the system takes no more."""
    many = b"".join(publish(TOPIC.encode(), b"x", 1, mid) for mid in range(1, 2 * mqtt_client.MAX_UNSENT))
    up, waited = threading.Event(), []

    def full(client, data):
        if not up.is_set():
            return Client._sock_send(client, data)
        waited.append(len(client._out_packet))
        raise BlockingIOError

    monkeypatch.setattr(mqtt_client.BoundedClient, "_sock_send", full)

    def behave(connection, number):
        if number > 1:
            up.clear()
            honest(connection)
        up.set()
        connection.sendall(many)
        while connection.recv(4096):
            pass

    _, broker, events = meet(behave)
    until(events, "down")
    up.clear()
    while until(events, "message") != ("message", TOPIC, b"genuine"):
        pass
    assert broker.sessions >= 2
    assert mqtt_client.MAX_UNSENT - 2 < max(waited) < mqtt_client.MAX_UNSENT + 3
