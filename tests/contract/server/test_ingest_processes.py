"""Several ingest processes on one PostgreSQL: messages split between them, and processes killed at random."""

import contextlib
import dataclasses
import random
import shutil
import threading
import time

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import func, select

from tests import postgres
from tests.contract.server.test_broker import Link, telemetry
from update_server.db.models import Device, Message

CAMERAS = 5
EACH = 400  # messages of one camera
ALARM_EVERY = 20
KILLS = 6
SEED = 40
WAIT_S = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory, tools):
    with postgres.cluster() as cluster:
        folder = tmp_path_factory.mktemp("processes") / "s"
        with tools.running(folder, database=cluster.create("camward"), ingest_processes=2) as made:
            yield made


@pytest.fixture
def cameras(new_camera):
    return [new_camera().enrol() for _ in range(CAMERAS)]


class Sender:
    """A camera's session: sends at QoS 1, many at a time, each message again until the broker has a reader for it."""

    def __init__(self, camera):
        self.camera, self.sent = camera, []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, camera.id, protocol=mqtt.MQTTv5)
        self.client.tls_set_context(camera.context())
        self.client.max_inflight_messages_set(16)
        self.client.connect("127.0.0.1", camera.server.mqtt_port)
        self.client.loop_start()

    def send(self, kind, body):
        payload = self.camera.envelope(kind, body)
        self.sent.append((kind, payload))
        return self.client.publish(f"camward/1/{self.camera.id}/up/{kind}", payload, 1)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def send_all(camera, count, pause_s=0.0):
    """Send telemetry, and an alarm now and then; what was sent."""
    sender = Sender(camera)
    last = None
    for number in range(1, count + 1):
        if number % ALARM_EVERY == 0:
            last = sender.send("alarm", {"code": "n", "detail": str(number)})
        else:
            last = sender.send("telemetry", telemetry(f"1.0.{number}"))
        time.sleep(pause_s)
    last.wait_for_publish(WAIT_S)
    sender.close()
    return sender.sent


def stored(camera, kind=None):
    """The bytes of a camera's messages, in the order in which they were taken in."""
    query = select(Message.raw).where(Message.device_id == camera.id)
    if kind is not None:
        query = query.where(Message.type == kind)
    with camera.server.services.database.read() as session:
        return list(session.scalars(query.order_by(Message.id)))


def total(server, cameras):
    with server.services.database.read() as session:
        ids = [camera.id for camera in cameras]
        return session.scalar(select(func.count()).select_from(Message).where(Message.device_id.in_(ids)))


def row(camera):
    with camera.server.services.database.read() as session:
        return session.get_one(Device, camera.id)


def settled(server, cameras):
    """How many messages there are, once no more come."""
    count = -1
    while count != (count := total(server, cameras)):
        time.sleep(1.5)
    return count


def all_sent(cameras, pause_s=0.0, count=EACH):
    """What each camera has sent; all at once."""
    found = {}
    threads = [
        threading.Thread(target=lambda one=camera: found.update({one.id: send_all(one, count, pause_s)}))
        for camera in cameras
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_processes_that_are_killed_at_random_lose_and_double_nothing(server, cameras, tools):
    """Alarms and the newest telemetry are in order; telemetry that was split comes as it comes, and counts once."""
    chance, found = random.Random(SEED), {}
    with contextlib.ExitStack() as stack:
        running = {number: stack.enter_context(tools.ingest(server, number)) for number in (1, 2)}
        sending = threading.Thread(target=lambda: found.update(all_sent(cameras, 0.02)))
        sending.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.0))
            number = chance.choice((1, 2))
            running[number].kill()
            running[number].wait(WAIT_S)
            running[number] = stack.enter_context(tools.ingest(server, number))
        sending.join()
        tools.wait_for(lambda: total(server, cameras) >= CAMERAS * EACH, "the messages")
        assert settled(server, cameras) == CAMERAS * EACH
    for camera in cameras:
        sent = found[camera.id]
        assert sorted(stored(camera)) == sorted(payload for _, payload in sent)
        assert stored(camera, "alarm") == [payload for kind, payload in sent if kind == "alarm"]
        newest = max(number for number in range(1, EACH + 1) if number % ALARM_EVERY)
        assert row(camera).telemetry["version"] == f"1.0.{newest}"
        assert sum(row(camera).day_counts.values()) == EACH


def test_a_process_that_is_gone_leaves_its_share_at_the_broker_until_it_is_back(server, cameras, tools):
    """So what the test above counts can be missing, and one camera's messages do go different ways."""
    with tools.ingest(server, 1), tools.ingest(server, 2) as gone:
        gone.kill()
        gone.wait(WAIT_S)
        sent = all_sent(cameras, count=40)
        count = settled(server, cameras)
        assert count < CAMERAS * 40
        for camera in cameras:
            assert 0 < len(stored(camera, "telemetry")) < sum(kind == "telemetry" for kind, _ in sent[camera.id])
            assert len(stored(camera, "alarm")) == 2, "these are the server's"
        with tools.ingest(server, 2):
            tools.wait_for(lambda: total(server, cameras) == CAMERAS * 40, "the other share")


def test_who_does_not_know_the_shares_name_takes_nothing_from_it(server, cameras, tools):
    """The broker gives a member its part, or, where that may not read it, drops it: the name is a secret."""
    thief, camera = cameras[0], cameras[1]

    def lost(name):
        link = Link(thief)
        link.client.subscribe(f"$share/{name}/camward/1/+/up/telemetry", 1)
        link.expect("subscribe")
        before = total(server, [camera])
        send_all(camera, ALARM_EVERY - 1)
        missing = before + ALARM_EVERY - 1 - settled(server, [camera])
        link.client.unsubscribe(f"$share/{name}/camward/1/+/up/telemetry")
        link.close()
        return missing

    with tools.ingest(server, 1), tools.ingest(server, 2):
        assert [lost(name) for name in ("camward", "camward-ingest", "x")] == [0, 0, 0]
        name = (server.folder / "pki/share").read_text()
        assert len(name) == 32
        assert (server.folder / "pki/share").stat().st_mode & 0o077 == 0
        assert lost(name) > 0, "what it would do if it knew"


def test_the_certificate_of_a_process_reads_telemetry_and_nothing_else_and_writes_nothing(server, cameras):
    camera = cameras[0]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "x", protocol=mqtt.MQTTv5)
    pki = server.folder / "pki"
    client.tls_set_context(server.context(pki / "ingest-1.pem", pki / "ingest-1.key.pem"))
    got, published, up = [], [], threading.Event()
    client.on_message = lambda _c, _d, message: got.append(message.topic)
    client.on_publish = lambda _c, _d, _mid, reason, _p: published.append(reason.is_failure)
    client.on_subscribe = lambda *_: up.set()
    client.connect("127.0.0.1", server.mqtt_port)
    client.loop_start()
    client.subscribe("#", 1)
    assert up.wait(WAIT_S)
    client.publish(f"camward/1/{camera.id}/down/command", b"x", 1).wait_for_publish(WAIT_S)
    send_all(camera, ALARM_EVERY)
    deadline = time.monotonic() + WAIT_S
    while len(got) < ALARM_EVERY - 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    client.disconnect()
    client.loop_stop()
    assert (set(got), published) == ({f"camward/1/{camera.id}/up/telemetry"}, [True])


def test_a_process_needs_no_key_of_the_server_but_its_own(server, cameras, tools, tmp_path):
    folder = tmp_path / "elsewhere"
    (folder / "pki").mkdir(parents=True)
    for name in ("server.toml", "pki/ca.pem", "pki/share", "pki/ingest-1.pem", "pki/ingest-1.key.pem"):
        shutil.copy(server.folder / name, folder / name)
    elsewhere = dataclasses.replace(server, folder=folder)
    with tools.ingest(elsewhere, 1), tools.ingest(server, 2):
        all_sent(cameras, count=40)
        tools.wait_for(lambda: total(server, cameras) == CAMERAS * 40, "the messages")


def test_a_process_leaves_with_nothing_left_behind(server, cameras, tools):
    with tools.ingest(server, 2):
        pass  # it has a session now, and the other one is away
    with tools.ingest(server, 1):
        sent = all_sent(cameras, count=40)
        assert settled(server, cameras) < CAMERAS * 40
        tools.stop(server)
        text = (server.folder / "server.toml").read_text()
        (server.folder / "server.toml").write_text(text.replace("ingest_processes = 2", "ingest_processes = 1"))
        refused = tools.command_line("serve", server.folder, "--with-broker")
        assert (refused.returncode, "--leave" in refused.stderr) == (1, True)
        (server.folder / "server.toml").write_text(text)
        tools.start(server)
        done = tools.command_line("ingest", server.folder, 2, "--leave")
        assert done.stdout.strip() == "camward-server ingest 2: left", done.stderr
        tools.wait_for(lambda: total(server, cameras) == CAMERAS * 40, "what it had")
        assert all(sorted(stored(one)) == sorted(payload for _, payload in sent[one.id]) for one in cameras)
        assert not list((server.folder / "pki").glob("ingest-2*"))
        all_sent(cameras, count=40)
        tools.wait_for(lambda: total(server, cameras) == CAMERAS * 80, "all by the one that is left")
    assert tools.command_line("ingest", server.folder, 2).returncode == 1
