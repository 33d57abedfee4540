"""The main job's figures: building, booting, the whole story, the agent's memory, the tests."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from firmware_sim.demo import images
from firmware_sim.image.build import build
from firmware_sim.image.store import Store, default_store
from tests.bench.rows import row

ROOT = Path(__file__).resolve().parents[2]
BOOTS = 3
CACHED_BUILDS = 3
FIRST_BUILD_S, CACHED_BUILD_S, POWER_ON_S, DEMO_S, TESTS_S = 300.0, 10.0, 20.0, 360.0, 900.0
AGENT_RSS_MB = 40.0


def _builds() -> list[dict[str, Any]]:
    """One build with nothing cached (downloads included), then the same again."""
    default_store().root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=default_store().root, prefix="bench-") as folder:
        store = Store(Path(folder))
        times = []
        for _ in range(1 + CACHED_BUILDS):
            begin = time.monotonic()
            build(images.MODEL, "1.0.0", store=store, relock_into=store.lock)
            times.append(time.monotonic() - begin)
    return [
        row("first image build, nothing cached", times[:1], "s", FIRST_BUILD_S),
        row("cached rebuild", times[1:], "s", CACHED_BUILD_S),
    ]


def _power_on() -> list[dict[str, Any]]:
    command = [
        sys.executable,
        "-m",
        "firmware_sim.netns",
        "--",
        sys.executable,
        "-m",
        "tests.bench.power_on",
        str(BOOTS),
    ]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [row("power-on to agent ready", json.loads(done.stdout.splitlines()[-1]), "s", POWER_ON_S)]


def _demo() -> list[dict[str, Any]]:
    """The whole story with cached images, and what the camera reported about its agent on the way."""
    if images.main() != 0:
        raise SystemExit("the images could not be built")
    begin = time.monotonic()
    subprocess.run([sys.executable, "-m", "firmware_sim.main", "demo"], cwd=ROOT, check=True)
    took = time.monotonic() - begin
    figures = json.loads((default_store().root / "demo" / "summary.json").read_text(encoding="utf-8"))["figures"]
    rows = [row("make demo, images cached", [took], "s", DEMO_S)]
    if figures.get("agent_rss_bytes"):
        rows.append(row("agent RSS, idle, live TLS session", [figures["agent_rss_bytes"] / 1e6], "MB", AGENT_RSS_MB))
    return rows


def _tests() -> list[dict[str, Any]]:
    """What the last whole `make test` took, if there was one: it is not run again for this."""
    results = ROOT / "build" / "test-results" / "summary.json"
    if not results.is_file():
        return []
    took = json.loads(results.read_text(encoding="utf-8"))
    return [row("make test, images cached (last run)", [took["seconds"]], "s", TESTS_S)] if took["whole"] else []


def run() -> list[dict[str, Any]]:
    """Measure; rows as tests.bench writes them."""
    return [*_builds(), *_power_on(), *_demo(), *_tests()]
