"""Cameras on this network segment, each with an agent that a test can make misbehave, and the tool as people run it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.camera.camera_process import CameraProcess, camera_config, make_certificate, start_camera
from tests.contract.camera.fake_agent import FakeAgent

RUN_S = 90
TOOL = [sys.executable, "-W", "error", "-m", "update_server.installer.main"]


@dataclass
class Unit:
    """One camera as it comes out of its box."""

    serial: str
    code: str
    agent: FakeAgent
    process: CameraProcess

    @property
    def where(self) -> str:
        return f"127.0.0.1:{self.process.ports['https']}"


@pytest.fixture
def make_units(tmp_path: Path) -> Iterator[Callable[[int], list[Unit]]]:
    """`make_units(count, **listeners)`."""
    made: list[Unit] = []

    def make(count: int, address: str = "127.0.0.1", **listeners: int) -> list[Unit]:
        for number in range(1, count + 1):
            folder = tmp_path / f"camera-{number}"
            (folder / "login").mkdir(parents=True)
            agent = FakeAgent(folder / "login", folder / "evidence.json")
            agent.serial, agent.code = f"KW1-{number:06d}", "ABCDEFGHJKLMNP" + "QRSTUVWXYZ"[number : number + 2]
            agent.start()
            make_certificate(folder)
            config = camera_config(folder, address=address, listeners={"https": 0, "rtsps": 0, **listeners})
            made.append(Unit(agent.serial, agent.code, agent, start_camera(folder, config)))
        return made

    yield make
    for unit in made:
        errors = unit.process.stop()
        unit.agent.stop()
        assert errors == "", errors


@dataclass
class Tool:
    """`camward-installer` in a folder of its own, with the office's keys beside it."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [*TOOL, *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "", "COLUMNS": "200", **more}

    def run(self, *arguments: str, status: int = 0, typed: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment(**more), input=typed,
            capture_output=True, text=True, timeout=RUN_S, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def claim(self, units: list[Unit], *more: str, status: int = 0, to: str = "office.pub") -> dict[str, dict]:
        """Claim these units at their addresses; results by serial number."""
        (self.folder / "codes.csv").write_text("".join(f"{unit.serial},{unit.code}\n" for unit in units))
        where = [part for unit in units for part in ("--address", unit.where)]
        sealed = ["--to", to] if to else []
        done = self.run(
            "claim", "site.handover", "--codes", "codes.csv", *sealed, *where, "--json", *more, status=status
        )
        return {one["serial"]: one for one in json.loads(done.stdout)["cameras"]}

    def accounts(self) -> list[dict[str, str]]:
        """The hand-over file as the office reads it."""
        done = self.run("handover", "decrypt", "site.handover", "--key", "office", "--print")
        titles, *rows = [line.split(",") for line in done.stdout.splitlines()]
        return [dict(zip(titles, row, strict=True)) for row in rows]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    made = Tool(tmp_path / "laptop")
    made.folder.mkdir()
    made.run("handover", "keygen", "office")
    return made
