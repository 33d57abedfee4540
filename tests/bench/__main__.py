"""`python -m tests.bench [NAME ...]`: run benchmarks, write JSON, print tables. Targets missed are shown as missed."""

import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "bench"
BENCHES = {
    "demo": "tests.bench.demo",
    "trust": "tests.bench.trust",
    "delta": "tests.bench.delta",
    "install": "tests.bench.install",
    "credentials": "tests.bench.credentials",
    "link": "tests.bench.link",
}


def machine() -> dict[str, Any]:
    """What this ran on, and how busy it was just before."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "python": platform.python_version(),
        "load_1m": round(os.getloadavg()[0], 2),
    }


def verdict(row: dict[str, Any]) -> str:
    """`met`, `MISSED`, or nothing where there is no target."""
    if row.get("target") is None:
        return ""
    met = row["value"] <= row["target"] if row["better"] == "lower" else row["value"] >= row["target"]
    return "met" if met else "MISSED"


def show(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    lines = [f"{'what':<44} {'value':>10} {'unit':<6} {'min':>9} {'max':>9} {'target':>9}"]
    for row in rows:
        target = "" if row.get("target") is None else f"{row['target']:g}"
        low, high = row.get("min", row["value"]), row.get("max", row["value"])
        measured = f"{row['value']:>10.4g} {row['unit']:<6} {low:>9.4g} {high:>9.4g}"
        lines.append(f"{row['what']:<44} {measured} {target:>9} {verdict(row)}".rstrip())
        lines += [f"{'  beside it: ' + peer:<44} {value:>10.4g} {row['unit']}" for peer, value in row["peers"].items()]
    return "\n".join(lines)


def main(names: list[str]) -> int:
    """Run the named benchmarks (default: all)."""
    for name in names or list(BENCHES):
        if name not in BENCHES:
            print(f"unknown benchmark {name!r}; there are: {', '.join(BENCHES)}", file=sys.stderr)
            return 2
        ran_on = machine()
        rows = importlib.import_module(BENCHES[name]).run()
        RESULTS.mkdir(parents=True, exist_ok=True)
        document = {"bench": name, "machine": ran_on, "rows": rows}
        (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(show(rows))
        if ran_on["load_1m"] > ran_on["cores"]:
            print(f"(others kept this machine busy: load {ran_on['load_1m']} on {ran_on['cores']} cores)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
