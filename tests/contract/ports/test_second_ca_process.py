"""The life of a CA to its end, with a real agent, a real server and a real broker: a second one takes its place."""

import ssl
import time
from datetime import timedelta

import httpx
import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from paho.mqtt.enums import CallbackAPIVersion

from agent.formats import ownership
from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import claim, enrol
from tests.contract.server import harness
from tests.contract.server.test_signed_commands import PASSPHRASE
from update_server.pki.authority import is_by, utc
from update_server.repository import signed_commands, signers

SLOT = bytes(range(256)) * 64


@pytest.fixture
def server(tmp_path):
    with harness.running(tmp_path / "s", telemetry_interval_s=5) as made:
        yield made


@pytest.fixture
def people(server, tmp_path):
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    keys = [tmp_path / f"{name}.pem" for name in ("aoi", "ken")]
    for key in keys:
        harness.command("command-key", "make", key, "--passphrase-file", tmp_path / "passphrase")
    server.run("command-key", "authorise", *(key.with_suffix(".pub") for key in keys))
    return [signers.load(f"encrypted-file:{key}", PASSPHRASE.encode()) for key in keys]


@pytest.fixture
def board(tmp_path, server, people):
    made = Board(tmp_path / "board", (server.folder / "tuf/image/1.root.json").read_bytes())
    made.leave_factory(SLOT)
    made.power_on()
    made.start_camera()
    enrol(made, server, claim(made))
    wait_for((made.state / "clock/floor.json").exists, "a proof of the time")
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def restart(server):
    harness.stop(server)
    vars(server).pop("services", None)  # a command's view of before
    harness.start(server)


def change_keys(server, device, people, file):
    """Two people sign the current record's keys and CAs for the camera, and it takes them."""
    server.run("command", "prepare", "change_keys", device, "-o", file)
    found = signed_commands.load(file)
    signed_commands.sign(found, people)
    signed_commands.save(file, found)
    server.run("command", "import", file)

    def done():
        return next(one for one in server.json("command", "list", device) if one["command"] == "change_keys")

    wait_for(lambda: done()["state"] == "done", "change_keys: " + str(done()))


def is_up(board):
    wait_for(lambda: board.status()["link"] == "up", "the session: " + str(board.status()))


def trusted(board):
    return (board.state / "ownership/record.json").read_text().count("BEGIN CERTIFICATE")


def of_services(board):
    path = board.state / f"web/issued/{board.status()['device']}.camward.internal.pem"
    return x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else None


def served_anew(board, before):
    """The services' certificate, once it is another one: it follows each change of the CAs."""
    return wait_for(lambda: of_services(board) != before and of_services(board), "the services' certificate")


def in_place(board):
    return x509.load_pem_x509_certificate((board.state / "identity/certificate.pem").read_bytes())


def lets_in(server, folder, key, ca):
    """Whether device listener and broker take a certificate, `folder/old.pem`."""
    context = ssl.create_default_context(cadata=ca)
    context.load_cert_chain(folder / "old.pem", key)
    try:
        with httpx.Client(verify=context, base_url=server.device_url) as client:
            listener = client.get("/device/v1/ownership").status_code == 200
    except httpx.TransportError:
        listener = False
    answers = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "x", protocol=mqtt.MQTTv5, reconnect_on_failure=False)
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(not reason.is_failure)
    client.on_disconnect = lambda *_rest: answers.append(False)
    client.tls_set_context(context)
    try:
        client.connect("127.0.0.1", server.mqtt_port)
        client.loop_start()
        wait_for(lambda: answers, "the broker's answer")
    except OSError:
        answers.append(False)
    client.disconnect()
    client.loop_stop()
    return listener, answers[0]


def test_a_second_ca_takes_the_place_of_the_first_and_no_camera_is_cut_off(board, server, people, tmp_path):
    device, file = board.status()["device"], tmp_path / "keys.json"
    (first,) = server.json("ca", "list")
    assert (first["issues"], first["cameras"], first["key"]) == (True, 1, "file:ca.key.pem")
    server.run("ca", "new")
    refused = server.run("ca", "issue", check=False)
    assert (refused.returncode, board.serial in refused.stderr) == (1, True)
    assert trusted(board) == 1
    served = served_anew(board, None)
    change_keys(server, device, people, file)
    assert trusted(board) == 2
    is_up(board)
    served = served_anew(board, served)

    # The first one still issues. What it gave this camera is two months old by now.
    board.kill()
    board.console.clear()
    past = utc(int(time.time())) - timedelta(days=70)
    key = load_pem_private_key((board.state / "identity/tls.key.pem").read_bytes(), None)
    (tmp_path / "key.pem").write_bytes((board.state / "identity/tls.key.pem").read_bytes())
    old = server.services.authority.certify_device(key.public_key(), board.serial, 90, past)
    (tmp_path / "old.pem").write_bytes(old.public_bytes(Encoding.PEM))
    (board.state / "identity/certificate.pem").write_bytes(old.public_bytes(Encoding.PEM))
    server.run("ca", "issue")
    restart(server)
    now = x509.load_pem_x509_certificates(server.ca.read_bytes())
    assert len(now) == 2
    for name in ("server", "ingest"):
        assert is_by(x509.load_pem_x509_certificate((server.folder / f"pki/{name}.pem").read_bytes()), now[0])
    bundle = server.ca.read_text()
    assert lets_in(server, tmp_path, tmp_path / "key.pem", bundle) == (True, True)
    refused = server.run("ca", "retire", check=False)
    assert (refused.returncode, board.serial in refused.stderr) == (1, True)

    # The camera comes back with the old certificate, and renews it at the next CA.
    board.power_on()
    wait_for(lambda: is_by(in_place(board), now[0]), "the renewal: " + str(board.status()))
    is_up(board)
    wait_for(lambda: [one["shown"] for one in server.json("ca", "list")] == [1, 0], "the camera to say so")
    server.run("ca", "retire")
    restart(server)
    assert len(x509.load_pem_x509_certificates(server.ca.read_bytes())) == 1
    assert (server.folder / "broker/ca.pem").read_bytes() == server.ca.read_bytes()
    assert lets_in(server, tmp_path, tmp_path / "key.pem", bundle) == (False, False)
    wait_for(lambda: server.json("device", "show", device)["online"], "the camera at the restarted server")

    # And the camera forgets the first one.
    change_keys(server, device, people, file)
    assert trusted(board) == 1
    is_up(board)
    assert is_by(served_anew(board, served), now[0])
    record = ownership.parse((board.state / "ownership/record.json").read_bytes())
    assert record.ca == server.ca.read_text()
    assert board.status()["device"] == device
