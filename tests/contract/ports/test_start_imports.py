"""What a camera's own start of the agent leaves unloaded: each costs every start and stays in memory."""

import json
import subprocess
import sys

import pytest

from tests.contract.ports.board import Board

UNNEEDED = {
    "argparse",
    "gettext",
    "html",
    "agent.adapters.linux.admin_commands",
    "agent.adapters.linux.command_line",
    "cryptography.x509",
    "cryptography.hazmat.primitives.kdf.argon2",
}
ENTRY = """
import json, pathlib, sys
from agent import main
from agent.adapters.linux.options import Options
for name, value in json.loads(sys.argv[1]).items():
    setattr(Options, name, pathlib.Path(value))
class Console:  # the agent's own, which ends it where it is ready
    def write(self, text):
        if "camward-agent: ready" in text:
            sys.stderr.write(json.dumps(sorted(sys.modules)))
            sys.stderr.flush()
            import os
            os._exit(0)
        return len(text)
    def flush(self):
        pass
sys.stdout = Console()
sys.exit(main.main(["run"]))
"""


@pytest.fixture
def loaded(tmp_path):
    board = Board(tmp_path / "board", b"{}")
    board.leave_factory(b"\0" * 4096)
    board.power_on()  # the boot loader's part
    board.kill()
    words = board.arguments()[1:]
    given = {words[at][2:].replace("-", "_"): words[at + 1] for at in range(0, len(words), 2)}
    process = subprocess.run(
        [sys.executable, "-c", ENTRY, json.dumps(given)], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(process.stderr.splitlines()[-1]))


def test_a_start_loads_nothing_that_it_does_not_need(loaded):
    assert {"agent.app.agent", "agent.adapters.linux.services", "ssl"} <= loaded, "the whole agent has started"
    assert not loaded & UNNEEDED
