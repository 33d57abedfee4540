"""The portable runner's own controls: what it must call a failure, it calls a failure."""

import shutil
from pathlib import Path

import pytest

from tests.portable import run

MODULE = "agent/core/thing.py"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one portable module, `def double(n)`."""
    (tmp_path / "agent" / "core").mkdir(parents=True)
    for package in ("agent", "agent/core"):
        (tmp_path / package / "__init__.py").write_text('"""A package."""\n')
    (tmp_path / MODULE).write_text("LIMIT = 5\n\n\ndef double(n):\n    return 2 * n\n")
    (tmp_path / run.CASES / "agent" / "core").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    return tmp_path


def outcome(tree: Path, case: str | None, interpreter: str = "") -> str:
    """Run a case; the second interpreter is this one again unless told."""
    if case is not None:
        (tree / run.CASES / MODULE).write_text(case)
    second = tree / "second"
    second.write_text(f'#!/bin/sh\nshift 2\n{interpreter or "exec " + str(shutil.which("python3"))} "$@"\n')
    second.chmod(0o755)
    return run.run_case(MODULE, tree, tree, tree / "scratch", str(second))


CALL = "from agent.core.thing import double\n"


def test_a_good_case_passes(tree: Path) -> None:
    assert outcome(tree, CALL + "print(double(4))\n") == ""


def test_a_missing_case(tree: Path) -> None:
    assert "no case" in outcome(tree, None)


def test_a_case_that_prints_nothing(tree: Path) -> None:
    assert outcome(tree, CALL + "double(4)\n") == "the case prints nothing"


def test_a_case_that_only_imports(tree: Path) -> None:
    assert "calls no function" in outcome(tree, CALL + "print(4)\n")


def test_a_case_that_ends_with_an_error(tree: Path) -> None:
    assert "ended with 1" in outcome(tree, CALL + "print(double(4))\nraise SystemExit(1)\n")


def test_different_output(tree: Path) -> None:
    found = outcome(tree, CALL + "print(double(4))\n", "echo 9 #")
    assert "-8" in found
    assert "+9" in found


def test_an_error_on_the_second_interpreter(tree: Path) -> None:
    assert "ended with 3" in outcome(tree, CALL + "print(double(4))\n", "exit 3 #")


def test_modules_and_orphans(tree: Path) -> None:
    (tree / run.CASES / "agent" / "core" / "gone.py").write_text("")
    assert run.modules(tree) == [MODULE]
    assert list(run.orphans(tree, [MODULE])) == ["agent/core/gone.py"]


def test_the_real_tree_has_portable_modules() -> None:
    assert {"agent/core/trust.py", "agent/formats/json.py"} <= set(run.modules(run.ROOT))
