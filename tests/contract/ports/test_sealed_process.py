"""Who runs the broker, or has its disk, sees ciphertext: a real Mosquitto, the real server, the real agent process.

A spy whom the broker lets read everything listens, and the broker writes down what waits for the server. A camera that
does not seal shows that both would see the text.
"""

import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from paho.mqtt.enums import CallbackAPIVersion

from agent.formats import cose, evidence, ownership
from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import claim, enrol
from tests.contract.server import harness
from tests.contract.server.test_broker import Link, listens
from update_server.fleet import alarms, history
from update_server.fleet.sealed import key_id
from update_server.keyfiles import parse_public

SPY = "spy"
SOURCE = "192.0.2.77"  # who guesses at the camera's passwords
TEXTS = (b'"findings"', b'"S1.1-01"', b"declared by the manufacturer", SOURCE.encode())
"""What evidence and alarms hold, and nothing else that a camera sends."""


class Broker:
    """Mosquitto as the server configures it, but that it obeys a spy's wish to read everything."""

    def __init__(self, server):
        self.server, self.folder, self.process = server, server.folder / "broker", None

    def start(self):
        acl = self.folder / "acl"
        acl.write_text(acl.read_text() + f"\nuser {SPY}\ntopic read #\n")
        with (self.folder / "test.log").open("ab") as log:
            command = ["/usr/sbin/mosquitto", "-c", "mosquitto.conf"]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        wait_for(lambda: listens(self.server.mqtt_port), "the broker")

    def stop(self):
        """Mosquitto writes its database when it ends."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def disk(self):
        files = [path for path in (self.folder / "data").rglob("*") if path.is_file()]
        return b"".join(path.read_bytes() for path in files)


class Spy:
    """A client that subscribes to everything."""

    def __init__(self, server):
        key = ec.generate_private_key(ec.SECP256R1())
        authority = server.services.authority
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SPY)])
        now = datetime.now(UTC)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        made = authority._issue(key.public_key(), name, [], usages, now, authority.certificate.not_valid_after_utc)
        authority._write(SPY, key, made)
        pki = server.folder / "pki"
        self.seen = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, SPY, protocol=mqtt.MQTTv5)
        self.client.tls_set_context(server.context(pki / f"{SPY}.pem", pki / f"{SPY}.key.pem"))
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_message = lambda _c, _d, message: self.seen.append((message.topic, bytes(message.payload)))
        self.client.connect("127.0.0.1", server.mqtt_port)
        self.client.loop_start()

    def of(self, device, kind):
        return [payload for topic, payload in list(self.seen) if topic == f"camward/1/{device}/up/{kind}"]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def server(tmp_path):
    made = harness.make_server(tmp_path / "s")
    yield made
    if made.process is not None and made.process.poll() is None:
        harness.stop(made)


def serve(server):
    """Without a broker, which is started beside it."""
    with (server.folder / "test.log").open("ab") as log:
        line = [sys.executable, "-m", "update_server.main", "serve", str(server.folder)]
        server.process = subprocess.Popen(line, cwd=harness.REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True)
    assert server.process.stdout.readline().strip() == "camward-server: ready"


def end(server):
    server.process.terminate()
    server.process.wait(30)
    server.process.stdout.close()


@pytest.fixture
def broker(server):
    serve(server)
    made = Broker(server)
    made.start()
    yield made
    if made.process.poll() is None:
        made.stop()


@pytest.fixture
def spy(server, broker):
    made = Spy(server)
    yield made
    made.close()


@pytest.fixture
def board(tmp_path, server):
    image_root = (server.folder / "tuf/image/1.root.json").read_bytes()
    slot, _, _ = harness.write_build(tmp_path / "factory", "1.0.0")
    made = Board(tmp_path / "board", image_root)
    made.leave_factory(slot.read_bytes())
    made.power_on()
    made.start_camera()
    yield made
    made.stop()


def proof(device):
    finding = evidence.Finding("S1.1-01", evidence.PASS, evidence.MEASURED, ("logins",), f"{SOURCE} got in nowhere")
    other = evidence.Finding("S1.1-05", evidence.INCONCLUSIVE, evidence.DECLARED, (), "declared by the manufacturer")
    findings = (finding, other)
    return evidence.body(evidence.Report(1, device, "kawa-1", "a", "1.0.0", "star1", findings, {"logins": {"in": 0}}))


def of_camera(server, device):
    """What the server shows of a camera: its evidence, and from where somebody guessed."""
    with server.services.database.read() as session:
        row = history.evidence(session, device)
        shown = {finding.criterion for finding in history.findings(row)} if row else set()
        refused = [(one.code, one.detail) for one in history.refusals(session, device)]
        return shown, {one.source for one in alarms.history(session, device)}, refused


def test_the_broker_and_its_disk_see_ciphertext_and_the_server_reads_it(server, broker, spy, board, tmp_path):
    enrol(board, server, claim(board))
    device = board.status()["device"]
    wait_for(lambda: of_camera(server, device)[0], "the evidence that follows an enrolment")
    unsealed = harness.Camera(server, tmp_path / "unsealed", "KW1-000002").enrol()

    end(server)  # so that what comes now waits on the broker's disk
    sealed_before = len(spy.of(device, "evidence"))
    for number in range(40):
        board.ask("web", "login", user="admin", password=f"wrong {number}", source=SOURCE)
    assert board.admin("evidence")["ok"]
    link = Link(unsealed)
    assert not link.publish(link.topic + "up/evidence", unsealed.envelope("evidence", proof(unsealed.id))).is_failure
    link.close()
    wait_for(lambda: len(spy.of(device, "evidence")) > sealed_before, "evidence at the spy")
    wait_for(lambda: spy.of(device, "alarm"), "an alarm at the spy")
    wait_for(lambda: spy.of(unsealed.id, "evidence"), "the unsealed evidence at the spy")
    broker.stop()

    ours = spy.of(device, "evidence") + spy.of(device, "alarm")
    everything = b"".join(payload for topic, payload in list(spy.seen) if unsealed.id not in topic)
    disk = broker.disk()
    (control,) = spy.of(unsealed.id, "evidence")
    assert all(cose.is_sealed(payload) for payload in ours)
    assert not [text for text in TEXTS if text in everything], "the spy reads the camera that seals"
    assert all(text in control and text in disk for text in TEXTS), "the control: both would have been readable"
    for text in TEXTS:
        assert disk.count(text) == control.count(text), "and on the disk nothing but the control is"
    assert all(payload in disk for payload in ours[sealed_before:]), "the camera's messages are on the disk, sealed"
    for file in (server.folder / "keys/sealing").glob("*.pem"):
        assert file.read_bytes().split(b"\n")[1] not in disk

    broker.start()
    serve(server)
    wait_for(lambda: SOURCE in of_camera(server, device)[1], "the alarm to be read by the server")
    wait_for(lambda: of_camera(server, unsealed.id)[0] == {"S1.1-01", "S1.1-05"}, "the control to be read")
    shown, _, refused = of_camera(server, device)
    assert "S1.1-01" in shown
    assert refused == []


def test_a_server_from_before_gets_a_key_at_its_start_and_names_it_to_new_cameras(server, board):
    """Its folder has no sealing keys, and its ownership record names none; a camera with that record stays as it is."""
    records = server.services.ownership
    before = ownership.parse(records.record(records.current)).replace(sealing_key=None)
    old = records.publish(before)
    shutil.rmtree(server.folder / "keys/sealing")
    harness.start(server)
    assert records.current != old
    named = ownership.parse(records.record(records.current))
    assert named.replace(sealing_key=None) == before
    assert named.sealing_key == server.services.sealing.public()
    enrol(board, server, claim(board))
    device = board.status()["device"]
    wait_for(lambda: of_camera(server, device)[0], "sealed evidence")
    shown = server.json("keys", "sealing")
    (key,) = shown["keys"]
    assert (key["current"], key["here"], key["cameras"], shown["in_the_clear"]) == (True, True, 1, 0)
    harness.stop(server)
    harness.start(server)
    assert ownership.parse(records.record(records.current)) == named, "and it is made once"


def test_a_rotation_reaches_new_cameras_and_the_old_key_still_opens(server, board, tmp_path):
    harness.start(server)
    enrol(board, server, claim(board))
    device = board.status()["device"]
    wait_for(lambda: of_camera(server, device)[0], "sealed evidence")
    (first,) = server.json("keys", "sealing")["keys"]
    made = server.json("keys", "sealing", "--new")
    assert {key["key"]: (key["current"], key["cameras"]) for key in made["keys"]}[first["key"]] == (False, 1)
    (second,) = (key["key"] for key in made["keys"] if key["current"])
    assert second != first["key"]
    token = harness.Camera(server, tmp_path / "next", "KW1-000003").enrol().owner_token
    named = ownership.parse(server.services.ownership.record(token["ownership_sha256"])).sealing_key
    assert key_id(parse_public(named.encode(), "the record")) == second
    for number in range(40):
        board.ask("web", "login", user="admin", password=f"wrong {number}", source=SOURCE)
    wait_for(lambda: SOURCE in of_camera(server, device)[1], "what is sealed to the old key")
    assert of_camera(server, device)[2] == []
