"""Mosquitto as the server configures it, and the ingest behind it."""

import contextlib
import datetime
import getpass
import json
import queue
import shutil
import socket
import ssl
import subprocess
import sys
import warnings

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.contract.server.harness import free_ports, wait_for

WAIT_S = 30


class Link:
    """A camera's MQTT connection, synchronous for tests."""

    def __init__(self, camera, client_id=None):
        self.events = queue.Queue()
        self.topic = f"camward/1/{camera.id}/"
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id or camera.id, protocol=mqtt.MQTTv5)
        self.client.tls_set_context(camera.context())
        self.client.will_set(self.topic + "state", b'{"v":1,"online":false}', 1, retain=True)
        self.client.on_connect = lambda c, d, f, reason, p: self.events.put(("connect", reason))
        self.client.on_publish = lambda c, d, mid, reason, p: self.events.put(("publish", reason))
        self.client.on_subscribe = lambda c, d, mid, reasons, p: self.events.put(("subscribe", reasons[0]))
        self.client.on_message = lambda c, d, message: self.events.put(("message", message))
        self.client.connect("127.0.0.1", camera.server.mqtt_port)
        self.client.loop_start()
        assert not self.expect("connect").is_failure

    def expect(self, kind):
        found, value = self.events.get(timeout=WAIT_S)
        assert found == kind, (found, value)
        return value

    def publish(self, topic, payload, retain=False):
        """The broker's answer to a QoS 1 publish."""
        self.client.publish(topic, payload, 1, retain)
        return self.expect("publish")

    def close(self, cut=False):
        if cut:
            self.client._sock.close()
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def link(camera):
    made = Link(camera)
    yield made
    made.close()


def telemetry(version="1.0.0"):
    return {"version": version, "slot": "a", "phase": "idle", "uptime_s": 5, "cpu_percent": 12.5}


def report(event, version="1.1.0", code=""):
    return {"kind": "update", "event": event, "from": "1.0.0", "to": version, "code": code, "detail": "", "slot": "b"}


def row(camera):
    from update_server.db.models import Device

    with camera.server.services.database.read() as session:
        return session.get_one(Device, camera.id)


def refusals(camera):
    from update_server.fleet import history

    with camera.server.services.database.read() as session:
        return [(r.code, r.detail) for r in history.refusals(session, camera.id)]


def message_count(camera):
    from sqlalchemy import func, select

    from update_server.db.models import Message

    with camera.server.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Message).where(Message.device_id == camera.id))


CONNECT = bytes.fromhex("101000044d5154540502003c000003666f6f")  # MQTT 5, clean start, keep-alive 60, client id "foo"


def broker_answer(server, context):
    """What the broker answers to a CONNECT over `context`: b"" when TLS refuses us (before or after its handshake)."""
    try:
        with (
            socket.create_connection(("127.0.0.1", server.mqtt_port), WAIT_S) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
        ):
            tls.sendall(CONNECT)
            return tls.recv(100)
    except (ssl.SSLError, ConnectionError):
        return b""


def test_a_camera_gets_a_connack(camera):
    assert broker_answer(camera.server, camera.context())[:1] == b"\x20"


def test_without_a_certificate_nobody_connects(server):
    assert broker_answer(server, server.context()) == b""


def test_a_server_certificate_is_no_client_certificate(server):
    context = server.context(server.folder / "pki/server.pem", server.folder / "pki/server.key.pem")
    assert broker_answer(server, context) == b""


@pytest.mark.parametrize(("version", "works"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)])
def test_tls_1_2_is_the_floor(camera, version, works):
    context = camera.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    assert (broker_answer(camera.server, context)[:1] == b"\x20") is works


def test_a_camera_cannot_write_or_read_foreign_topics(camera, link, new_camera):
    other = new_camera().enrol()
    theirs = f"camward/1/{other.id}/"
    for topic in (theirs + "up/telemetry", theirs + "state", f"{link.topic}down/command", "x"):
        assert link.publish(topic, camera.envelope("telemetry", telemetry())).is_failure, topic
    for topic in (theirs + "down/command", "#", "camward/1/+/up/telemetry", "$SYS/#"):
        link.client.subscribe(topic, 1)
        answer = link.expect("subscribe")
        if not answer.is_failure:  # Mosquitto grants wildcards and then filters each message
            spy = Link(other)
            assert not spy.publish(theirs + "up/telemetry", other.envelope("telemetry", telemetry())).is_failure
            spy.close()
    link.client.subscribe(f"{link.topic}down/command", 1)
    assert not link.expect("subscribe").is_failure
    ingest = ingest_client(camera.server)
    ingest.publish(theirs + "down/command", b"for the other", 1)
    ingest.publish(f"{link.topic}down/command", b"for us", 1)
    got = link.expect("message")
    assert (got.topic, got.payload) == (f"{link.topic}down/command", b"for us")
    ingest.disconnect()
    ingest.loop_stop()


def ingest_client(server):
    """A second client with the ingest's certificate: it borrows the session, and the server soon takes it back."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "test-down", protocol=mqtt.MQTTv5, manual_ack=True)
    client.tls_set_context(server.context(server.folder / "pki/ingest.pem", server.folder / "pki/ingest.key.pem"))
    keep = Properties(PacketTypes.CONNECT)
    keep.SessionExpiryInterval = 3600
    client.connect("127.0.0.1", server.mqtt_port, clean_start=False, properties=keep)
    client.loop_start()
    return client


@pytest.mark.parametrize("whose", ["another camera's", "the ingest's"])
def test_a_camera_under_a_foreign_client_id_ends_nobodys_session(camera, link, new_camera, whose):
    thief = new_camera().enrol()
    client_id = camera.id if whose == "another camera's" else "camward-ingest"
    file = camera.server.folder / "broker/mosquitto.log"
    before = len(file.read_text())
    foreign = Link(thief, client_id)
    again = Link(thief, client_id)
    # An ended session would show as a second "connect" here.
    assert not link.publish(f"{link.topic}up/telemetry", camera.envelope("telemetry", telemetry())).is_failure
    log = file.read_text()[before:]
    assert f"Client {client_id} already connected" not in log
    assert f"Client {thief.id} already connected" in log
    foreign.close()
    again.close()


def test_a_forged_name_in_the_certificate_request_gives_no_rights(camera, link):
    # The request's subject asked for the ingest's name (see Camera.csr); the certificate does not have it.
    assert link.publish(f"{link.topic}down/command", b"x").is_failure


def test_telemetry_arrives_and_the_same_message_twice_counts_once(camera, link, tools):
    payload = camera.envelope("telemetry", telemetry("1.0.3"))
    for _ in range(3):
        assert not link.publish(f"{link.topic}up/telemetry", payload).is_failure
    last = camera.envelope("telemetry", telemetry("1.0.4"))
    link.publish(f"{link.topic}up/telemetry", last)
    tools.wait_for(lambda: row(camera).version == "1.0.4", "telemetry")
    assert message_count(camera) == 2
    assert row(camera).telemetry["cpu_percent"] == 12.5
    assert refusals(camera) == []


def test_birth_and_will_show_online_and_offline(camera, tools):
    link = Link(camera)
    link.publish(f"{link.topic}state", b'{"v":1,"online":true,"version":"1.0.0","slot":"a"}', retain=True)
    tools.wait_for(lambda: row(camera).online, "birth")
    link.close(cut=True)
    tools.wait_for(lambda: not row(camera).online, "will")


def test_refused_messages_are_recorded_and_do_not_stop_the_next(camera, link, tools):
    up = f"{link.topic}up/"
    link.publish(up + "telemetry", b"\xff\x00 no json")
    link.publish(up + "telemetry", camera.envelope("telemetry", telemetry(), id="a" * 26))
    link.publish(up + "report", camera.envelope("report", report("committed"), sign=False))
    forged = json.loads(camera.envelope("report", report("committed")))
    forged["body"]["to"] = "9.9.9"
    link.publish(up + "report", json.dumps(forged).encode())
    camera.evidence_key = ec.generate_private_key(ec.SECP256R1())
    link.publish(up + "report", camera.envelope("report", report("committed")))
    link.publish(up + "telemetry", camera.envelope("telemetry", telemetry("1.0.9")))
    tools.wait_for(lambda: row(camera).version == "1.0.9", "the message behind the refused ones")
    codes = [code for code, _ in refusals(camera)]
    assert sorted(codes) == ["format", "format", "format", "signature", "signature"]
    assert message_count(camera) == 1


def test_messages_sent_while_the_server_is_down_arrive_later(tmp_path, tools):
    server = tools.make_server(tmp_path / "s")
    tools.start(server)
    camera = tools.Camera(server, tmp_path / "camera", "KW1-DOWN").enrol()
    broker = None
    try:
        tools.stop(server)
        with (tmp_path / "broker.log").open("wb") as log:
            broker = subprocess.Popen(
                ["/usr/sbin/mosquitto", "-c", "mosquitto.conf"], cwd=server.folder / "broker", stdout=log, stderr=log
            )
        tools.wait_for(lambda: listens(server.mqtt_port), "the broker alone")
        link = Link(camera)
        for number in range(20):
            link.publish(f"{link.topic}up/telemetry", camera.envelope("telemetry", telemetry(f"1.0.{number}")))
        link.close()
        serve = [sys.executable, "-m", "update_server.main", "serve", str(server.folder)]
        server.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        tools.wait_for(lambda: message_count(camera) == 20, "all messages")
        assert row(camera).version == "1.0.19"
    finally:
        tools.stop(server)
        if broker:
            broker.terminate()
            broker.wait(WAIT_S)


def tickets(port, context):
    """Whether a TLS 1.3 connection to the broker is given a ticket to come back with."""
    plain = socket.create_connection(("127.0.0.1", port), WAIT_S)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
        secured.sendall(b"\xc0\x00")  # no CONNECT: the broker ends the session, after what TLS had to say
        with contextlib.suppress(OSError):
            while secured.recv(1024):
                pass
        assert secured.version() == "TLSv1.3"
        return secured.session is not None and secured.session.has_ticket


def test_the_broker_gives_no_tickets_so_each_connection_shows_its_certificate(camera, tmp_path):
    assert not tickets(camera.server.mqtt_port, camera.context())
    # The control: the same mosquitto without what we say to its OpenSSL.
    folder, port = tmp_path / "broker", free_ports(1)[0]
    shutil.copytree(camera.server.folder / "broker", folder, ignore=shutil.ignore_patterns("data", "*.log"))
    (folder / "data").mkdir()
    text = (folder / "mosquitto.conf").read_text().replace(f"listener {camera.server.mqtt_port}", f"listener {port}")
    user = getpass.getuser()
    text = "\n".join(f"user {user}" if line.startswith("user ") else line for line in text.splitlines())
    (folder / "mosquitto.conf").write_text(text + "\n")
    with (tmp_path / "broker.log").open("wb") as log:
        broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", "mosquitto.conf"], cwd=folder, stdout=log, stderr=log)
    try:
        wait_for(lambda: listens(port), "the broker without openssl.cnf")
        assert tickets(port, camera.context())
    finally:
        broker.terminate()
        broker.wait(WAIT_S)


def test_what_kept_a_camera_away_is_in_the_command_line_and_the_api(camera, link, tools):
    outage = {"outage": "portal", "outage_since_at": 1_800_000_000, "outage_until_at": 1_800_003_600}
    link.publish(link.topic + "up/telemetry", camera.envelope("telemetry", telemetry("1.0.7") | outage))
    tools.wait_for(lambda: row(camera).version == "1.0.7", "the telemetry")
    shown = camera.server.json("device", "show", camera.id)["telemetry"]  # DeviceDetailView, as of the API
    assert {name: shown[name] for name in outage} == outage


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_self_made_certificate_is_refused(camera, tmp_path):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, camera.id)])
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    (tmp_path / "c.pem").write_bytes(forged.public_bytes(serialization.Encoding.PEM))
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "k.pem").write_bytes(key.private_bytes(*encoding))
    assert broker_answer(camera.server, camera.server.context(tmp_path / "c.pem", tmp_path / "k.pem")) == b""
