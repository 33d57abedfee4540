"""What trust costs: an idle check, the full verification on both interpreters, its memory, and how much code it is.

The full verification is of tests/bench/trust_fixtures.py: a camera that has looked before, every role of both
repositories is news, product thresholds, no delegations. python-tuf refreshes the image repository alone, from the same
state, in the same run: it is not asked for the second repository, nor for what is particular to the camera.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tuf
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from agent.adapters.linux.keys import verify_signature
from agent.core.clock import Time
from agent.core.trust import Check
from firmware_sim.image.store import default_store
from firmware_sim.image.tools import device_micropython
from tests.bench import trust_fixtures
from tests.bench.rows import row
from tests.contract.server import harness, test_idle
from tests.repositories import DEVICE, World
from tests.tools import trust_gate

ROOT = Path(__file__).resolve().parents[2]
CPYTHON_REPEAT = 50
CPYTHON_MS, MICROPYTHON_MS, MICROPYTHON_ADDED_MB = 100.0, 3000.0, 3.0
IDLE_REQUESTS, IDLE_BYTES = 1, 500
IDLE_REPEAT = 20  # ECDSA signatures differ in length, and each answer may be signed anew


def _timed(prepare: Callable[[], Callable[[], None]]) -> Iterator[float]:
    """Milliseconds of what `prepare` returns, again and again; preparing does not count."""
    for _ in range(CPYTHON_REPEAT):
        run = prepare()
        begun = time.perf_counter()
        run()
        yield (time.perf_counter() - begun) * 1000


def _check(world: World, now: int) -> Callable[[], None]:
    """The agent's full verification, as the camera runs it on CPython, without network and storage."""

    def run() -> None:
        check = Check(DEVICE, world.stored, Time(now, 0, 0), verify_signature)
        while (request := check.wants()) is not None:
            body = world.repository(request.repository).files.get(request.path)
            if body is None:
                check.absent()
            else:
                check.feed(body)
            check.accepted()
        if check.outcome is None:
            raise SystemExit("the full verification found nothing to install")

    return run


class _Files(FetcherInterface):
    """python-tuf's fetcher port on a dictionary."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def _fetch(self, url: str) -> Iterator[bytes]:
        body = self._files.get(url.rsplit("/", 1)[1])
        if body is None:
            raise DownloadHTTPError("not there", 404)
        yield body


def _python_tuf(world: World, folder: Path) -> Callable[[], None]:
    """python-tuf's client on the image repository, from the camera's stored state."""
    place = Path(tempfile.mkdtemp(dir=folder))
    stored = world.stored["image"]
    root = stored["root"] or b""
    for role in ("timestamp", "snapshot", "targets"):
        (place / f"{role}.json").write_bytes(stored[role] or b"")

    def run() -> None:
        address = "https://repository.invalid/"
        updater = Updater(str(place), address, fetcher=_Files(world.image.files), bootstrap=root)
        updater.refresh()
        if updater.get_targetinfo(next(iter(world.image.targets.targets))) is None:
            raise SystemExit("python-tuf did not find the target")

    return run


def _cpython(world: World, now: int) -> list[dict[str, Any]]:
    ours = list(_timed(lambda: _check(world, now)))
    with tempfile.TemporaryDirectory(prefix="camward-bench-") as folder:
        theirs = list(_timed(lambda: _python_tuf(world, Path(folder))))
    verification = row("full verification, 2 repositories, CPython", ours, "ms", CPYTHON_MS)
    verification["peers"] = {f"python-tuf {tuf.__version__}, 1 repository": statistics.median(theirs)}
    return [verification]


def _micropython(world: World, now: int) -> list[dict[str, Any]]:
    interpreter = device_micropython(relock_into=default_store().lock)
    with tempfile.TemporaryDirectory(prefix="camward-bench-") as folder:
        fixtures = Path(folder) / "fixtures"
        trust_fixtures.write(fixtures, world)
        measure = [sys.executable, "-m", "tests.bench.trust_camera", str(interpreter), str(fixtures), str(now)]
        done = subprocess.run(
            [sys.executable, "-m", "firmware_sim.netns", "--", *measure],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
    usual, least = json.loads(done.stdout.splitlines()[-1])
    cpu_ms = usual["cpu_s"] / len(usual["took_us"]) * 1000
    added = [(one["resident_after_bytes"] - one["resident_before_bytes"]) / 1e6 for one in (usual, least)]
    return [
        row("full verification, arm64 MicroPython", [us / 1000 for us in usual["took_us"]], "ms", MICROPYTHON_MS),
        row("  QEMU's CPU time for one, imports and all", [cpu_ms], "ms", None),
        row("  signatures verified in it", [usual["signatures"]], "", None),
        row("  imports before it", [usual["import_us"] / 1000], "ms", None),
        row("RSS it adds to MicroPython, 2 MiB heap", added[:1], "MB", MICROPYTHON_ADDED_MB),
        row(f"RSS it adds with a {least['heap']} heap", added[1:], "MB", None),
    ]


def _idle() -> list[dict[str, Any]]:
    """A real server; a camera that runs what it is told to, and looks again and again."""
    requests, sizes = [], []
    with tempfile.TemporaryDirectory(prefix="camward-bench-") as folder:
        server = harness.make_server(Path(folder) / "server")
        harness.start(server)
        try:
            harness.add_release(server, Path(folder), test_idle.RUNNING)
            camera = harness.Camera(server, Path(folder) / "camera", "KW1-000000001").enrol()
            stored = test_idle.factory(camera)
            server.assign(camera, test_idle.RUNNING)
            with camera.client() as client:
                test_idle.check(camera, client, stored)
                for _ in range(IDLE_REPEAT):
                    _, bodies = test_idle.check(camera, client, stored)
                    requests.append(len(bodies))
                    sizes += [len(body) for body in bodies]
        finally:
            harness.stop(server)
    return [
        row("requests of an idle check", requests, "", IDLE_REQUESTS),
        row("body of its answer", sizes, "bytes", IDLE_BYTES),
    ]


def _code() -> dict[str, Any]:
    names = trust_gate.files(ROOT, trust_gate.CORE)
    lines = sum(trust_gate.code_lines((ROOT / name).read_text(encoding="utf-8")) for name in names)
    return row("core trust code", [lines], "lines", trust_gate.MAX_LINES)


def run() -> list[dict[str, Any]]:
    """Measure; rows as tests.bench writes them."""
    now = int(time.time())
    world = trust_fixtures.world(now)
    return [*_idle(), *_cpython(world, now), *_micropython(world, now), _code()]
