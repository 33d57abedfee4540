"""The outbox and the link: what 50,000 waiting messages take of memory, and how fast messages go beside plain paho.

One broker (Mosquitto as the server configures it, TLS, a subscriber) serves all. Both sides have up to twenty messages
in flight. The camera's side is the agent's own: Reporting, sealed files that are flushed, PahoLink.

Then the server's side: `link_ingest`, and what a fleet does when its broker was away: `link_reconnect`.
"""

import json
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives import serialization
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench import link_ingest, link_reconnect
from tests.contract.ports import outbox_program
from tests.contract.server import harness
from update_server.fleet import broker as broker_files
from update_server.serving.broker import BrokerChild

FULL = 50_000
GROWTH_MB = 5.0
MESSAGES = 2000
BODY_BYTES = 300  # of telemetry as it is today
ROUNDS = 3
HALF = 0.5
DEADLINE_S = 300


def _row(what: str, values: list[float], unit: str, *, lower: bool, target: float | None = None) -> dict[str, Any]:
    better = "lower" if lower else "higher"
    spread = {"value": statistics.median(values), "min": min(values), "max": max(values)}
    return {"what": what, **spread, "unit": unit, "better": better, "target": target, "peers": {}}


def _rss_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def grow(folder: Path) -> None:
    """In a process of its own: fill an outbox, or find a full one, and print what that took of memory."""
    from types import SimpleNamespace

    from agent.adapters.linux.device_secret import UnsafeFileDeviceSecret
    from agent.adapters.linux.spool import FileSpool
    from agent.adapters.linux.store import FileStore
    from agent.app.desk import Desk
    from agent.app.outgoing import Outgoing
    from agent.formats.config import MAX_TELEMETRY_AGE_S

    store = FileStore(folder)
    ports = SimpleNamespace(store=store, spool=FileSpool(store), secret=UnsafeFileDeviceSecret(store))
    config: Any = SimpleNamespace(telemetry_max_age_s=MAX_TELEMETRY_AGE_S)
    held: Any = ports
    wire = b"x" * BODY_BYTES

    def started() -> Outgoing:
        made = Outgoing(Desk(held, config, None), lambda: 1_800_000_000)  # type: ignore[arg-type]
        made.load(lambda: None)
        return made

    is_full = (folder / "outbox").exists()
    before = _rss_mb()
    box = started()
    if not is_full:
        for kind in ("alarm", "telemetry"):  # what the first message loads is no growth
            box.put(kind, box.number(), 1_800_000_000, wire)
        box.flush()
        before = _rss_mb()
        while box.count() < FULL:
            box.put("telemetry", box.number(), 1_800_000_000, wire)
        box.flush()
    print(json.dumps({"mb": _rss_mb() - before, "lost": box.lost() + FULL - box.count()}))


@contextmanager
def _broker(folder: Path) -> Iterator[tuple[harness.Camera, int]]:
    """A camera with a certificate, and a broker with a subscriber."""
    server = harness.make_server(folder / "s")
    harness.start(server)
    try:
        camera = harness.Camera(server, folder / "camera", "KW1-000088").enrol()
        services = server.services
        (folder / "ownership.json").write_bytes(services.ownership.record(services.ownership.current))
    finally:
        harness.stop(server)
    (port,) = harness.free_ports(1)
    place = folder / "broker"
    place.mkdir()
    for path in (folder, place):
        path.chmod(0o755)
    account = broker_files.write(place, server.folder / "pki", port, "127.0.0.1")
    broker = BrokerChild(place, "127.0.0.1", port, account)
    hearer = mqtt.Client(CallbackAPIVersion.VERSION2, "hearer", protocol=mqtt.MQTTv5)
    hearer.tls_set_context(server.context(server.folder / "pki/ingest.pem", server.folder / "pki/ingest.key.pem"))
    subscribed: queue.Queue[int] = queue.Queue()
    hearer.on_subscribe = lambda *_: subscribed.put(1)
    hearer.connect("127.0.0.1", port)
    hearer.loop_start()
    hearer.subscribe("camward/1/#", 0)
    subscribed.get(timeout=DEADLINE_S)
    try:
        yield camera, port
    finally:
        hearer.disconnect()
        hearer.loop_stop()
        broker.stop()


def _plain(camera: harness.Camera, port: int) -> float:
    """Messages in a second by paho alone."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, camera.id, protocol=mqtt.MQTTv5)
    client.tls_set_context(camera.context())
    up: queue.Queue[int] = queue.Queue()
    done: queue.Queue[int] = queue.Queue()
    client.on_connect = lambda *_: up.put(1)
    client.on_publish = lambda *_: done.put(1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    up.get(timeout=DEADLINE_S)
    begun = time.perf_counter()
    for _ in range(MESSAGES):
        client.publish(f"camward/1/{camera.id}/up/telemetry", b"x" * BODY_BYTES, 1)
    for _ in range(MESSAGES):
        done.get(timeout=DEADLINE_S)
    taken = time.perf_counter() - begun
    client.disconnect()
    client.loop_stop()
    return MESSAGES / taken


class _Agent:
    """The agent's outbox and link on a new storage."""

    def __init__(self, folder: Path, camera: harness.Camera, port: int) -> None:
        self.folder = folder / "agent"
        shutil.rmtree(self.folder, ignore_errors=True)
        keys = self.folder / "state" / "identity"
        keys.mkdir(parents=True)
        pem = camera.evidence_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (keys / "evidence.key.pem").write_bytes(pem)
        for name in ("cert.pem", "key.pem"):
            shutil.copy(camera.folder / name, self.folder / name)
        record = json.loads((folder / "ownership.json").read_bytes())
        record["broker"] = {"host": "127.0.0.1", "port": port}
        (self.folder / "ownership.json").write_text(json.dumps(record))
        (self.folder / "about.json").write_text(json.dumps({"device": camera.id}))
        self.events: queue.Queue[Any] = queue.Queue()
        self.desk, self.reporting = outbox_program.make(self.folder, self.events.put)
        self.desk.cancel("telemetry")  # its own measurements
        self.acknowledged = -1  # the birth is no message

    def put(self, kind: str) -> None:
        """One message of BODY_BYTES; a sealed kind is signed and sealed first, as the agent does it."""
        if self.reporting._sealing.seals(kind):
            self.reporting.queue(kind, {"code": "bench", "detail": "x" * BODY_BYTES})
            return
        outgoing = self.reporting._outgoing
        outgoing.put(kind, outgoing.number(), int(time.time()), b"x" * BODY_BYTES)

    def turn(self) -> None:
        """The next event."""
        event = self.events.get(timeout=DEADLINE_S)
        self.acknowledged += event[0] == "acknowledged"
        self.desk.now = time.monotonic()
        outbox_program.take(self.reporting, event)


def _agents(folder: Path, camera: harness.Camera, port: int, kind: str, *, stored: bool) -> float:
    """Messages in a second by the agent: queued while the session stands, or `stored` in files before."""
    agent = _Agent(folder, camera, port)
    try:
        if stored:
            for _ in range(MESSAGES):
                agent.put(kind)
            agent.reporting.stop()
        while agent.acknowledged < 0:
            agent.turn()
        begun = time.perf_counter()
        if not stored:
            for _ in range(MESSAGES):
                agent.put(kind)
                agent.reporting.pump()
                while not agent.events.empty():
                    agent.turn()
        while agent.acknowledged < MESSAGES:
            agent.turn()
        return MESSAGES / (time.perf_counter() - begun)
    finally:
        agent.desk.ports.link.close()


def run() -> list[dict[str, Any]]:
    """Measure."""
    grown: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="camward-bench-") as folder:
            for _ in range(2):
                line = [sys.executable, "-m", "tests.bench.link", folder + "/state"]
                done = subprocess.run(line, check=True, capture_output=True, text=True)
                grown.append(json.loads(done.stdout))
    queued, found = ([one["mb"] for one in grown[first::2]] for first in (0, 1))
    rows = [
        _row(f"memory, {FULL} messages queued", queued, "MB", lower=True, target=GROWTH_MB),
        _row(f"memory, {FULL} messages found at the start", found, "MB", lower=True, target=GROWTH_MB),
        _row("messages lost on the way there", [one["lost"] for one in grown], "", lower=True, target=0),
    ]
    speeds: dict[str, list[float]] = {name: [] for name in ("paho", "stands", "stored", "alarms")}
    with tempfile.TemporaryDirectory(prefix="camward-bench-") as name, _broker(Path(name)) as (camera, port):
        for _ in range(ROUNDS):
            speeds["paho"].append(_plain(camera, port))
            speeds["stands"].append(_agents(Path(name), camera, port, "telemetry", stored=False))
            speeds["stored"].append(_agents(Path(name), camera, port, "telemetry", stored=True))
            speeds["alarms"].append(_agents(Path(name), camera, port, "alarm", stored=False))
    plain = statistics.median(speeds["paho"])
    for key, what, target in (
        ("stands", "telemetry while the link stands", HALF * plain),
        ("stored", "telemetry from sealed files", HALF * plain),
        ("alarms", "beside it: alarms, signed, sealed to the fleet, each flushed before it is sent", None),
    ):
        rows.append(_row(what, speeds[key], "/s", lower=False, target=target))
        rows[-1]["peers"] = {"paho alone, QoS 1": plain}
    return rows + link_ingest.run() + link_reconnect.run()


if __name__ == "__main__":
    grow(Path(sys.argv[1]))
