"""The documents say what is there: links lead somewhere, named tests exist, named commands are known."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

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
    for line in text.splitlines():
        if re.match(r"\| T\d+ ", line):
            assert re.search(r"`tests/[\w/]+\.py::\w+`", line), f"no test for {line[:40]}"
    for path, name in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"def {name}\b", source), f"{path} has no {name}"


def _console_lines() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("camward-")]


def test_every_command_in_the_readme_has_help() -> None:
    lines = _console_lines()
    assert len(lines) >= 8
    modules = {
        "camward-agent": "agent.main",
        "camward-server": "update_server.main",
        "camward-sim": "firmware_sim.main",
    }
    seen = set()
    for line in lines:
        program, *words = shlex.split(line, comments=True)
        verbs = []
        for word in words:
            if not re.fullmatch(r"[a-z]+", word) or len(verbs) == 2:
                break
            verbs.append(word)
        if (program, *verbs) in seen:
            continue
        seen.add((program, *verbs))
        command = [sys.executable, "-m", modules[program], *verbs, "--help"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert "usage" in done.stdout.lower()


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        for target in re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")):
            assert target in targets, f"{document.name} names make {target}"


def test_decision_records_are_numbered_without_gaps() -> None:
    numbers = sorted(int(p.name[:4]) for p in (ROOT / "docs" / "adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
