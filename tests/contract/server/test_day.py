"""What a quiet camera costs in a day, counted on the wire: the real link and fetcher, Mosquitto and the server.

Each thing that such a camera does is done once or a few times, and its IP packets are counted (wire_meter.py); a day is
their sum, by the intervals that a server sets out of the box. No time is measured. TCP goes without time stamps, as the
camera's kernel has it (agent/boot/sysctl.conf); and with the hybrid key exchange, which is added where the TLS library
here has none.
"""

import json
import queue
import random
import ssl
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization

from agent.adapters.linux.fetcher import HttpsFetcher
from agent.app.reporting import KEEP_ALIVE_S
from agent.core.gathering import most
from agent.formats import command, evidence
from firmware_sim.netns import require_closed_network
from tests.contract.ports import outbox_program
from tests.contract.server.harness import wait_for
from tests.contract.server.test_idle import check, factory
from tests.contract.server.wire_meter import Meter
from update_server.settings import DAY_S, Devices

DAY_BYTES = 60_000
TIME_STAMPS = Path("/proc/sys/net/ipv4/tcp_timestamps")  # of this network namespace
CAMERA_SETTINGS = Path(__file__).parents[3] / "agent/boot/sysctl.conf"
HAS_HYBRID = ssl.OPENSSL_VERSION_INFO >= (3, 5)  # X25519MLKEM768 by itself, at both ends: they run with the same
# Else what two of that version send more: 1,240 bytes in the ClientHello, 1,088 in the ServerHello (docs/telemetry.md),
# and a packet of 40 bytes each way with its acknowledgement.
HYBRID_BYTES = 0 if HAS_HYBRID else 1240 + 1088 + 2 * 80
SAMPLE = {
    "version": "1.0.0", "slot": "a", "phase": "idle", "uptime_s": 88_064, "rss_bytes": 65_273_856,
    "mem_available_bytes": 24_330_059_776, "disk_free_bytes": 42_674_774_016, "outbox_count": 0, "outbox_lost": 0,
    "outbox_written_bytes": 4878, "listeners_count": 3, "cpu_percent": 12.5, "temperature_c": 41.5,
    "password_age_days": 12, "password_policy": "nist.92554259", "password_stage": "none",
    "certificate_ends_at": 1_803_686_471,
}  # fmt: skip
REPORT_BYTES = 5500  # the emulated camera's, enrolled and updated, has 4,892
SESSIONS = 1  # begun in a day: carriers like to give a new address as often
NEWS = 2  # messages beside the regular ones: the age of a certificate's renewal, a port that opens
COMMANDS = 1  # a nudge, with the check that follows


class Cost(NamedTuple):
    """What was counted of one thing of each kind, in bytes of IP packets, both directions together."""

    session: int
    keep_alive: int
    telemetry: int
    old_telemetry: int
    evidence: int
    command: int
    check: int
    receipt: int


def samples(count, every_s):
    """A quiet camera's: what changes is what does on one that does nothing but show pictures."""
    chance, found = random.Random(6), []
    now = dict(SAMPLE, at=int(time.time()) - count * every_s)
    for _ in range(count):
        now = dict(now, at=now["at"] + every_s, uptime_s=now["uptime_s"] + every_s)
        now["cpu_percent"], now["temperature_c"] = (chance.randrange(50, 250) / 10, chance.randrange(400, 450) / 10)
        now["rss_bytes"] += chance.choice((0, 4096, -8192))
        now["mem_available_bytes"] += chance.randrange(-200, 200) * 4096
        now["disk_free_bytes"] -= chance.choice((0, 4096, 16_384))
        found.append(now)
    return found


class Agent:
    """The agent's reporting with the real link, and a meter."""

    def __init__(self, camera, folder, meter):
        self.camera, self.meter, self.events = camera, meter, queue.Queue()
        folder.mkdir()
        for name in ("cert.pem", "key.pem"):
            (folder / name).write_bytes((camera.folder / name).read_bytes())
        (folder / "about.json").write_text(json.dumps({"device": camera.id}))
        with camera.client() as client:
            (folder / "ownership.json").write_bytes(client.get("/device/v1/ownership").content)
        identity = folder / "state" / "identity"
        identity.mkdir(parents=True)
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        key = camera.evidence_key.private_bytes(pem, pkcs8, serialization.NoEncryption())
        (identity / "evidence.key.pem").write_bytes(key)
        self.commands = []
        self.folder = folder

    def connect(self):
        self.desk, self.reporting = outbox_program.make(self.folder, self.events.put)
        self.desk.cancel("telemetry")  # its own measurements
        self.link = self.desk.ports.link
        self.until(lambda: self.reporting._heard)
        self.port = self.link._client.socket().getsockname()[1]

    def step(self):
        try:
            event = self.events.get(timeout=0.02)
        except queue.Empty:
            event = ("nothing",)
        if event[0] == "message" and event[1].endswith("/command"):
            self.commands.append(event[2])
        elif event[0] != "nothing":
            outbox_program.take(self.reporting, event)
        self.desk.now = time.monotonic()
        self.desk.run_due()
        self.desk.take()

    def until(self, condition):
        def done():
            self.step()
            return condition()

        wait_for(done, "the agent")

    def cost(self, act):
        """Bytes of the session for what `act` does, until nothing waits for an answer any more."""
        mark = self.meter.mark()
        act()
        self.until(lambda: self.reporting.count() == 0)
        return self.meter.since(mark, self.camera.server.mqtt_port, self.port)

    def queue(self, kind, body):
        def act():
            assert self.reporting.queue(kind, body), self.reporting.link_problem

        return act

    def ping(self):
        """What paho does by itself when the line has been silent for the keep-alive."""
        answers = self._answers()
        self.link._client._send_pingreq()
        wait_for(lambda: self._answers() > answers, "the broker's answer")

    def _answers(self):
        return sum(bool(one.payload_bytes) and not one.is_up and one.client_port == self.port for one in self.packets())

    def packets(self):
        return list(self.meter.packets)


def evidence_body(camera):
    noise = random.Random(7).randbytes(REPORT_BYTES // 2).hex()
    finding = evidence.Finding("S1.1-01", evidence.PASS, evidence.MEASURED, ("logins",), "tried")
    facts = {"logins": {"tried": noise}}
    report = evidence.Report(int(time.time()), camera.id, "kawa-1", "a", "1.0.0", "star1", (finding,), facts)
    return evidence.body(report)


@pytest.fixture(scope="module")
def as_cameras_do():
    """TCP without time stamps, which both ends of a connection need to have: a camera has not."""
    require_closed_network()
    assert "net/ipv4/tcp_timestamps 0" in CAMERA_SETTINGS.read_text().splitlines()
    before = TIME_STAMPS.read_text()
    TIME_STAMPS.write_text("0")
    yield
    TIME_STAMPS.write_text(before)


@pytest.fixture(scope="module")
def cost(as_cameras_do, server, tmp_path_factory):
    """Each thing done, and counted."""
    from tests.contract.server.harness import Camera

    folder = tmp_path_factory.mktemp("day")
    camera = Camera(server, folder / "camera", "KW1-600060").enrol()
    camera.server.assign(camera, None)
    stored = factory(camera)
    with camera.client() as client:
        check(camera, client, stored)  # the first one, which fetches everything
    with Meter(server.mqtt_port, server.device_port) as meter:
        agent = Agent(camera, folder / "agent", meter)
        mark = meter.mark()
        agent.connect()
        session = meter.since(mark, server.mqtt_port, agent.port)
        settings = Devices()
        assert agent.link._client._keepalive == KEEP_ALIVE_S[settings.line]
        hour = samples(most(settings.line, settings.telemetry_interval_s), settings.telemetry_interval_s)
        telemetry = agent.cost(agent.queue("telemetry", {"samples": hour}))
        old_body = {name: value for name, value in SAMPLE.items() if name != "at"}
        old_telemetry = agent.cost(agent.queue("telemetry", old_body))
        evidence_cost = agent.cost(agent.queue("evidence", evidence_body(camera)))
        keep_alive = agent.cost(agent.ping)

        def commanded():
            with server.services.database.write() as database:
                assert server.services.commands.hasten(database, camera.id, int(time.time()))
            agent.until(lambda: agent.commands)
            found = command.parse(agent.commands[0])
            for event in ("accepted", "done"):
                body = command.report_body(command.CommandReport(event, found.seq, found.name, "", 1))
                agent.queue("report", body)()

        command_cost = agent.cost(commanded)
        agent.link.close()
        fetcher = HttpsFetcher(camera.folder / "cert.pem", camera.folder / "key.pem")
        fetcher.open(server.device_url, server.ca.read_text())

        def fetched(path):
            mark = meter.mark()
            body = fetcher.get(path, 16_384)
            fetcher.close()
            return meter.since(mark, server.device_port), body

        check_cost, body = fetched(f"/tuf/director/{camera.id}/timestamp.json")
        assert body
        receipt_cost, body = fetched("/device/v1/time/" + "5a" * 16)
        assert body
    session, check_cost, receipt_cost = (one + HYBRID_BYTES for one in (session, check_cost, receipt_cost))
    return Cost(session, keep_alive, telemetry, old_telemetry, evidence_cost, command_cost, check_cost, receipt_cost)


def day(cost, settings, *, keep_alive_s, telemetry, every_s):
    """A row for each thing: how often in a day, and what once. `every_s`: between two messages of telemetry.

    A line is asked whether it stands only when it was silent for the keep-alive. That a camera does no more than this
    is what tests/scenario/test_telemetry.py finds.
    """
    messages = DAY_S // every_s
    return {
        "session": (SESSIONS, cost.session),
        "keep-alive": (messages * ((every_s - 1) // keep_alive_s), cost.keep_alive),
        "telemetry": (messages + NEWS, telemetry),
        "evidence": (1, cost.evidence),
        "command": (COMMANDS, cost.command),
        "check": (-(-DAY_S // settings.check_interval_s) + COMMANDS, cost.check),
        "time receipt": (0, cost.receipt),  # asked for where the clock is in doubt, or something is to be installed
    }


def total(rows):
    return sum(count * each for count, each in rows.values())


def test_a_quiet_camera_costs_less_than_60_kb_a_day(cost):
    settings = Devices()
    together = most(settings.line, settings.telemetry_interval_s)
    every_s = settings.telemetry_interval_s * together
    rows = day(cost, settings, keep_alive_s=KEEP_ALIVE_S[settings.line], telemetry=cost.telemetry, every_s=every_s)
    print("\n" + "\n".join(f"{what}: {count} x {each} = {count * each}" for what, (count, each) in rows.items()))
    print(total(rows))
    assert total(rows) < DAY_BYTES
    assert all(each > 150 for _, each in rows.values()), "a meter that sees nothing proves nothing"


def test_as_it_was_it_cost_many_times_as_much(cost):
    settings = Devices(check_interval_s=900, telemetry_interval_s=300)
    rows = day(cost, settings, keep_alive_s=60, telemetry=cost.old_telemetry, every_s=300)
    print("\n" + "\n".join(f"{what}: {count} x {each} = {count * each}" for what, (count, each) in rows.items()))
    print(total(rows))
    assert total(rows) > 10 * DAY_BYTES
