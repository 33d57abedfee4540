"""The agent's own main, on a machine whose restart is the end of this process (see board.py)."""

import os
import sys
from pathlib import Path

from agent import main as agent_main
from tests.contract.ports.board import RESTARTED


def restart():
    sys.stdout.flush()
    run = Path(sys.argv[sys.argv.index("--run") + 1])
    (run / "restart").unlink(missing_ok=True)  # a real machine's /run is in memory
    os._exit(RESTARTED)


if __name__ == "__main__":
    sys.exit(agent_main.main(sys.argv[1:], restart))
