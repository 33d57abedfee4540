"""What credentials cost: the policy check and its lists. Logins and refused logins are to follow in `run`.

Passwords of every kind are checked: short and long, refused and taken, and the one that gives the most to look up. The
list is read anew for the row that says what reading costs.
"""

import gc
import statistics
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agent.core
from agent.core import blocklist, password
from agent.core.password_policy import DEFAULT
from firmware_sim.image.tools import micropython
from tests.bench.rows import row

ROOT = Path(__file__).resolve().parents[2]
CORE = Path(agent.core.__file__).parent
CHECK_MS, DISK_BYTES, MEMORY_BYTES = 5.0, 300_000, 1_000_000
REPEAT = 50
CONTEXT = ("Camward", "kawa-1", "KW1-000001", "52:54:00:12:34:56", "river-north")
PASSWORDS = {
    "a default": "7ujMko0admin",
    "a drawn one, 15 characters": "tGh7#kPq2$mWz9!",
    "a sentence, 28 characters": "correct horse battery staple",
    "a Japanese sentence": "川の水位を毎朝見る人は早起きです",
    "letters as digits": "5un5h1n3-butt3rfly",
    "128 characters, the most to look up": "Kq7!vTz2#mWx9pLr4Gd8sBn1cHf6jYe"
    + "abcdefghijklmnopqrstuvwxyz" * 3
    + "abcdefghijabcdefghi",
}
ON_MICROPYTHON = """
import sys
sys.path[0] = sys.argv[1]
import time
from agent.core import blocklist, password
from agent.core.password_policy import DEFAULT
def read(name):
    with open(sys.argv[1] + "/agent/core/" + name, "rb") as file:
        return file.read()
listed = blocklist.ShippedList(read, "100k")
begun = time.ticks_us()
listed.commonness("heron", 1)
print(time.ticks_diff(time.ticks_us(), begun))
for typed in sys.argv[2:]:
    took = []
    for _ in range(9):
        begun = time.ticks_us()
        password.check(typed, "yamada", %r, DEFAULT, listed)
        took.append(time.ticks_diff(time.ticks_us(), begun))
    print(sorted(took)[4])
"""


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
            _timed_ms(lambda typed=typed: password.check(typed, "yamada", CONTEXT, DEFAULT, listed)),  # type: ignore[misc]
            "ms",
            CHECK_MS,
        )
        for what, typed in PASSWORDS.items()
    ]
    first = _timed_ms(lambda: blocklist.ShippedList(_read, "100k").commonness("heron", 1))
    return [*rows, row("reading the lists, at the first check", first, "ms", None)]


def _on_micropython() -> list[dict[str, Any]]:
    """This machine's MicroPython; the emulated arm64 camera is still to be measured, as tests/bench/trust.py does."""
    command = [str(micropython()), "-X", "heapsize=2m", "-c", ON_MICROPYTHON % (CONTEXT,)]
    done = subprocess.run([*command, str(ROOT), *PASSWORDS.values()], check=True, capture_output=True, text=True)
    reading, *checks = [int(line) / 1000 for line in done.stdout.split()]
    return [
        row("MicroPython: policy check, the slowest of them", [max(checks)], "ms", None),
        row("MicroPython: policy check, the median of them", [statistics.median(checks)], "ms", None),
        row("MicroPython: reading the lists", [reading], "ms", None),
    ]


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
    return [*_checks(), *_on_micropython(), *_sizes()]
