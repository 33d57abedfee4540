"""Real processes, killed at moments that a seed chooses: the camera's outbox, the broker, the server's ingest."""

import json
import random
import subprocess
import sys
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization
from sqlalchemy import select

from agent.formats import envelope
from tests.contract.server import harness
from update_server import settings
from update_server.db.models import Message
from update_server.fleet import broker as broker_files
from update_server.serving.broker import BrokerChild

SEED = 20261128
KILLS = 3  # of each
LONGEST_S = 2.5  # between two kills


class Camera:
    """The program of outbox_program.py, and what it has said it keeps."""

    def __init__(self, server, folder):
        self.folder = folder / "program"
        self.identity = harness.Camera(server, folder / "identity", "KW1-000077").enrol()
        self.folder.mkdir()
        for name in ("cert.pem", "key.pem"):
            (self.folder / name).write_bytes((self.identity.folder / name).read_bytes())
        (self.folder / "about.json").write_text(json.dumps({"device": self.identity.id}))
        owned = server.services.ownership
        (self.folder / "ownership.json").write_bytes(owned.record(owned.current))
        keys = self.folder / "state" / "identity"
        keys.mkdir(parents=True)
        (keys / "evidence.key.pem").write_bytes(
            self.identity.evidence_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.kept = []
        self.errors = (folder / "stderr").open("w+")
        self.start()

    def start(self):
        # The one after the last may have been stored before its number was printed.
        first = self.kept[-1] + 2 if self.kept else 1
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.ports.outbox_program", str(self.folder), str(first)],
            stdout=subprocess.PIPE, stderr=self.errors, text=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()

    def _read(self, process):
        for line in process.stdout:
            self.kept.append(int(line))

    def said(self):
        """On stderr."""
        self.errors.seek(0)
        return self.errors.read()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


class Operator:
    """Server and broker, each a process of its own."""

    def __init__(self, server):
        self.server = server
        self.settings = settings.load(server.folder)
        self.broker_folder = self.settings.path("broker")
        self.start_broker()
        self.start_server()

    def start_broker(self):
        pki = self.settings.path("pki")
        account = broker_files.write(self.broker_folder, pki, self.settings.ports.mqtt, self.settings.listen)
        self.broker = BrokerChild(self.broker_folder, self.settings.listen, self.settings.ports.mqtt, account)

    def kill_broker(self):
        self.broker._process.kill()
        self.broker._process.wait()

    def start_server(self):
        harness.start(self.server, with_broker=False)

    def kill_server(self):
        self.server.process.kill()
        self.server.process.wait()
        self.server.process.stdout.close()


@pytest.fixture
def operator(tmp_path):
    made = Operator(harness.make_server(tmp_path / "s"))
    yield made
    harness.stop(made.server)
    made.broker.stop()


@pytest.fixture
def camera(operator, tmp_path):
    made = Camera(operator.server, tmp_path)
    yield made
    made.kill()
    made.errors.close()


def stored(camera, kind):
    """The numbers of the messages in the database, in the order in which they came in."""
    rows = select(Message.raw).where(Message.device_id == camera.identity.id, Message.type == kind)
    with camera.identity.server.services.database.read() as session:
        bodies = [envelope.parse(raw).body for raw in session.scalars(rows.order_by(Message.id))]
    return [int(body["detail"] if kind == "alarm" else body["to"]) for body in bodies]


def test_every_alarm_and_report_arrives_once_and_in_order_whoever_is_killed(operator, camera):
    chance = random.Random(SEED)
    restarts = {
        "camera": (camera.kill, camera.start),
        "broker": (operator.kill_broker, operator.start_broker),
        "server": (operator.kill_server, operator.start_server),
    }
    harness.wait_for(lambda: camera.kept or camera.process.poll() is not None, "the first message")
    assert camera.kept, camera.said()
    victims = list(restarts) * KILLS
    chance.shuffle(victims)
    for victim in [*victims, "broker"]:  # the last begins a session in which all that has no receipt comes at once
        time.sleep(chance.uniform(0, LONGEST_S))
        kill, start = restarts[victim]
        kill()
        time.sleep(chance.uniform(0, LONGEST_S / 2))
        start()
    kept = list(camera.kept)
    assert len(kept) > 2 * len(victims)

    def arrived():
        return set(kept) <= {*stored(camera, "alarm"), *stored(camera, "report")}

    harness.wait_for(arrived, "the messages")
    for kind in ("alarm", "report"):
        found = stored(camera, kind)
        assert found == sorted(set(found)), "twice, or in another order"
