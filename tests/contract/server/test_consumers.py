"""A back end that reads what a program of the cameras sends, at the real broker: until it is removed."""

import contextlib
import queue
import stat
import time

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.contract.server.test_broker import Link, refusals


class Consumer(Link):
    """A consumer's MQTT connection, synchronous for tests."""

    def __init__(self, server, name, folder, program="river"):
        self.server = server
        self.about = server.json("consumer", "add", name, "--program", program, "--out", folder)
        self.id, self.folder = self.about["client"], folder
        super().__init__(self)

    def context(self):
        return self.server.context(self.folder / "cert.pem", self.folder / "key.pem")


@pytest.fixture
def consumer(server, tmp_path):
    name = f"test-{tmp_path.name[-20:].strip('_').replace('_', '-').lower()}"
    made = Consumer(server, name, tmp_path / "consumer")
    made.name = name
    yield made
    made.close()


def subscribed(client, topic):
    client.client.subscribe(topic, 1)
    return client.expect("subscribe")


def messages(client):
    """What comes until nothing comes for two seconds."""
    found = []
    with contextlib.suppress(queue.Empty):
        while True:
            kind, value = client.events.get(timeout=2)
            assert kind == "message"
            found.append(value)
    return found


def test_it_reads_its_programs_topics_of_every_camera_and_writes_down_and_nothing_else(
    consumer, camera, new_camera, server
):
    other = new_camera().enrol()
    link, theirs = Link(camera), Link(other)
    subscribed(consumer, "camward/1/+/app/river/up/+")
    for one in (link, theirs):
        assert not one.publish(f"{one.topic}app/river/up/level", b"2.31").is_failure
        got = consumer.expect("message")
        assert (got.topic, got.payload) == (f"{one.topic}app/river/up/level", b"2.31")
    # What it must not read, with the one that it may at the end: nothing came before.
    for topic in ("camward/1/+/app/counter/up/+", "camward/1/+/up/#", "#", "camward/1/+/state", "$SYS/#"):
        subscribed(consumer, topic)
    assert not link.publish(f"{link.topic}app/counter/up/n", b"1").is_failure
    assert not link.publish(f"{link.topic}up/telemetry", b"not for you").is_failure
    assert not link.publish(f"{link.topic}state", b'{"v":1,"online":false}').is_failure
    assert not link.publish(f"{link.topic}app/river/up/level", b"2.32").is_failure
    heard = [(one.topic, one.payload) for one in messages(consumer)]  # twice, as it matches "#" too
    assert set(heard) == {(f"{link.topic}app/river/up/level", b"2.32")}
    # Nor write.
    for topic in ("up/alarm", "state", "down/command", "down/receipt", "app/river/up/level", "app/counter/down/x"):
        assert consumer.publish(f"camward/1/{camera.id}/{topic}", b"x").is_failure, topic
    assert not subscribed(link, f"{link.topic}app/river/down/interval").is_failure
    assert not consumer.publish(f"{link.topic}app/river/down/interval", b"60").is_failure
    assert link.expect("message").payload == b"60"
    assert refusals(camera) == [("format", refusals(camera)[0][1])], "what we published as telemetry"
    link.close()
    theirs.close()


def test_a_camera_writes_and_reads_no_other_cameras_programs(camera, new_camera, server):
    other = new_camera().enrol()
    link, theirs = Link(camera), Link(other)
    assert link.publish(f"{theirs.topic}app/river/up/level", b"x").is_failure
    assert link.publish(f"{link.topic}app/river/down/interval", b"x").is_failure
    assert not link.publish(f"{link.topic}app/river/up/level", b"x").is_failure, "the control"
    for topic in (f"{theirs.topic}app/river/up/+", f"{theirs.topic}app/river/down/+"):
        subscribed(link, topic)
    assert not theirs.publish(f"{theirs.topic}app/river/up/level", b"x").is_failure
    assert messages(link) == []
    link.close()
    theirs.close()


def test_it_is_no_camera_at_the_device_listener(consumer, camera):
    with httpx.Client(verify=consumer.context(), base_url=consumer.server.device_url) as client:
        for path in ("/device/v1/ownership", "/tuf/image/timestamp.json", f"/tuf/director/{camera.id}/timestamp.json"):
            assert client.get(path).status_code in {401, 403}, path
        assert client.post("/.well-known/est/simplereenroll", content=camera.csr()).status_code in {400, 401, 403}
    with camera.client() as client:
        assert client.get("/device/v1/ownership").status_code == 200, "the control"


def test_one_that_is_removed_hears_nothing_more_in_the_session_that_stands_and_none_under_a_new_name(
    consumer, camera, server, tools, tmp_path
):
    link = Link(camera)
    subscribed(consumer, "camward/1/+/app/river/up/+")
    server.run("consumer", "remove", consumer.name)
    tools.wait_for(
        lambda: consumer.publish(f"{link.topic}app/river/down/interval", b"1").is_failure, "the broker to shut it out"
    )
    while not consumer.events.empty():
        consumer.events.get()
    assert not link.publish(f"{link.topic}app/river/up/level", b"secret").is_failure
    successor = Consumer(server, consumer.name, tmp_path / "next")
    subscribed(successor, "camward/1/+/app/river/up/+")
    assert messages(consumer) == [], "the old certificate gets nothing, whatever the name is used for now"
    successor.close()
    link.close()


def test_the_key_is_in_its_folder_alone_and_who_did_it_is_in_the_audit_log(consumer, server, tmp_path):
    assert stat.S_IMODE((consumer.folder / "key.pem").stat().st_mode) == 0o600
    key = (consumer.folder / "key.pem").read_bytes()
    assert not [path for path in server.folder.rglob("*") if path.is_file() and key in path.read_bytes()]
    again = server.run("consumer", "add", "other", "--program", "river", "--out", consumer.folder, check=False)
    assert again.returncode == 1, "a folder that is there is left alone"
    assert consumer.name in [one["name"] for one in server.json("consumer", "list")]
    assert consumer.id in server.run("consumer", "list").stdout.replace("\n", "")
    server.run("consumer", "remove", consumer.name)
    assert server.run("consumer", "remove", consumer.name, check=False).returncode == 1
    lines = [one for one in server.json("audit") if consumer.id in one["detail"]]
    assert [one["what"] for one in lines] == ["consumer add", "consumer remove"]
    assert all(one["who"].startswith("console:") for one in lines)


def test_what_is_sent_once_add_has_returned_is_kept_for_a_consumer_that_has_subscribed(server, camera, tmp_path):
    """Without a wait the broker would match the subscription, and drop what it may not give yet."""
    link = Link(camera)
    for number in range(3):
        consumer = Consumer(server, f"at-once-{number}", tmp_path / f"{number}")
        assert consumer.about["known"] is True
        subscribed(consumer, "camward/1/+/app/river/up/+")
        assert link.publish(f"{link.topic}app/river/up/level", b"%d" % number).value == 0
        assert consumer.expect("message").payload == b"%d" % number
        consumer.close()
    link.close()


def test_a_broker_that_is_away_is_not_waited_for_and_that_is_said(tools, tmp_path):
    away = tools.make_server(tmp_path / "s")
    told = away.json("consumer", "add", "office", "--program", "river", "--out", tmp_path / "office")
    assert told["known"] is False
    assert (
        "does not know it yet"
        in away.run("consumer", "add", "other", "--program", "river", "--out", tmp_path / "other").stdout
    )


def test_an_attempt_that_is_refused_leaves_no_folder_in_the_way_of_the_next(tools, tmp_path):
    server, made = tools.make_server(tmp_path / "s"), tmp_path / "made"

    def attempt(*words, out=made):
        return server.run("consumer", *words, "--out", out, check=False)

    assert attempt("add", "Office", "--program", "river").returncode == 1
    assert attempt("add", "office", "--program", "#").returncode == 1
    assert not made.exists()
    assert attempt("add", "office", "--program", "river").returncode == 0
    again = tmp_path / "again"
    assert attempt("add", "office", "--program", "river", out=again).returncode == 1
    assert attempt("renew", "offcie", out=again).returncode == 1
    assert not again.exists()
    assert attempt("renew", "office", out=again).returncode == 0
    assert stat.S_IMODE(again.stat().st_mode) == 0o700
    kept, ends_at = (again / "key.pem").read_bytes(), server.json("consumer", "list")[0]["expires_at"]
    refused = attempt("renew", "office", out=again)
    assert "is there already" in refused.stderr
    assert (again / "key.pem").read_bytes() == kept
    assert server.json("consumer", "list")[0]["expires_at"] == ends_at
    assert [one["what"] for one in server.json("audit") if "consumer" in one["what"]] == [
        "consumer add",
        "consumer renew",
    ]


def test_a_renewed_one_takes_its_session_over_with_what_waits_in_it(server, camera, tmp_path):
    name, link = "renewed", Link(camera)
    about = server.json("consumer", "add", name, "--program", "river", "--out", tmp_path / "first")
    first = session_of(server, about["client"], tmp_path / "first", [])
    first.subscribe("camward/1/+/app/river/up/+", 1)
    wait_until(lambda: link.publish(f"{link.topic}app/river/up/level", b"0").value == 0)
    first.disconnect()
    first.loop_stop()
    assert not link.publish(f"{link.topic}app/river/up/level", b"while away").is_failure
    again = server.json("consumer", "renew", name, "--out", tmp_path / "second")
    assert again["client"] == about["client"]
    keys = {(tmp_path / one / "key.pem").read_bytes() for one in ("first", "second")}
    assert len(keys) == 2
    got = []
    second = session_of(server, about["client"], tmp_path / "second", got)
    wait_until(lambda: b"while away" in got)
    second.disconnect()
    second.loop_stop()
    link.close()


def session_of(server, client, folder, got):
    """A consumer's client whose session stays at the broker."""
    made = mqtt.Client(CallbackAPIVersion.VERSION2, client, protocol=mqtt.MQTTv5)
    made.tls_set_context(server.context(folder / "cert.pem", folder / "key.pem"))
    made.on_message = lambda _client, _data, message: got.append(message.payload)
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    made.connect("127.0.0.1", server.mqtt_port, clean_start=False, properties=properties)
    made.loop_start()
    return made


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
