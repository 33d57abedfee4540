"""The camera's session with the real broker, and what the server says of the messages that came over it."""

import queue
import socket
import time
from hashlib import sha256

import pytest
from paho.mqtt.client import MQTTMessage
from sqlalchemy import select

from agent.adapters.linux.link import MAX_IN_FLIGHT, PahoLink
from agent.core import taken
from agent.core.trust_errors import ArbitrarySoftware, WrongDevice
from agent.core.trust_repository import Repository
from agent.formats import cose
from update_server.db.models import Message
from update_server.fleet import broker as broker_files
from update_server.repository.verifier import verify_signature
from update_server.serving.broker import BrokerChild
from update_server.serving.gather import GATHER_S

WAIT_S = 60
BACKLOG = 300
LAST_ID = 65_535


class Session:
    """A link that is up, and its events."""

    def __init__(self, camera, server, port=None):
        self.events = queue.Queue()
        self.up = f"camward/1/{camera.id}/up/"
        self.down = f"camward/1/{camera.id}/down/receipt"
        self.link = PahoLink(camera.folder / "cert.pem", camera.folder / "key.pem", self.events.put)
        self.link.open("127.0.0.1", port or server.mqtt_port, server.ca.read_text(), camera.id, (self.down,))
        self.until("up")

    def until(self, kind):
        """The next event of a kind; those before it are dropped."""
        while (event := self.events.get(timeout=WAIT_S))[0] != kind:
            pass
        if kind == "up":
            self.link.begin()
        return event

    def acknowledged(self, count):
        return {self.until("acknowledged")[1] for _ in range(count)}


@pytest.fixture
def bare_broker(tmp_path, tools):
    """A second broker of the server's configuration, which no ingest has ever connected to."""
    started = []

    def start(server):
        (port,) = tools.free_ports(1)
        folder = tmp_path / "broker"
        folder.mkdir()
        account = broker_files.write(folder, server.folder / "pki", port, "127.0.0.1")
        for path in (tmp_path, folder):
            path.chmod(0o755)
        started.append(BrokerChild(folder, "127.0.0.1", port, account))
        return port

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def session(camera, server):
    made = Session(camera, server)
    yield made
    made.link.close()


def alarm(camera, text="x"):
    return camera.envelope("alarm", {"code": "test", "detail": text})


def stored(camera):
    """What the database has, as it came."""
    with camera.server.services.database.read() as database:
        return list(database.scalars(select(Message.raw).where(Message.device_id == camera.id).order_by(Message.id)))


def director(server):
    root = (server.folder / "tuf/director/1.root.json").read_bytes()
    return Repository("director", {"root": root}, verify_signature, lambda role, body: None)


def test_the_longest_message_passes_the_broker(session):
    """One that does not would end each session, and come first in the next one."""
    assert session.link.publish("1", session.up + "evidence", bytes(cose.MAX_SEALED_BYTES), False)
    assert session.acknowledged(1) == {"1"}


def test_the_server_says_what_it_has_taken_and_what_it_never_will(session, camera, server, tools):
    good, wrong = alarm(camera), camera.envelope("report", {"kind": "update"})
    for payload in (good, wrong, good):
        kind = "report" if payload is wrong else "alarm"
        assert session.link.publish(str(len(stored(camera))) + kind, session.up + kind, payload, False)
    found = set()
    while len(found) < 2:
        _, topic, body = session.until("message")
        assert topic == session.down
        found |= set(taken.verify(body, camera.id, director(server)))
        with pytest.raises(WrongDevice):
            taken.verify(body, "b" * 26, director(server))
        with pytest.raises(ArbitrarySoftware):
            taken.verify(body.replace(b'"v":1', b'"v":1,"x":1'), camera.id, director(server))
    assert stored(camera) == [good]
    told = {(one.sha256, one.code) for one in found}
    assert told == {(sha256(good).hexdigest(), ""), (sha256(wrong).hexdigest(), "format")}


def test_a_backlog_of_alarms_is_answered_once_and_not_faster_than_a_camera_reads(session, camera):
    """It reads a receipt in 0.2 s and throws away what it has no time for, so all of it would come again."""
    alarms = [alarm(camera, str(number)) for number in range(BACKLOG)]
    waiting, answered, came_at = list(alarms), {}, []
    while len(answered) < BACKLOG:
        while waiting and session.link.publish(str(len(waiting)), session.up + "alarm", waiting[0], False):
            waiting.pop(0)
        event = session.events.get(timeout=WAIT_S)
        if event[0] == "message":
            came_at.append(time.monotonic())
            for one in taken.verify(event[2], camera.id, director(camera.server)):
                answered[one.sha256] = answered.get(one.sha256, 0) + 1
    assert answered == dict.fromkeys([sha256(one).hexdigest() for one in alarms], 1)
    assert stored(camera) == alarms
    assert len(came_at) < BACKLOG // 10
    lasted_s = came_at[-1] - came_at[0]
    assert lasted_s >= (len(came_at) - 1) * GATHER_S * 0.9, "the first may be held up on its way"


def test_packet_ids_come_round_and_every_message_is_acknowledged_once(session, camera):
    session.link._client._last_mid = LAST_ID - MAX_IN_FLIGHT // 2
    names = [str(number) for number in range(3 * MAX_IN_FLIGHT)]
    acknowledged = []
    for name in names:
        while not session.link.publish(name, session.up + "alarm", alarm(camera, name), False):
            acknowledged.append(session.until("acknowledged")[1])
    while len(acknowledged) < len(names):
        acknowledged.append(session.until("acknowledged")[1])
    assert sorted(acknowledged) == sorted(names)
    assert session.link._client._last_mid < LAST_ID // 2


def test_a_packet_id_that_is_still_in_use_is_not_used_again(session, camera):
    client = session.link._client
    blocked = client._last_mid + 1
    client._out_messages[blocked] = MQTTMessage(blocked, b"t")
    assert not session.link.publish("first", session.up + "alarm", alarm(camera), False)
    assert session.link.publish("first", session.up + "alarm", alarm(camera), False)
    assert session.acknowledged(1) == {"first"}
    del client._out_messages[blocked]


def test_what_the_broker_refuses_is_not_acknowledged(session, camera):
    assert session.link.publish("foreign", f"camward/1/{'b' * 26}/up/alarm", alarm(camera), False)
    assert session.link.publish("own", session.up + "alarm", alarm(camera), False)
    assert {session.events.get(timeout=WAIT_S) for _ in range(2)} == {("refused", "foreign"), ("acknowledged", "own")}


def test_what_nobody_has_subscribed_to_is_not_acknowledged(camera, tmp_path, server, bare_broker):
    port = bare_broker(server)
    session = Session(camera, server, port)
    assert session.link.publish("unheard", session.up + "alarm", alarm(camera), False)
    assert session.events.get(timeout=WAIT_S) == ("refused", "unheard")
    session.link.close()


def test_a_new_session_begins_with_what_the_outbox_gives_it(session, camera, tools):
    """paho would send what it holds of the old session first, and so put the messages into another order."""
    client = session.link._client
    left, first = alarm(camera, "held by paho"), alarm(camera, "first")
    client.socket().shutdown(socket.SHUT_RDWR)
    session.until("down")
    client.publish(session.up + "alarm", left, 1)
    session.until("up")
    assert session.link.publish("first", session.up + "alarm", first, False)
    assert session.acknowledged(1) == {"first"}
    tools.wait_for(lambda: first in stored(camera), "the alarm")
    assert left not in stored(camera)
    assert session.link.publish("left", session.up + "alarm", left, False)
    tools.wait_for(lambda: stored(camera) == [first, left], "the other one")


def test_nothing_meant_for_a_session_that_has_ended_gets_into_the_next_one(session, camera):
    session.link._client.socket().shutdown(socket.SHUT_RDWR)
    while session.events.get(timeout=WAIT_S) != ("up",):  # which the main loop has yet to hear of
        pass
    assert not session.link.publish("early", session.up + "alarm", alarm(camera), False)
    session.link.begin()
    assert session.link.publish("early", session.up + "alarm", alarm(camera), False)
    assert session.acknowledged(1) == {"early"}
