"""`python -m tests.portable.run [MODULE ...]`: every portable module, on CPython and MicroPython, must print the same.

Cases mirror the tree: `agent/core/trust.py` is exercised by `tests/portable/cases/agent/core/trust.py`. It is a failure
if a module has no case, a case has no module, a case prints nothing, ends with an error, prints different things, or
calls no function of its module (where the module has any). The last line is `N passed, N failed`.
"""

import ast
import difflib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware_sim.image.tools import micropython
from tests.portable import fixtures

ROOT = Path(__file__).resolve().parents[2]
CASES = Path("tests") / "portable" / "cases"
ONE = ROOT / "tests" / "portable" / "one.py"
PORTABLE = ("agent/formats", "agent/core", "agent/app", "firmware_sim/world")
DEADLINE_S = 300


def modules(root: Path) -> list[str]:
    """Every portable module as a path below the root; a package file with nothing but a docstring is none."""
    found = []
    for folder in PORTABLE:
        for file in sorted((root / folder).rglob("*.py")):
            body = ast.parse(file.read_text()).body
            only_docstring = all(isinstance(part, ast.Expr) for part in body)
            if not (file.name == "__init__.py" and only_docstring):
                found.append(str(file.relative_to(root)))
    return found


def orphans(root: Path, known: list[str]) -> dict[str, str]:
    """Cases whose module is gone."""
    cases = [str(case.relative_to(root / CASES)) for case in sorted((root / CASES).rglob("*.py"))]
    return {case: "a case without a module" for case in cases if case not in known}


def functions(module: Path) -> set[str]:
    """The names of the functions and methods that a module defines and that do something (a Protocol's are `...`)."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = [
                part for part in node.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
            ]
            if body:
                names.add(node.name)
    return names


def run_case(module: str, root: Path, prepared: Path, scratch: Path, interpreter: str) -> str:
    """Run one module's case on both interpreters; an empty text is success, anything else says what is wrong."""
    case = root / CASES / module
    if not case.is_file():
        return f"no case: write {CASES / module}"
    calls = scratch / "calls"
    calls.write_text("")
    common = [str(ONE), str(root), str(case), str(prepared)]
    outputs = []
    for command in (
        [sys.executable, "-B", "-W", "error", *common, str(root / module), str(calls)],
        [interpreter, "-X", "heapsize=16m", *common],
    ):
        try:
            done = subprocess.run(
                command,
                cwd=scratch,
                env={"PATH": os.environ.get("PATH", ""), "PYTHONIOENCODING": "utf-8", "PYTHONHASHSEED": "random"},
                capture_output=True,
                text=True,
                timeout=DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{Path(command[0]).name} did not end within {DEADLINE_S} s"
        if done.returncode:
            return f"{Path(command[0]).name} ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        outputs.append(done.stdout)
    if not outputs[0].strip():
        return "the case prints nothing"
    if outputs[0] != outputs[1]:
        ours, theirs = outputs[0].splitlines(), outputs[1].splitlines()
        return "\n".join(list(difflib.unified_diff(ours, theirs, "CPython", "MicroPython", lineterm="", n=1))[:40])
    defined = functions(root / module)
    called = set(calls.read_text().splitlines()) & defined
    if defined and not called:
        return "the case calls no function of its module"
    return ""


def main(wanted: list[str]) -> int:
    """Run the wanted modules (default: all); 0 if every one is well."""
    interpreter = str(micropython())
    known = modules(ROOT)
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="camward-portable-") as folder:
        prepared, scratch = Path(folder) / "fixtures", Path(folder) / "scratch"
        scratch.mkdir()
        fixtures.prepare(prepared)
        problems = {} if wanted else orphans(ROOT, known)
        for module in known:
            if not wanted or module in wanted:
                problems[module] = run_case(module, ROOT, prepared, scratch, interpreter)
    for module, problem in problems.items():
        passed, failed = (passed, failed + 1) if problem else (passed + 1, failed)
        print(f"{'FAIL' if problem else 'ok  '} {module}" + (f": {problem}" if problem else ""))
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
