"""Installing beside RAUC, SWUpdate and `curl | dd`: wall time, bytes fetched, memory; same camera, image and run.

The cases are those of `tests.bench.install_plan`; how they are run and timed stands in `tests.bench.install_camera`.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_sim.image.store import default_store, scratch
from tests.bench.install_peers import PEERS
from tests.bench.install_plan import MONTH, WHOLE, Plan, make_plan

ROOT = Path(__file__).resolve().parents[2]
REPETITIONS = 3
TO_DD_RATIO = 1.15  # of the time of `curl | dd`
GROWTH_MB = 12.0
MEGABYTE = 1e6
OURS = "Camward"

Found = dict[str, Any]  # one tool's runs, as `tests.bench.install_camera` prints them


def _row(what: str, unit: str, target: float | None, values: dict[str, list[float]]) -> dict[str, Any]:
    """Camward's values, with the medians of the others beside them."""
    ours = values[OURS]
    others = {name: theirs for name, theirs in values.items() if name != OURS}
    return {
        "what": what,
        "value": statistics.median(ours),
        "min": min(ours),
        "max": max(ours),
        "unit": unit,
        "better": "lower",
        "target": target,
        "peers": {name: statistics.median(theirs) for name, theirs in others.items()},
        "peers_min_max": {name: [min(theirs), max(theirs)] for name, theirs in others.items()},
    }


def _values(found: dict[str, Found], case: str, get: Callable[[Found], list[float]]) -> dict[str, list[float]]:
    """Values of one case by title."""
    tools = {name.partition("/")[2]: get(one) for name, one in found.items() if name.startswith(case + "/")}
    return {OURS if tool == "camward" else PEERS[tool].title: values for tool, values in tools.items()}


def _seconds(found: Found) -> list[float]:
    return [run["seconds"] for run in found["runs"]]


def _seconds_with_look(found: Found) -> list[float]:
    return [run["seconds"] + run["look_seconds"] for run in found["runs"]]


def _cpu_seconds(found: Found) -> list[float]:
    return [run["cpu_seconds"] for run in found["runs"]]


def _fetched(found: Found) -> list[float]:
    return [run["to_camera_bytes"] / MEGABYTE for run in found["runs"]]


def _peak(found: Found) -> list[float]:
    return [peak_bytes / MEGABYTE for peak_bytes in found["peak_bytes"]]


def _growth(found: Found) -> list[float]:
    return [growth_bytes / MEGABYTE for growth_bytes in found["growth_bytes"]]


def rows_of(found: dict[str, Found], plan: Plan) -> list[dict[str, Any]]:
    """Rows as tests.bench writes them."""
    times = _values(found, WHOLE, _seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    curl = medians[PEERS["curl"].title]
    fast_enough = min(TO_DD_RATIO * curl, medians[PEERS["rauc"].title], medians[PEERS["swupdate"].title])
    rows = [
        _row("whole: time", "s", fast_enough, times),
        _row("whole: time, of curl | dd", "x", TO_DD_RATIO, {OURS: [ours / curl for ours in times[OURS]]}),
        _row("whole: time, with the look for updates before it", "s", None, _values(found, WHOLE, _seconds_with_look)),
    ]
    for case in (WHOLE, *plan.xdelta_bytes):
        fetched = _row(f"{case}: fetched", "MB", None, _values(found, case, _fetched))
        if case != WHOLE:
            took = _values(found, case, _seconds)
            rows.append(_row(f"{case}: time", "s", statistics.median(took[PEERS["rauc-adaptive"].title]), took))
            fetched["peers"]["xdelta3 -9 -S lzma, the file"] = plan.xdelta_bytes[case] / MEGABYTE
            if case == MONTH:
                fetched["target"] = plan.xdelta_bytes[case] / MEGABYTE
        rows += [
            fetched,
            _row(f"{case}: emulator's CPU time", "s", None, _values(found, case, _cpu_seconds)),
            _row(f"{case}: peak memory (PSS)", "MB", None, _values(found, case, _peak)),
            _most(
                _row(f"{case}: the agent's RSS grows by", "MB", GROWTH_MB, {OURS: _growth(found[f"{case}/camward"])})
            ),
        ]
    return [_with_versions(row, plan) for row in rows]


def _most(row: dict[str, Any]) -> dict[str, Any]:
    """A camera that lacks memory once has lacked it: no median."""
    return {**row, "value": row["max"]}


def _with_versions(row: dict[str, Any], plan: Plan) -> dict[str, Any]:
    packages = {peer.title: plan.peers[peer.package] for peer in PEERS.values()}
    named = {
        part: {f"{name} ({packages[name]})" if name in packages else name: value for name, value in row[part].items()}
        for part in ("peers", "peers_min_max")
    }
    return {**row, **named}


def run() -> list[dict[str, Any]]:
    """Measure; rows as tests.bench writes them. The peers' names carry their packages' versions."""
    store = default_store()
    with scratch(store) as work:
        plan = make_plan(work, store, REPETITIONS)
        closed = [sys.executable, "-m", "firmware_sim.netns", "--"]
        measure = [sys.executable, "-m", "tests.bench.install_camera", str(work)]
        done = subprocess.run([*closed, *measure], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return rows_of(json.loads(done.stdout.splitlines()[-1]), plan)
