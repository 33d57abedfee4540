"""A connection whose other end is gone without a word: a NAT that forgot it, a cable pulled behind a switch."""

import json
import subprocess
import sys

SOON_S = 2.0


def ask(folder, unacknowledged_s):
    folder.mkdir()
    words = [sys.executable, "-m", "tests.contract.ports.half_open_program", str(unacknowledged_s), str(folder)]
    # Its own namespace even where we are in a closed one already: it takes the network down.
    inside = [sys.executable, "-c", INSIDE, *words]
    done = subprocess.run(inside, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


INSIDE = "import sys; from firmware_sim.netns import run_in_closed_network as run; sys.exit(run(sys.argv[1:]))"


def test_what_stays_unacknowledged_ends_the_session(tmp_path):
    """And without that the camera would wait for its next ping, which is 20 minutes away: the control."""
    took_s = ask(tmp_path / "ours", SOON_S)
    assert took_s is not None
    assert SOON_S <= took_s < 15
    assert ask(tmp_path / "the kernel's", 0) is None
