"""How fast telemetry that waits at the broker gets into PostgreSQL: `python -m tests.bench.link_ingest [MESSAGES]`.

All on two cores: Mosquitto with TLS, two ingest processes, PostgreSQL with fsync, the idle server. The messages are a
camera's own, of as many cameras as connect; they are put there first, so that making them does not count.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from agent.formats import envelope
from agent.formats.envelope import SAMPLES, Envelope
from tests import postgres
from tests.bench.mqtt_light import Light
from tests.contract.server import harness
from update_server.db.models import Device, Message

MESSAGES = 40_000  # below what the broker keeps for one session
CAMERAS = 400
PROCESSES = 2
CORES = 2
ROUNDS = 3
TARGET = 5000
POLL_S = 0.1
DEADLINE_S = 300
SAMPLES_EACH = (1, 6)  # of a wired camera, and of an hour of one on a mobile line


def _sample(number: int, at: int) -> dict[str, Any]:
    return {
        "at": at, "version": "1.0.1", "slot": "a", "phase": "idle", "uptime_s": 600 * number, "rss_bytes": 31_457_280,
        "mem_available_bytes": 60_000_000 - number, "disk_free_bytes": 1_000_000_000, "outbox_count": 1,
        "outbox_lost": 0, "outbox_written_bytes": 3000, "listeners_count": 5, "cpu_percent": 3.2 + number % 7,
        "temperature_c": 41.5, "password_age_days": 3, "password_policy": "nist-0123abcd",
        "certificate_ends_at": at + 5_000_000,
    }  # fmt: skip


def _payload(camera: str, boot: str, seq: int, samples: int, now: int) -> bytes:
    body = {SAMPLES: [_sample(seq * samples + one, now - 600 * (samples - one)) for one in range(samples)]}
    return envelope.encode(Envelope("telemetry", camera, boot, seq, now, body, b""))


def _stored(server: harness.Server) -> int:
    with server.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Message)) or 0


@contextlib.contextmanager
def _two_cores() -> Iterator[None]:
    """Only so many for us and all that we start."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _fill(cameras: list[Light], port: int, boot: str, samples: int, messages: int) -> None:
    each, now = messages // len(cameras), int(time.time())

    async def one(camera: Light) -> None:
        await camera.connect(port)
        payloads = [_payload(camera.id, boot, seq, samples, now) for seq in range(1, each + 1)]
        await camera.publish(f"camward/1/{camera.id}/up/telemetry", payloads)
        camera.close()

    for first in range(0, len(cameras), 50):
        await asyncio.gather(*(one(camera) for camera in cameras[first : first + 50]))


def _drain(server: harness.Server, wanted: int) -> float:
    """Messages in a second, from when all processes are at work to the last message."""
    with contextlib.ExitStack() as stack:
        for number in range(1, PROCESSES + 1):
            stack.enter_context(harness.ingest(server, number))
        begun, first = time.monotonic(), _stored(server)
        while (count := _stored(server)) < wanted:
            if time.monotonic() > begun + DEADLINE_S:
                raise RuntimeError(f"{wanted - count} messages are missing")
            time.sleep(POLL_S)
        return (wanted - first) / (time.monotonic() - begun)


def run(messages: int = MESSAGES, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure."""
    speeds: dict[int, list[float]] = {samples: [] for samples in SAMPLES_EACH}
    count = min(CAMERAS, messages)
    messages -= messages % count
    with _two_cores(), postgres.cluster(durable=True) as cluster, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        url = cluster.create("camward")
        with harness.running(folder / "s", database=url, ingest_processes=PROCESSES) as server:
            cameras = [Light(server.services.authority, folder, number) for number in range(count)]
            with server.services.database.write() as session:
                for camera in cameras:
                    session.add(Device(id=camera.id, serial=camera.id, ownership_sha256="", enrolled_at=0))
            with contextlib.ExitStack() as stack:  # so that the broker knows of them
                for number in range(1, PROCESSES + 1):
                    stack.enter_context(harness.ingest(server, number))
            taken = 0
            for round_ in range(rounds):
                for samples in SAMPLES_EACH:
                    asyncio.run(_fill(cameras, server.mqtt_port, f"b{round_}-{samples}", samples, messages))
                    taken += messages
                    speeds[samples].append(_drain(server, taken))
    return [
        {
            "what": f"ingest into PostgreSQL, {CORES} cores, {samples} sample(s) each",
            "value": sorted(found)[len(found) // 2], "min": min(found), "max": max(found), "unit": "/s",
            "better": "higher", "target": TARGET, "peers": {},
        }
        for samples, found in speeds.items()
    ]  # fmt: skip


if __name__ == "__main__":
    from tests.bench.__main__ import show

    print(show(run(*[int(word) for word in sys.argv[1:]])))
