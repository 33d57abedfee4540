"""The gate fails where it must: a branch not reached, a file not imported, tests that fail, are skipped or absent."""

from pathlib import Path

import pytest

from tests.tools import trust_gate

SOURCE = '''"""A docstring
of two lines.
"""

# a comment
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sign(number):
    """What it does."""
    if number < 0:  # pragma: no cover
        return -1
    text = """not
    a docstring"""
    return 1 if text else 0
'''
TEST = """from small import sign


def test_sign():
    assert sign(1) == 1
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "small.py").write_text(SOURCE)
    (tmp_path / "conftest.py").write_text("")
    return tmp_path


def gate(project: Path, test: str) -> tuple[int, dict[str, list[str]]]:
    (project / "test_small.py").write_text(test)
    return trust_gate.run(project, ["small.py"], ["test_small.py"])


def test_lines_of_code_are_neither_docstrings_nor_comments_nor_blank() -> None:
    assert trust_gate.code_lines(SOURCE) == 9
    assert trust_gate.code_lines('""" only """\n\n# nothing\n') == 0


def test_missed_branches_are_told(project: Path) -> None:
    ran, missed = gate(project, TEST)
    assert ran == 1
    assert missed == {"small.py": ["14", "13->14"]}


def test_nothing_is_missed(project: Path) -> None:
    assert gate(project, TEST + "    assert sign(-1) == -1\n") == (1, {"small.py": []})


def test_a_file_that_no_test_imports_is_missed_whole(project: Path) -> None:
    assert gate(project, "def test_nothing():\n    pass\n") == (1, {"small.py": ["*"]})


@pytest.mark.parametrize(
    "test",
    [
        "",
        "def test_bad():\n    assert False\n",
        "import pytest\n\n\n@pytest.mark.skip\ndef test_skipped():\n    pass\n",
    ],
)
def test_tests_that_are_not_whole(project: Path, test: str) -> None:
    with pytest.raises(SystemExit):
        gate(project, test)


def test_patterns_name_files_that_are_there() -> None:
    for patterns in (trust_gate.CORE, trust_gate.FORMATS, trust_gate.TESTS):
        for pattern in patterns:
            assert trust_gate.files(trust_gate.ROOT, (pattern,)), pattern
