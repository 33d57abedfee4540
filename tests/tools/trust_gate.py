"""The gate around the trust core: its unit tests alone reach every branch of it, and it stays small enough to audit.

`python -m tests.tools.trust_gate` runs those tests (and no others) under coverage and counts lines of code: what is
left without docstrings, comments and blank lines. `# pragma: no cover` means nothing here.
"""

import ast
import io
import json
import subprocess
import sys
import tempfile
import tokenize
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ("agent/core/trust*.py", "agent/core/receipt.py")
FORMATS = ("agent/formats/tuf.py", "agent/formats/delegations.py")
TESTS = (
    "tests/unit/agent/core/test_trust*.py",
    "tests/unit/agent/core/test_receipt*.py",
    "tests/unit/agent/formats/test_tuf*.py",
    "tests/unit/agent/formats/test_delegations*.py",
)
MAX_LINES = 700  # the core must stay below: what one person can read with care in one sitting
RUN_S = 300.0  # ten times what it takes
_SETTINGS = """\
[run]
branch = True
data_file = {folder}/data
[report]
exclude_lines =
    ^if TYPE_CHECKING:
"""
_NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
)


def files(root: Path, patterns: tuple[str, ...]) -> list[str]:
    """What the patterns name below `root`, sorted."""
    return sorted(str(path.relative_to(root)) for pattern in patterns for path in root.glob(pattern))


def code_lines(source: str) -> int:
    """Lines with code on them; docstrings, comments and blank lines are none."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)


def run(root: Path, measured: list[str], tests: list[str]) -> tuple[int, dict[str, list[str]]]:
    """Run the tests under coverage: how many passed, and what they missed of each measured file (`*`: all of it).

    Raises:
        SystemExit: a test failed, was skipped, or none ran.
    """
    with tempfile.TemporaryDirectory(prefix="camward-gate-") as name:
        folder = Path(name)
        (folder / "settings").write_text(_SETTINGS.format(folder=folder), encoding="utf-8")
        coverage = (sys.executable, "-m", "coverage")
        settings = f"--rcfile={folder / 'settings'}"
        measure = (*coverage, "run", settings, f"--include={','.join(measured)}")
        pytest = ("-m", "pytest", "-q", "--no-header", f"--junitxml={folder / 'report.xml'}", *tests)
        done = subprocess.run((*measure, *pytest), cwd=root, check=False, capture_output=True, text=True, timeout=RUN_S)
        ran, skipped = (0, 0) if done.returncode else _counts(folder / "report.xml")
        if not ran or skipped:
            raise SystemExit(f"{done.stdout[-4000:]}{done.stderr[-2000:]}\nthe tests of the trust core are not whole")
        report = (*coverage, "json", settings, "-q", "-o", str(folder / "report.json"))
        reported = subprocess.run(report, cwd=root, check=False, capture_output=True, timeout=RUN_S)
        # Without a single line reached there is no report, and everything is missed.
        text = "{}" if reported.returncode else (folder / "report.json").read_text(encoding="utf-8")
        found = json.loads(text).get("files", {})
    return ran, {path: _missed(found[path]) if path in found else ["*"] for path in measured}


def _counts(report: Path) -> tuple[int, int]:
    """How many tests there were, and how many of them were skipped."""
    suite = ElementTree.parse(report).getroot().find("testsuite")
    return (0, 0) if suite is None else (int(suite.get("tests", 0)), int(suite.get("skipped", 0)))


def _missed(entry: dict[str, list[object]]) -> list[str]:
    return [str(line) for line in entry["missing_lines"]] + [
        f"{branch[0]}->{branch[1]}" for branch in entry["missing_branches"] if isinstance(branch, list)
    ]


def main() -> int:
    """Run the gate; 0 if it holds."""
    core = files(ROOT, CORE)
    lines = sum(code_lines((ROOT / path).read_text(encoding="utf-8")) for path in core)
    ran, missed = run(ROOT, [*core, *files(ROOT, FORMATS)], files(ROOT, TESTS))
    gaps = {path: where for path, where in missed.items() if where}
    for path, where in gaps.items():
        print(f"{path}: not reached: {', '.join(where)}")
    small = 0 < lines < MAX_LINES
    verdict = "every branch reached" if not gaps else f"gaps in {len(gaps)} files"
    print(f"trust core: {lines} lines of code (below {MAX_LINES}: {'yes' if small else 'NO'}); {ran} tests, {verdict}")
    return 0 if small and not gaps else 1


if __name__ == "__main__":
    sys.exit(main())
