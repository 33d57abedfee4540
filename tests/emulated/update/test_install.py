"""A real update from a real server, with the power cut at chosen moments; and the evidence that follows from it.

One camera's life, told in order: each test goes on where the one before has ended.
"""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from paho.mqtt.enums import CallbackAPIVersion

from agent.core.clock import LEFT_TO_NTP_S
from agent.core.compliance_checks import MAX_SIMPLE_STEPS
from agent.formats import envelope
from agent.formats.boot_record import encode
from firmware_sim.qemu.deadline import Deadline, wait_until
from tests.emulated.fleet import NEWER, PANIC, UPDATE_S, Fleet
from tests.emulated.lab_camera import AGENT, BOOT_S, PASSING, PROCESS, reasons, verdicts
from tests.emulated.logged_update import LoggedUpdate

RELOAD_S = 2.0  # of the broker, once the list is written
UNVERIFIED_TLS = (
    "import ssl\n"
    "from agent.adapters.linux import honest_tls\n"
    "from agent.adapters.linux.honest_tls import loopback_context, server_context\n"
    "def client_context(*arguments, **named):\n"
    "    context = honest_tls.client_context(*arguments, **named)\n"
    "    context.check_hostname = False\n"
    "    context.verify_mode = ssl.CERT_NONE\n"
    "    return context\n"
)
"""What an agent must never do, put into this one so that its evidence has to say FAIL: it takes any certificate."""


def registered_key(fleet: Fleet) -> ec.EllipticCurvePublicKey:
    """The evidence key that the server took at enrolment."""
    with sqlite3.connect(f"file:{fleet.operator.server / 'server.db'}?mode=ro", uri=True) as database:
        (pem,) = database.execute("SELECT evidence_key FROM device WHERE id = ?", (fleet.device_id,)).fetchone()
    database.close()
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def verify(key: ec.EllipticCurvePublicKey, message: envelope.Envelope) -> None:
    """Raises InvalidSignature."""
    r, s = (int.from_bytes(half, "big") for half in (message.signature[:32], message.signature[32:]))
    key.verify(encode_dss_signature(r, s), envelope.message(message), ec.ECDSA(hashes.SHA256()))


def newest_evidence(fleet: Fleet) -> bytes:
    """As the server has stored it."""
    query = "SELECT raw FROM message WHERE device_id = ? AND type = 'evidence' ORDER BY id DESC LIMIT 1"
    with sqlite3.connect(f"file:{fleet.operator.server / 'server.db'}?mode=ro", uri=True) as database:
        (raw,) = database.execute(query, (fleet.device_id,)).fetchone()
    database.close()
    return bytes(raw)


def test_the_report_is_signed_by_the_registered_evidence_key_and_an_altered_one_is_not(fleet: Fleet):
    lab = fleet.lab
    lab.machine.link(False)  # so that the report stays in the outbox
    lab.evidence()
    assert "paper" in lab.shell("ls /data/camward/outbox")
    assert lab.shell("grep -l findings /data/camward/outbox/* || echo none") == "none", "it lies there sealed"
    lab.machine.link(True)
    wait_until(
        lambda: lab.shell("ls /data/camward/outbox | grep paper || echo none") == "none",
        Deadline(UPDATE_S),
        "a receipt",
    )
    message = envelope.parse(newest_evidence(fleet))
    assert message.id == fleet.device_id
    key = registered_key(fleet)
    verify(key, message)
    body = dict(message.body, findings=[dict(one, verdict="FAIL") for one in message.body["findings"]])
    for altered in (message.replace(body=body), message.replace(at=message.at + 1), message.replace(seq=9999)):
        with pytest.raises(InvalidSignature):
            verify(key, altered)
    with pytest.raises(InvalidSignature):
        verify(ec.generate_private_key(ec.SECP256R1()).public_key(), message)


@contextmanager
def back_end(fleet: Fleet, folder: Path) -> Iterator[tuple[mqtt.Client, list[mqtt.MQTTMessage]]]:
    """A consumer of what the camera's river gauge sends, and what it has heard."""
    command = [sys.executable, "-m", "update_server.main", "consumer", "add", "river-office", "--program", "river"]
    command += ["--out", str(folder), "--json", "--dir", str(fleet.operator.server)]
    about = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=BOOT_S).stdout)
    # Before the broker knows it, what it says is dropped, and what it should hear counts as heard.
    listed = fleet.operator.server / "broker/acl"
    wait_until(lambda: about["client"] in listed.read_text(), Deadline(BOOT_S), "the consumer in the broker's list")
    time.sleep(RELOAD_S)
    client, came = mqtt.Client(CallbackAPIVersion.VERSION2, about["client"], protocol=mqtt.MQTTv5), []
    client.tls_set(str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem"))
    client.on_connect = lambda *_: client.subscribe(about["reads"], 1)
    client.on_message = lambda _c, _d, message: came.append(message)
    client.connect("127.0.0.1", about["port"])
    client.loop_start()
    try:
        yield client, came
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_program_that_speaks_no_tls_reaches_its_back_end_over_a_cut_line_too(fleet: Fleet, tmp_path: Path):
    lab, topic = fleet.lab, f"camward/1/{fleet.device_id}/app/river/"
    assert lab.shell("stat -c '%a %u %g' /run/camward/link/river.sock") == "660 0 900"
    with back_end(fleet, tmp_path / "consumer") as (client, came):

        def levels() -> list[int]:
            found = [json.loads(one.payload) for one in list(came) if one.topic == topic + "up/level"]
            assert all(one["cm"] in {0, 10, 20, 30} for one in found)
            return list(dict.fromkeys(one["at"] for one in found))

        client.publish(topic + "down/interval", b"5", 1)
        wait_until(levels, Deadline(UPDATE_S), "the first level, which has waited for somebody to hear it")
        wait_until(lambda: len(levels()) > 2, Deadline(UPDATE_S), "levels every five seconds")
        lab.machine.link(False)
        cut_at, before = int(lab.shell("date +%s")), len(levels())
        lab.shell("sleep 30")
        assert len(levels()) == before
        assert lab.shell("ls /data/camward/programs")
        mended_at = int(lab.shell("date +%s"))
        lab.machine.link(True)
        wait_until(lambda: levels()[-1] > mended_at, Deadline(UPDATE_S), "levels from after the line was mended")
        client.publish(topic + "down/interval", b"3600", 1)
    assert levels() == sorted(levels()), "in the order in which they were measured"
    assert len([at for at in levels() if cut_at < at < mended_at]) >= 2, "those from meanwhile"
    viewers = [json.loads(one.payload) for one in came if one.topic == topic + "up/viewers"]
    assert all(set(one) == {"count"} for one in viewers)


def test_a_clock_that_somebody_has_set_is_put_right_and_the_camera_is_reached(fleet: Fleet):
    """Everything looks expired in 2099; in 1970, nothing has begun. Connections are made anew, by a new agent."""
    lab = fleet.lab

    def is_right() -> bool:
        return abs(int(lab.shell("date +%s")) - time.time()) <= LEFT_TO_NTP_S

    for wrong, said in (("2099-01-01", "set by a time receipt"), ("1970-02-01", "camward-agent: ready")):
        lab.machine.console.skip()
        lab.shell(f"date -s '{wrong} 00:00:00' >/dev/null && {PROCESS.format('agent.main run')}")
        lab.machine.console.wait_for(said, Deadline(BOOT_S), unless=PANIC)
        wait_until(is_right, Deadline(BOOT_S), "the right time on the camera")
        fleet.operator.wait_for(fleet.session, lambda seen: seen.online, Deadline(BOOT_S), "the camera's session")


def test_own_connections_that_verify_nobody_fail(fleet: Fleet):
    lab = fleet.lab

    def connected() -> dict[str, Any]:
        seen: list[dict[str, Any]] = []

        def look() -> bool:
            seen[:] = [lab.evidence()]
            return bool(seen[0]["facts"]["tls_connections"]["open"])

        wait_until(look, Deadline(BOOT_S), "a connection of the agent's own")
        return seen[0]

    healthy = connected()
    assert verdicts(healthy)["S1.1-12"] == "PASS", reasons(healthy)["S1.1-12"]
    assert verdicts(healthy)["S1.1-06"] == "INCONCLUSIVE"
    assert all(one["verified"] for one in healthy["facts"]["tls_connections"]["open"])
    lab.replace("agent/adapters/linux", "tls", UNVERIFIED_TLS)
    lab.restart("agent")
    report = connected()
    assert verdicts(report)["S1.1-12"] == "FAIL"
    assert "is not verified TLS" in reasons(report)["S1.1-12"]


def test_an_update_that_nobody_touches_completes(fleet: Fleet, request: pytest.FixtureRequest):
    """test_power_cuts.py has the same with power cuts. What the test before has broken ended with the power."""
    update: LoggedUpdate = request.getfixturevalue("update")  # now, not before the camera is where this story begins
    assert update.slots == ("a", "b")
    assert (update.tried.active, update.tried.trial) == ("a", "b")


def test_the_new_version_is_in_the_evidence_once_it_has_survived_a_restart(fleet: Fleet):
    fleet.cut()
    assert fleet.booted(Deadline(BOOT_S)) == "b"
    page = fleet.page()
    assert (page["slot"], page["version"]) == ("b", NEWER)
    report = fleet.evidence(lambda seen: verdicts(seen)["S1.1-06"] == "PASS")
    passing = {criterion for criterion, verdict in verdicts(report).items() if verdict == "PASS"}
    assert passing == PASSING | {"S1.1-06", "S1.1-07"}  # the next two tests break these
    assert "FAIL" not in verdicts(report).values()
    assert report["facts"]["update_history"]["user_steps"] == 0


def test_a_camera_that_fell_back_to_the_old_version_fails(fleet: Fleet):
    lab, layout = fleet.lab, fleet.built.layout
    fleet.assign("none")
    record = fleet.record().replace(active="a")
    lab.machine.power_cut()
    for offset in layout.boot_record:
        lab.machine.write_disk(offset, encode(record))
    lab.machine.console.skip()
    lab.machine.power_on()
    assert fleet.booted(Deadline(BOOT_S)) == "a"
    report = lab.evidence()
    assert verdicts(report)["S1.1-06"] == "FAIL"
    assert "but 1.0.0 runs" in reasons(report)["S1.1-06"]


def test_an_update_that_somebody_had_to_ask_for_again_and_again_is_not_easy(fleet: Fleet):
    lab, before = fleet.lab, fleet.committed()
    for _ in range(MAX_SIMPLE_STEPS + 1):
        lab.shell(f"{AGENT} check")
    deadline = Deadline(UPDATE_S)
    fleet.assign(NEWER)
    assert fleet.booted(deadline) == "b"
    fleet.complete(before, deadline)
    report = fleet.evidence(lambda seen: verdicts(seen)["S1.1-07"] == "FAIL")  # this release has no shell to ask
    assert report["facts"]["update_history"]["user_steps"] == MAX_SIMPLE_STEPS + 1
    assert "took 4 steps of the user's" in reasons(report)["S1.1-07"]
