"""`camward-sim`: every command is there, and what cannot be done is one line and a status."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def camward_sim(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "firmware_sim.main", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_help_names_every_command():
    done = camward_sim("--help")
    assert done.returncode == 0
    for name in ("build", "relock", "provision", "micropython", "run", "netns", "demo"):
        assert name in done.stdout


def test_a_folder_that_is_no_camera_is_one_line(tmp_path: Path):
    done = camward_sim("run", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("camward-sim: ")
    assert len(done.stderr.splitlines()) == 1
    assert "camward-sim provision" in done.stderr


def test_an_unknown_command_is_a_wrong_call():
    done = camward_sim("no-such-command")
    assert done.returncode == 2
    assert "no-such-command" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_model_is_one_line_with_what_to_do():
    done = camward_sim("build", "--model", "no-such-model")
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "kawa-1" in done.stderr
