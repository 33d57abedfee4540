"""The agent's own main, on a machine whose restart is the end of this process (see board.py)."""

import os
import sys

from agent import main as agent_main
from tests.contract.ports.board import RESTARTED


def restart():
    sys.stdout.flush()
    os._exit(RESTARTED)


if __name__ == "__main__":
    sys.exit(agent_main.main(sys.argv[1:], restart))
