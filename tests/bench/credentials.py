"""What credentials cost: the policy check and its lists, here and on the emulated camera; logins, and refused ones.

Passwords of every kind are checked (tests/bench/credentials_device.py). The list is read anew for the row that says
what reading costs.
"""

import gc
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agent.core
from agent.core import blocklist, password
from agent.core.password_policy import DEFAULT
from firmware_sim.image.store import default_store
from firmware_sim.image.tools import device_micropython, micropython
from tests.bench import credentials_logins
from tests.bench.credentials_device import CONTEXT, MOST, PASSWORDS, USER
from tests.bench.rows import row

ROOT = Path(__file__).resolve().parents[2]
CORE = Path(agent.core.__file__).parent
CHECK_MS, ARM64_MS, DISK_BYTES, MEMORY_BYTES = 5.0, 100.0, 300_000, 1_000_000
REPEAT = 50


def _read(name: str) -> bytes:
    return (CORE / name).read_bytes()


def _timed_ms(work: Callable[[], object]) -> list[float]:
    """CPU time: the work waits for nothing, and what else the machine does adds little to it."""
    found = []
    for _ in range(REPEAT):
        begun = time.process_time()
        work()
        found.append((time.process_time() - begun) * 1000)
    return found


def _checks() -> list[dict[str, Any]]:
    listed = blocklist.ShippedList(_read, "100k")
    listed.commonness("heron", 1)
    rows = [
        row(
            f"policy check: {what}",
            _timed_ms(lambda typed=typed: password.check(typed, USER, CONTEXT, DEFAULT, listed)),  # type: ignore[misc]
            "ms",
            CHECK_MS,
        )
        for what, typed in PASSWORDS.items()
    ]
    first = _timed_ms(lambda: blocklist.ShippedList(_read, "100k").commonness("heron", 1))
    return [*rows, row("reading the lists, at the first check", first, "ms", None)]


def _interpreted(where: str, found: dict[str, Any], target: float | None) -> list[dict[str, Any]]:
    """Rows of what credentials_device.py printed."""
    took = {what: [us / 1000 for us in each] for what, each in found["checks_us"].items()}
    usual = [statistics.median(each) for what, each in took.items() if what != MOST]
    return [
        row(f"{where}: policy check, {MOST}", took[MOST], "ms", target),
        row(f"{where}: policy check, the others", usual, "ms", target),
        row(f"{where}: reading the lists", [found["reading_us"] / 1000], "ms", None),
    ]


def _on_micropython() -> list[dict[str, Any]]:
    """This machine's MicroPython."""
    program = str(ROOT / "tests/bench/credentials_device.py")
    command = [str(micropython()), "-X", "heapsize=2m", program, str(ROOT)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return _interpreted("MicroPython", json.loads(done.stdout), None)


def _on_camera() -> list[dict[str, Any]]:
    """The emulated arm64 camera, with both interpreters; the agent there runs on CPython."""
    interpreter = device_micropython(relock_into=default_store().lock)
    measure = [sys.executable, "-m", "tests.bench.credentials_camera", str(interpreter)]
    done = subprocess.run(
        [sys.executable, "-m", "firmware_sim.netns", "--", *measure],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    return [one for name in told for one in _interpreted(f"arm64 {name}", told[name], ARM64_MS)]


def _sizes() -> list[dict[str, Any]]:
    names = {common: [blocklist.WORDS, *(name for _, name in files)] for common, files in blocklist.FILTERS.items()}
    disk = {common: float(sum(len(_read(name)) for name in found)) for common, found in names.items()}
    return [
        row("blocklist on disk", [disk["100k"]], "bytes", DISK_BYTES),
        row("blocklist on disk, for small devices", [disk["10k"]], "bytes", None),
        row("blocklist in memory, CPython", [_memory_bytes("100k")], "bytes", MEMORY_BYTES),
        row("blocklist in memory, CPython, small devices", [_memory_bytes("10k")], "bytes", None),
    ]


def _memory_bytes(common: str) -> float:
    """What reading the lists allocates and keeps."""
    gc.collect()
    tracemalloc.start()
    listed = blocklist.ShippedList(_read, common)
    listed.commonness("heron", 1)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(kept)


def run() -> list[dict[str, Any]]:
    """Measure; rows as tests.bench writes them."""
    return [*_checks(), *_on_micropython(), *_on_camera(), *_sizes(), *credentials_logins.run()]
