"""Runs the test categories inside closed test networks, and counts.

A category that runs nothing, skips anything or fails makes the whole run fail. All of them run in four lanes beside
each other, since most wait more than they compute; each has a network namespace of its own (loopback alone).
`python -m tests.run unit` runs some, one after the other, showing what they print. Emulated categories read images
that `make images` has built before, since nothing in here can reach a mirror.
"""

import json
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build" / "test-results"
CLOSED = (sys.executable, "-m", "firmware_sim.netns", "--")
ONE_S = 3600.0  # no category needs half as long
SOAK_S = 24 * 3600.0  # `make soak` runs for as long as its numbers say


@dataclass(frozen=True)
class Category:
    """How a category runs: pytest on a folder, or a program whose last line is `N passed, N failed`.

    `tests`: what pytest runs where that is not the folder of the category's name, `arguments` follow it; `within_s`:
    what hangs is ended after this time, so that the others are still counted.
    """

    name: str
    module: str = ""
    arguments: tuple[str, ...] = ()
    tests: str = ""
    within_s: float = ONE_S


@dataclass(frozen=True)
class Count:
    """What one category did."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """It ran something, and all of it passed."""
        return self.passed > 0 and not self.failed and not self.skipped


_TPM = ("tests/emulated/test_data_partition.py", "tests/emulated/test_tpm.py")  # they boot cold each time
_PORTS, _SERVER = "tests/contract/ports", "tests/contract/server"
LANES = (
    (
        Category("emulated", arguments=tuple(f"--ignore={one}" for one in ("tests/emulated/update", *_TPM))),
        Category("emulated-tpm", tests=_TPM[0], arguments=_TPM[1:]),
    ),
    (
        Category("emulated-update", tests="tests/emulated/update"),
        Category("demo", "firmware_sim.main", ("demo", "--counts")),
        Category("web"),
    ),
    (
        Category("unit"),
        Category("portable", "tests.portable.run"),
        Category("scenario"),
        Category("contract-server", tests=_SERVER),
    ),
    (
        Category("contract", arguments=(f"--ignore={_PORTS}", f"--ignore={_SERVER}")),
        Category("contract-ports", tests=_PORTS),
    ),
)
"""About equally long. More of them would not end sooner: they keep two processors busy."""
EXTRA = tuple(
    Category(f"soak-{part}", tests=f"tests/soak/test_{part}.py", within_s=SOAK_S)
    for part in ("power_cuts", "credentials", "link")
)
ALL = tuple(one for lane in LANES for one in lane)


def _pytest(category: Category, output: IO[str] | None) -> Count:
    report = RESULTS / f"{category.name}.xml"
    report.unlink(missing_ok=True)
    tests = category.tests or f"tests/{category.name}"
    code = _closed(("pytest", "-q", f"--junitxml={report}", tests, *category.arguments), output, category.within_s)
    suite = ElementTree.parse(report).getroot().find("testsuite") if report.is_file() else None
    if suite is None:
        return Count(failed=1)
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    if code and not failed:
        failed = 1
    return Count(max(0, total - failed - skipped), failed, skipped)


def _program(category: Category, output: IO[str] | None) -> Count:
    path = RESULTS / f"{category.name}.out"
    with path.open("w", encoding="utf-8") as file:
        code = _closed((category.module, *category.arguments), file, category.within_s)
    text = path.read_text(encoding="utf-8", errors="replace")
    print(text, end="", file=output or sys.stdout)
    words = text.strip().splitlines()[-1].replace(",", "").split() if text.strip() else []
    if len(words) != 4 or (words[1], words[3]) != ("passed", "failed"):
        return Count(failed=1)
    passed, failed = int(words[0]), int(words[2])
    return Count(passed, failed or (1 if code else 0))


def _closed(module: Sequence[str], output: IO[str] | None, within_s: float) -> int:
    """Run a module in a closed network of its own; its exit status."""
    command = [*CLOSED, sys.executable, "-m", *module]
    try:
        return subprocess.run(command, cwd=ROOT, check=False, stdout=output, stderr=output, timeout=within_s).returncode
    except subprocess.TimeoutExpired:
        print(f"{module[0]} took more than {within_s:.0f} s and was ended", file=output or sys.stdout)
        return 1


def run_one(category: Category, output: IO[str] | None) -> Count:
    """Run a category; its output goes to `output`, or to the terminal."""
    begun = time.monotonic()
    found = _program(category, output) if category.module else _pytest(category, output)
    return Count(found.passed, found.failed, found.skipped, round(time.monotonic() - begun, 1))


def _failures(category: Category, most: int = 20) -> list[str]:
    """The tests that failed, each with what it said last: of a long run often just the last lines are kept."""
    if category.module:
        path = RESULTS / f"{category.name}.out"
        said = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        return [category.name, *(f"    {line[:200]}" for line in said[-most:])]
    report = RESULTS / f"{category.name}.xml"
    if not report.is_file():
        return []
    found = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        for bad in (*case.findall("failure"), *case.findall("error")):
            said = (bad.text or bad.get("message") or "").strip().splitlines()
            why = [line for line in said if line.startswith("E ")] or said
            found.append(f"{case.get('classname')}::{case.get('name')}")
            found.extend(f"    {line[:200]}" for line in (*why[:6], *said[-1:]))
    return found[: most * 8]


def _lane(categories: Sequence[Category], counts: dict[str, Count], say: threading.Lock) -> None:
    for category in categories:
        log = RESULTS / f"{category.name}.log"
        with log.open("w", encoding="utf-8") as file:
            count = run_one(category, file)
        with say:
            print(f"== {category.name}", flush=True)
            print(log.read_text(encoding="utf-8"), end="", flush=True)
            counts[category.name] = count


def _all() -> dict[str, Count]:
    counts: dict[str, Count] = {}
    say = threading.Lock()
    lanes = [threading.Thread(target=_lane, args=(lane, counts, say)) for lane in LANES]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return counts


def _named(names: Sequence[str]) -> dict[str, Count]:
    known = {one.name: one for one in (*ALL, *EXTRA)}
    counts = {}
    for name in names:
        print(f"== {name}", flush=True)
        counts[name] = run_one(known[name], None)
    return counts


def main(names: list[str]) -> int:
    """Run the named categories (default: all) and print the counts; 1 if any is not whole."""
    known = [one.name for one in (*ALL, *EXTRA)]
    for name in names:
        if name not in known:
            print(f"unknown category {name!r}; there are: {', '.join(known)}", file=sys.stderr)
            return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    counts = _named(names) if names else _all()
    print()
    for name in names or [one.name for one in ALL]:
        one = counts.get(name, Count(failed=1))
        counts[name] = one
        line = f"{name:<16} {one.passed:>5} passed {one.failed:>3} failed {one.skipped:>3} skipped {one.seconds:6.0f} s"
        print(line, "" if one.whole else "  NOT WHOLE")
    for one_category in (*ALL, *EXTRA):
        if one_category.name in counts and counts[one_category.name].failed:
            print("\n".join(_failures(one_category)))
    whole = all(one.whole for one in counts.values())
    summary = {
        "seconds": round(time.monotonic() - begun, 1),
        "whole": whole and not names,
        "categories": {name: asdict(one) for name, one in counts.items()},
    }
    (RESULTS / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    failed = sum(one.failed + one.skipped + (one.passed == 0 and not one.failed) for one in counts.values())
    print(f"{sum(one.passed for one in counts.values())} passed, {failed} failed")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
