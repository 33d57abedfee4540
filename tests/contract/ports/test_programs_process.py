"""A program of the camera on the encrypted link: the real agent, Mosquitto, the server, and a back end that listens."""

import importlib.util
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import claim, enrol
from tests.contract.ports.test_login_client import FLAGS, ROOT, TIMEOUT_S
from tests.contract.ports.test_outbox_kills import Operator
from tests.contract.server import harness
from tests.unit.agent.app.test_program_sockets import CONNECT
from update_server.fleet import alarms
from update_server.fleet import broker as broker_files
from update_server.serving.broker import BrokerChild

SEED = 20261129
KILLS = 3
UID = 900
RIVER = {
    "name": "river", "uid": UID, "gid": UID, "receive": ["interval"], "max_message_bytes": 4096,
    "publish": [{"topic": "level", "durable": True}, {"topic": "viewers", "durable": False}],
    "messages_per_minute": 600, "bytes_per_hour": 2_000_000, "keep_bytes": 262_144,
}  # fmt: skip
COUNTER = {
    "name": "counter", "uid": UID + 1, "gid": UID + 1, "publish": [{"topic": "n", "durable": False}],
    "max_message_bytes": 16_384, "messages_per_minute": 60, "bytes_per_hour": 16_000_000,
}  # fmt: skip
SOURCE = "192.0.2.88"  # who guesses at passwords


def example(name):
    """A module of docs/examples."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


camward_link = example("camward_link")


class Office(Operator):
    """Server and broker, each a process of its own; the broker's list is the database's."""

    def start_broker(self):
        place, access = self.settings.path("pki"), self.server.services.access(int(time.time()))
        ports, listen = self.settings.ports, self.settings.listen
        account = broker_files.write(self.broker_folder, place, ports.mqtt, listen, *access)
        self.broker = BrokerChild(self.broker_folder, listen, ports.mqtt, account)

    def let_in(self, client):
        """Have the broker read its list, once the server has this client in it: as a broker of one's own needs."""
        wait_for(lambda: client in (self.broker_folder / "acl").read_text(), "the list")
        self.broker.reload()


class BackEnd:
    """A consumer as operator.md says: MQTT 5, QoS 1, a session that is kept."""

    def __init__(self, operator, folder):
        server = operator.server
        about = server.json("consumer", "add", "back-end", "--program", "river", "--out", folder)
        operator.let_in(about["client"])
        self.came = []
        self.subscribed = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, about["client"], protocol=mqtt.MQTTv5)
        self.client.tls_set_context(server.context(folder / "cert.pem", folder / "key.pem"))
        self.client.reconnect_delay_set(1, 2)
        self.client.on_connect = lambda client, *_: client.subscribe(about["reads"], 1)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = lambda _c, _d, message: self.came.append(message)
        keep = Properties(PacketTypes.CONNECT)
        keep.SessionExpiryInterval = 86400
        self.client.connect("127.0.0.1", about["port"], clean_start=False, properties=keep)
        self.client.loop_start()

    def heard(self, topic="level"):
        return [message.payload for message in list(self.came) if message.topic.endswith(f"/app/river/up/{topic}")]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    made = Office(harness.make_server(tmp_path_factory.mktemp("server") / "s"))
    yield made
    harness.stop(made.server)
    made.broker.stop()


@pytest.fixture(scope="module")
def back_end(operator, tmp_path_factory):
    made = BackEnd(operator, tmp_path_factory.mktemp("back-end") / "consumer")
    yield made
    made.close()


@pytest.fixture(scope="module")
def board(operator, back_end, tmp_path_factory):
    """An enrolled camera with two programs, whose messages the back end hears."""
    folder = tmp_path_factory.mktemp("camera")
    image_root = (operator.server.folder / "tuf/image/1.root.json").read_bytes()
    slot, _, _ = harness.write_build(folder / "factory", "1.0.0")
    made = Board(folder / "board", image_root, programs=[RIVER, COUNTER])
    made.leave_factory(slot.read_bytes())
    made.power_on()
    made.start_camera()
    enrol(made, operator.server, claim(made))
    link = river(made)
    link.publish("level", b"first")
    link.close()
    wait_for(lambda: b"first" in back_end.heard(), "the back end to be let in")
    yield made
    assert "Traceback" not in made.stop()


def river(board):
    return camward_link.Link(str(board.run / "link" / "river.sock"))


@pytest.fixture(scope="module")
def publish(tmp_path_factory, board):
    """The C client: exit status and what it says."""
    program = tmp_path_factory.mktemp("client") / "camward-publish"
    source = ROOT / "docs" / "examples" / "camward_publish.c"
    subprocess.run(["gcc", *FLAGS, "-o", program, source], check=True, timeout=TIMEOUT_S)

    def run(topic, data, path=None):
        command = [program, path or board.run / "link" / "river.sock", topic]
        done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=TIMEOUT_S)
        return done.returncode, done.stderr

    return run


def test_the_example_in_c_sends_and_the_back_end_hears_it_with_time_and_name(board, back_end, publish):
    for length in (0, 1, 2, 3, 4096):
        data = bytes(at % 251 for at in range(length))
        assert publish("level", data) == (0, b"")
        wait_for(lambda wanted=data: wanted in back_end.heard(), f"{length} bytes")
    message = back_end.came[-1]
    beside = dict(message.properties.UserProperty)
    assert message.topic == f"camward/1/{board.status()['device']}/app/river/up/level"
    assert abs(int(beside["at"]) - time.time()) < 300
    names = [dict(one.properties.UserProperty)["id"] for one in back_end.came]
    assert len(set(names)) == len(names)


def test_what_the_agent_does_not_take_the_example_in_c_says(board, publish, tmp_path):
    assert publish("level", bytes(4097))[0] == 1
    code, said = publish("n", b"of another program")
    assert (code, json.loads(said.partition(b"taken: ")[2])["code"]) == (1, "topic")
    assert publish("level", bytes(20_000))[0] == 2
    assert publish('x","op":"state', b"")[0] == 2
    assert publish("level", b"", tmp_path / "nothing.sock") == (1, b"camward-publish: not taken: no answer\n")


def test_the_back_end_answers_and_the_example_in_python_hears_it(board, back_end):
    link = river(board)
    assert link.state()["link"] is True
    head = f"camward/1/{board.status()['device']}/app/river/"
    with pytest.raises(TimeoutError):
        link.receive(0.2)
    back_end.client.publish(head + "down/interval", b"60", 1)
    assert link.receive(30) == ("interval", b"60")
    link.publish("viewers", b"3")
    wait_for(lambda: b"3" in back_end.heard("viewers"), "what is not kept")
    with pytest.raises(camward_link.Refused, match="topic"):
        link.publish("telemetry", b"{}")
    link.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's id")
def test_another_users_processes_get_no_answer(board):
    path = board.run / "link" / "river.sock"

    def tried(gid, uid):
        command = [sys.executable, "-c", CONNECT, str(path), str(gid), str(uid)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout.strip()

    assert "bad_request" in tried(UID, UID), "the control: a line that is no request is answered"
    assert tried(UID, UID + 1) == "b''", "the other program's user, even in the group"
    assert tried(UID + 1, UID + 1) == "file"


def test_whatever_bytes_a_program_writes_the_agent_goes_on(board, back_end):
    chance = random.Random(SEED)
    lines = [
        b'{"v":1,"n":1,"op":"publish","topic":"level","data":"' + b"A" * 30_000,
        b'{"v":1,"n":1,"op":"publish","topic":"\\u0000","data":"YQ=="}\n', b"[" * 5000 + b"\n", b"\0" * 3000,
        b"\n" * 50,
        b'{"v":1,"n":1,"op":"receive"}\n' * 20,
    ]  # fmt: skip
    for number in range(120):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(board.run / "link" / "river.sock"))
            client.settimeout(5)
            data = lines[number] if number < len(lines) else chance.randbytes(chance.randrange(1, 3000))
            try:
                client.sendall(data)
            except OSError:
                pass

    def goes():
        try:
            link = river(board)
        except OSError:  # so much noise waits that the system takes no more
            return False
        try:
            link.publish("level", b"after the noise")
        except OSError:  # all of its connections are taken by noise that waits for an answer
            return False
        finally:
            link.close()
        return True

    wait_for(goes, "a place")
    wait_for(lambda: b"after the noise" in back_end.heard(), "a message")


class Flood(threading.Thread):
    """A program that writes as fast as it can, on all its connections, and never waits for an answer."""

    def __init__(self, board, line):
        super().__init__(daemon=True)
        self._path, self._line, self.ended, self.sent = str(board.run / "link" / "counter.sock"), line, False, 0

    def run(self):
        clients = []
        for _ in range(4):
            client = socket.socket(socket.AF_UNIX)
            client.connect(self._path)
            client.setblocking(False)
            clients.append(client)
        while not self.ended:
            for client in clients:
                try:
                    self.sent += client.send(self._line)
                    client.recv(65536)
                except BlockingIOError:
                    time.sleep(0.0005)
        for client in clients:
            client.close()


def test_a_program_that_floods_delays_neither_an_alarm_nor_another_program(operator, board, back_end):
    data = "A" * 16_000
    line = json.dumps({"v": 1, "n": 1, "op": "publish", "topic": "n", "data": data}).encode() + b"\n"
    flood = Flood(board, line)
    flood.start()
    try:
        time.sleep(3)
        device, link = board.status()["device"], river(board)
        begun = time.monotonic()
        link.publish("level", b"beside the flood")
        wait_for(lambda: b"beside the flood" in back_end.heard(), "the other program's message")
        for number in range(40):
            board.ask("web", "login", user="admin", password=f"wrong {number}", source=SOURCE)

        def told():
            with operator.server.services.database.read() as session:
                return SOURCE in {one.source for one in alarms.history(session, device)}

        wait_for(told, "the alarm")
        slowest = 0.0
        for _ in range(20):
            before = time.monotonic()
            board.status()
            slowest = max(slowest, time.monotonic() - before)
        link.close()
    finally:
        flood.ended = True
        flood.join(30)
    print(f"alarm and message after {time.monotonic() - begun:.1f} s, slowest answer {slowest * 1000:.0f} ms")
    assert slowest < 5, "the main loop has turned all the time"
    assert flood.sent < 8 * 2**20, "the flood was held back, not taken in"


def test_what_was_kept_arrives_in_order_whenever_the_broker_is_killed(operator, board, back_end):
    """At most what the broker had acknowledged and not handed on in the moment of a kill is missing."""
    chance = random.Random(SEED)
    kept, ended = [], threading.Event()

    def program():
        link = river(board)
        while not ended.is_set():
            text = f"kept {len(kept)}".encode()
            link.publish("level", text)
            kept.append(text)
        link.close()

    writer = threading.Thread(target=program)
    writer.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(1, 4))
        operator.kill_broker()
        time.sleep(chance.uniform(1, 4))
        operator.start_broker()
        wait_for(lambda: board.status()["link"] == "up", "another session")
        wait_for(lambda: kept[-1] in back_end.heard(), "what was kept meanwhile")
    ended.set()
    writer.join(TIMEOUT_S)
    assert len(kept) > 3 * KILLS
    wait_for(lambda: board.status()["programs"]["river"]["waiting"] == 0, "the last message to leave")
    wait_for(lambda: kept[-1] in back_end.heard(), "the last message")
    first = list(dict.fromkeys(text for text in back_end.heard() if text.startswith(b"kept ")))
    assert [text for text in kept if text in first] == first, "in another order"
    missing = [text for text in kept if text not in first]
    print(f"{len(kept)} kept, {len(back_end.heard())} heard, missing {missing}")
    assert len(missing) <= KILLS
