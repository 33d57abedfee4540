"""The built distribution is whole: data files inside, and a camera needs no more than the `agent` extra."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# What must not be needed on a camera: everything that only the server and the simulator use.
FOREIGN = (
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "tuf",
    "securesystemslib",
    "typer",
    "rich",
    "jinja2",
    "pydantic",
    "httpx",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(
        [
            "git",
            "ls-files",
            "-z",
            "--",
            "agent",
            "firmware_sim",
            "update_server",
            "pyproject.toml",
            "README.md",
            "LICENSE",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, tracked.stdout.split("\0")):
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(folder / "source")], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_every_data_file_is_in_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "--", "agent", "firmware_sim", "update_server"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert len(tracked) > 100
    assert sorted(set(tracked) - inside) == []


def test_the_agent_runs_with_its_own_extra_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    barrier = f"""
import sys
class Barrier:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FOREIGN!r}:
            raise ImportError("a camera does not have " + name)
sys.meta_path.insert(0, Barrier())
sys.path.insert(0, {str(tmp_path)!r})
import importlib, pkgutil, agent
for module in pkgutil.walk_packages(agent.__path__, "agent."):
    if "micropython" not in module.name:
        importlib.import_module(module.name)
from agent.main import main
print(agent.__file__)
sys.argv = ["camward-agent", "--help"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", barrier], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout
    assert "usage" in done.stdout.lower()


def test_the_wheel_offers_the_four_programs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    programs = re.findall(r"^(camward-\w+) =", archive.read(points).decode(), re.MULTILINE)
    assert sorted(programs) == ["camward-agent", "camward-installer", "camward-server", "camward-sim"]
