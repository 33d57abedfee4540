"""The real agent process with a real server and broker: each command once to its end, all else without effect."""

import json
import ssl
import time

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.formats import command
from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import claim, enrol
from tests.contract.server import harness
from tests.contract.server.test_signed_commands import PASSPHRASE
from update_server.fleet import history
from update_server.repository import signed_commands, signers

SLOT = bytes(range(256)) * 64


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with harness.running(tmp_path_factory.mktemp("server") / "s") as made:
        yield made


@pytest.fixture(scope="module")
def people(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    (folder / "passphrase").write_text(PASSPHRASE)
    keys = [folder / f"{name}.pem" for name in ("aoi", "ken")]
    for key in keys:
        harness.command("command-key", "make", key, "--passphrase-file", folder / "passphrase")
    server.run("command-key", "authorise", *(key.with_suffix(".pub") for key in keys))
    return [signers.load(f"encrypted-file:{key}", PASSPHRASE.encode()) for key in keys]


@pytest.fixture
def board(tmp_path, server, people):
    made = Board(tmp_path / "board", (server.folder / "tuf/image/1.root.json").read_bytes())
    made.leave_factory(SLOT)
    made.power_on()
    made.start_camera()
    enrol(made, server, claim(made))
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def inject(server, device, *bodies):
    """What somebody who has taken over the broker does: publish. In the server's own session, which must live on."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, "camward-ingest", protocol=mqtt.MQTTv5, manual_ack=True, reconnect_on_failure=False
    )
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 86_400
    context = ssl.create_default_context(cafile=str(server.ca))
    context.load_cert_chain(server.folder / "pki/ingest.pem", server.folder / "pki/ingest.key.pem")
    client.tls_set_context(context)
    client.connect("127.0.0.1", server.mqtt_port, clean_start=False, properties=properties)
    client.loop_start()
    for sent in [client.publish(f"camward/1/{device}/down/command", json.dumps(body), 1) for body in bodies]:
        sent.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


def shown(server, device):
    return {one["command"]: one["state"] for one in server.json("command", "list", device)}


def ended(server, device, name):
    return wait_for(lambda: shown(server, device).get(name) == "done", f"{name}: {shown(server, device)}")


def refused(server, device):
    with server.services.database.read() as session:
        return [row.code for row in history.refusals(session, device)]


def test_each_command_comes_once_to_its_end(board, server, people, tmp_path):
    device = board.status()["device"]
    server.run("command", "send", "check", device)
    ended(server, device, "check")
    server.run("command", "send", "evidence", device)
    ended(server, device, "evidence")
    server.run("command", "send", "reboot", device)
    board.wait_for_restart()
    ended(server, device, "reboot")
    time.sleep(2)
    assert len(board.boots) == 2
    assert board.process.poll() is None, "it restarted once"
    server.run("command-key", "renew")
    file = tmp_path / "keys.json"
    server.run("command", "prepare", "change_keys", device, "-o", file)
    found = signed_commands.load(file)
    signed_commands.sign(found, people)
    signed_commands.save(file, found)
    before = (board.state / "ownership/record.json").read_bytes()
    server.run("command", "import", file)
    ended(server, device, "change_keys")
    assert (board.state / "ownership/record.json").read_bytes() != before
    wait_for(lambda: board.status()["link"] == "up", "the session by the changed record")
    seq = server.json("command", "send", "check", device)[0]["seq"]
    wait_for(
        lambda: [one for one in server.json("command", "list", device) if one["seq"] == seq and one["state"] == "done"],
        "a command of the new key",
    )
    server.run("command", "prepare", "erase", device, "-o", file)
    found = signed_commands.load(file)
    signed_commands.sign(found, people)
    signed_commands.save(file, found)
    server.run("command", "import", file)
    board.wait_for_restart()
    assert board.ask("web", "state")["state"] == "unclaimed"
    ended(server, device, "erase")


def test_what_is_not_right_has_no_effect_and_is_reported(board, server, people):
    device = board.status()["device"]
    made = server.json("command", "send", "check", device)[0]
    ended(server, device, "check")
    online = server.services.director.online
    key = online.signer(next(one["id"] for one in server.json("command-key", "list") if one["where"] != "offline"))
    now, above = int(time.time()), made["seq"] + 10_000  # the server's own checks, after an enrolment, take numbers too

    def order(name, seq, at, who, device_id=device):
        one = {"signed": command.signed_part(device_id, seq, at, at + 600, name, {}), "signatures": []}
        signed_commands.sign([one], who)
        return one

    good = order("reboot", above, now, [key])
    tampered = json.loads(json.dumps(good).replace('"reboot"', '"evidence"'))
    bad = {
        "format": {"type": "reboot"},
        "wrong_device": order("reboot", above, now, [key], "a" * 26),
        "forged": tampered,
        "replayed": order("reboot", made["seq"] - 1, now, [key]),
        "expired": order("reboot", above, now - 1000, [key]),
        "too_few_signatures": order("erase", now, now, [people[0], key]),
    }
    inject(server, device, *bad.values())
    wait_for(lambda: {f"command {code}" for code in bad} <= set(refused(server, device)), "the refusals")
    kept = json.loads((board.state / "commands/state.json").read_bytes())
    assert (kept["one"]["name"], kept["grave"]) == ("check", None)
    assert board.ask("web", "state")["state"] == "claimed"
    assert len(board.boots) == 1
    inject(server, device, good)
    board.wait_for_restart()
    wait_for(lambda: board.status()["link"] == "up", "the same camera follows what is right")


def test_the_identity_gets_another_key_and_the_old_one_opens_nothing_of_the_server_any_more(board, server, tmp_path):
    device, place = board.status()["device"], board.state / "identity"
    old = [tmp_path / name for name in ("certificate.pem", "tls.key.pem")]
    for copy in old:
        copy.write_bytes((place / copy.name).read_bytes())

    def by_the_old_one():
        with httpx.Client(verify=server.context(*old), base_url=server.device_url) as client:
            return client.get("/device/v1/ownership").status_code

    assert by_the_old_one() == 200
    server.run("command", "send", "rotate_identity", device)
    ended(server, device, "rotate_identity")
    assert all((place / copy.name).read_bytes() != copy.read_bytes() for copy in old)
    assert by_the_old_one() == 403
    wait_for(lambda: board.status()["link"] == "up", "the session by the new key")
    board.kill()
    board.power_on()
    server.run("command", "send", "evidence", device)  # which waits for a time receipt, by HTTPS with the new key
    ended(server, device, "evidence")
    assert board.status()["device"] == device
    assert not [name for name in ("rotated.key.pem", "rotated-certificate.pem") if (place / name).exists()]
