"""A broker is killed and started again: when its cameras are back. `python -m tests.bench.link_reconnect [CAMERAS]`.

Real TLS sessions with certificates of their own, on Mosquitto as the server configures it; the cameras are light ones
in one process, which wait as the agent does (agent.adapters.linux.link.delay_s). Beside it the same with cameras that
all try again half a second later: what the waiting is for.
"""

import asyncio
import contextlib
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.adapters.linux.link import MIN_DELAY_S, SETTLED_S, delay_s
from tests.bench.mqtt_light import Light, histogram, most_in_a_second, now_s
from tests.contract.server import harness
from update_server.fleet import broker as broker_files
from update_server.pki import authority
from update_server.serving.broker import BrokerChild

CAMERAS = 5000
AT_ONCE = 100  # while they connect for the first time
DOWN_S = 2.0  # of the broker
DEADLINE_S = 900
HERD = 0.1  # of the fleet, in one second: no more than that are to knock
SEED = 40
FILES_OVER = 500

Wait = Callable[[int, float], float]


@dataclass
class Curve:
    """Seconds since the broker was back, of each attempt that began and of each session that stood."""

    begun: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)


def _as_the_agent(failures: int, fraction: float) -> float:
    return delay_s(failures, SETTLED_S, fraction)


def _at_once(_failures: int, _fraction: float) -> float:
    return MIN_DELAY_S


def _start(folder: Path, port: int) -> BrokerChild:
    account = broker_files.write(folder / "broker", folder / "pki", port, "127.0.0.1")
    return BrokerChild(folder / "broker", "127.0.0.1", port, account)


async def _restart(cameras: list[Light], folder: Path, port: int, wait: Wait) -> Curve:
    curve, chance = Curve(), random.Random(SEED)
    broker = _start(folder, port)
    try:
        for first in range(0, len(cameras), AT_ONCE):
            await asyncio.gather(*(one.connect(port) for one in cameras[first : first + AT_ONCE]))

        async def returns(camera: Light) -> None:
            await camera.until_gone()
            failures = 0
            while True:
                failures += 1
                await asyncio.sleep(wait(failures, chance.random()))
                curve.begun.append(now_s())
                try:
                    await camera.connect(port)
                except OSError:
                    camera.close()
                    continue
                curve.back.append(now_s())
                return

        tasks = [asyncio.create_task(returns(camera)) for camera in cameras]
        broker._process.kill()
        broker.stop()
        await asyncio.sleep(DOWN_S)
        broker = await asyncio.to_thread(_start, folder, port)
        up_at_s = now_s()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*tasks)
    finally:
        for camera in cameras:
            camera.close()
        broker.stop()
    # The first ones may have found the broker before we heard that it is ready.
    up_at_s = min(up_at_s, *curve.back)
    return Curve([at - up_at_s for at in curve.begun if at >= up_at_s], [at - up_at_s for at in curve.back])


@contextlib.contextmanager
def _room(cameras: int) -> Any:
    """Enough open files for both ends of so many connections.

    Raises:
        RuntimeError: the machine does not permit that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < cameras + FILES_OVER:
        raise RuntimeError(f"{cameras} connections take more than {hard} files: raise 'ulimit -Hn'")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _row(what: str, found: float, other: float, unit: str, target: float | None) -> dict[str, Any]:
    peers = {"all again at once": other}
    return {"what": what, "value": found, "unit": unit, "better": "lower", "target": target, "peers": peers}


def run(count: int = CAMERAS) -> list[dict[str, Any]]:
    """Measure, and print the curves."""
    (port,) = harness.free_ports(1)
    with _room(count), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("pki", "broker"):
            (folder / part).mkdir()
        ca = authority.make(folder / "pki", "bench", datetime.now(UTC))
        ca.write_server(("127.0.0.1",), datetime.now(UTC))
        cameras = [Light(ca, folder, number) for number in range(count)]
        waiting = asyncio.run(_restart(cameras, folder, port, _as_the_agent))
        time.sleep(DOWN_S)
        herd = asyncio.run(_restart(cameras, folder, port, _at_once))
    for curve, what in ((waiting, "waiting as the agent does"), (herd, "all again at once")):
        print(f"{count} cameras after a restart of the broker, {what}: sessions that stand again")
        print(histogram(curve.back))
    late = [sorted(curve.back)[int(0.99 * (count - 1))] for curve in (waiting, herd)]
    return [
        _row(f"{count} cameras, 99 % are back", late[0], late[1], "s", None),
        _row(f"{count} cameras, all are back", max(waiting.back), max(herd.back), "s", None),
        _row(
            "the most that knock in one second", most_in_a_second(waiting.begun), most_in_a_second(herd.begun), "/s",
            HERD * count,
        ),
        _row("attempts for each session", len(waiting.begun) / count, len(herd.begun) / count, "", None),
    ]  # fmt: skip


if __name__ == "__main__":
    from tests.bench.__main__ import show

    print(show(run(*[int(word) for word in sys.argv[1:]])))
