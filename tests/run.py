"""Runs the test categories one after the other, inside the closed test network, and counts.

A category that runs nothing, skips anything or fails makes the whole run fail. `python -m tests.run unit contract` runs
some. Emulated categories read images that `make images` has built before, since nothing in here can reach a mirror.
"""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build" / "test-results"


class Count(NamedTuple):
    """What one category did."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


def _pytest(name: str, *arguments: str) -> Count:
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if not report.is_file():
        return Count(failed=1)
    suite = ElementTree.parse(report).getroot().find("testsuite")
    if suite is None:
        return Count(failed=1)
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    if done.returncode and not failed:
        failed = 1
    return Count(max(0, total - failed - skipped), failed, skipped)


def _counted(*command: str) -> Count:
    """A program whose last line is `N passed, N failed`."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    words = done.stdout.strip().splitlines()[-1].replace(",", "").split() if done.stdout.strip() else []
    try:
        passed, failed = int(words[0]), int(words[2])
    except (IndexError, ValueError):
        return Count(failed=1)
    return Count(passed, failed or (1 if done.returncode else 0))


CATEGORIES = {
    "unit": lambda: _pytest("unit", "tests/unit"),
    "portable": lambda: _counted("tests.portable.run"),
    "contract": lambda: _pytest("contract", "tests/contract"),
    "scenario": lambda: _pytest("scenario", "tests/scenario"),
    "web": lambda: _pytest("web", "tests/web"),
    "emulated": lambda: _pytest("emulated", "tests/emulated"),
    "demo": lambda: _counted("firmware_sim.main", "demo", "--counts"),
}
EXTRA = {"soak": lambda: _pytest("soak", "tests/soak")}


def _enter_closed_network() -> None:
    """Run this program again where nothing has a route out (a network namespace with loopback alone)."""
    if os.environ.get("CAMWARD_CLOSED") == "1":
        return
    from firmware_sim import netns

    os.environ["CAMWARD_CLOSED"] = "1"
    netns.reexec_in_closed_network([sys.executable, "-m", "tests.run", *sys.argv[1:]])


def main(names: list[str]) -> int:
    """Run the named categories (default: all) and print the counts; 1 if any is not whole."""
    known = {**CATEGORIES, **EXTRA}
    for name in names:
        if name not in known:
            print(f"unknown category {name!r}; there are: {', '.join(known)}", file=sys.stderr)
            return 2
    _enter_closed_network()
    begun = time.monotonic()
    RESULTS.mkdir(parents=True, exist_ok=True)
    counts, lines, bad = [], [], False
    for name in names or list(CATEGORIES):
        print(f"== {name}", flush=True)
        started = time.monotonic()
        count = known[name]()
        counts.append(count)
        whole = count.passed > 0 and not count.failed and not count.skipped
        bad = bad or not whole
        verdict = "ok" if whole else "NOT WHOLE"
        lines.append(
            f"{name:<10} {count.passed:>5} passed {count.failed:>3} failed {count.skipped:>3} skipped "
            f"{time.monotonic() - started:6.0f} s  {verdict}"
        )
    print("\n".join(["", *lines]))
    summary = {"seconds": round(time.monotonic() - begun, 1), "whole": not bad and not names}
    (RESULTS / "summary.json").write_text(json.dumps(summary) + "\n", encoding="utf-8")
    failed = sum(c.failed + c.skipped + (c.passed == 0) for c in counts)
    print(f"{sum(c.passed for c in counts)} passed, {failed} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
