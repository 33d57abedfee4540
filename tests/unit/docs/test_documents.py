"""The documents say what is there: links lead somewhere, named tests exist, named commands are known."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import agent

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(d.relative_to(ROOT)) for d in DOCUMENTS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_threat_model_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    threats = re.findall(r"^\| (T\d+) ", text, re.MULTILINE)
    assert len(threats) >= 20
    assert len(set(threats)) == len(threats), "a threat number stands twice"
    for line in text.splitlines():
        if re.match(r"\| T\d+ ", line):
            assert re.search(r"`tests/[\w/]+\.py::\w+`", line), f"no test for {line[:40]}"
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"def {name}\b", source), f"{path} has no {name}"


def _command_lines() -> list[tuple[str, str]]:
    """Every `camward-...` line of the documents' shell blocks, with the document's name."""
    found = []
    for document, name in zip(DOCUMENTS, NAMES, strict=True):
        for block in re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL):
            lines = (line.removeprefix(".venv/bin/") for line in block.splitlines())
            found += [(name, line) for line in lines if line.startswith("camward-")]
    return found


MODULES = {
    "camward-agent": "agent.main",
    "camward-installer": "update_server.installer.main",
    "camward-server": "update_server.main",
    "camward-sim": "firmware_sim.main",
}
ASK_FOR_HELP = """
import contextlib, io, json, runpy, sys
module, found = sys.argv[1], []
for verbs in json.loads(sys.argv[2]):
    sys.argv = [module, *verbs, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as text:
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as end:
            assert not end.code, verbs
    found.append(text.getvalue())
print(json.dumps(found))
"""


def _helps(program: str, verbs: list[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """What a program says to `--help` behind each of these verbs; one process, as each costs its imports."""
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-c", ASK_FOR_HELP, MODULES[program], json.dumps(verbs)]
    wide = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=wide, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{program}: {done.stderr}"
    return dict(zip(verbs, json.loads(done.stdout), strict=True))


def test_every_command_in_the_documents_exists_with_its_options() -> None:
    lines = _command_lines()
    assert {name for name, _ in lines} >= {"README.md", "docs/operator.md", "docs/simulator.md"}
    asked: dict[str, dict[tuple[str, ...], list[tuple[str, str]]]] = {program: {} for program in MODULES}
    for name, line in lines:
        program, *words = shlex.split(line, comments=True)
        verbs: tuple[str, ...] = ()
        for word in words:
            if not re.fullmatch(r"[a-z]+", word) or len(verbs) == 2:
                break
            verbs += (word,)
        options = [word.partition("=")[0] for word in words if word.startswith("--") and word != "--help"]
        asked[program].setdefault(verbs, []).extend((f"{name}: {line}", option) for option in options)
    for program, by_verbs in asked.items():
        assert by_verbs, f"the documents show nothing of {program}"
        for verbs, text in _helps(program, list(by_verbs)).items():
            assert "usage" in text.lower()
            for where, option in by_verbs[verbs]:
                assert re.search(rf"{option}\b", text), f"{where}: no {option}"


def test_the_programs_say_the_version_of_the_distribution() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["version"] == agent.VERSION
    for module in MODULES.values():
        command = [sys.executable, "-m", module, "--version"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.split()[-1] == agent.VERSION


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        for target in re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")):
            assert target in targets, f"{document.name} names make {target}"


def test_decision_records_are_numbered_without_gaps() -> None:
    numbers = sorted(int(p.name[:4]) for p in (ROOT / "docs" / "adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
