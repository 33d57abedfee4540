"""Name servers that fail in every way, and networks that come back: each in a namespace of its own."""

import json
import shutil
import subprocess
import sys

import pytest

INSIDE = "import sys; from firmware_sim.netns import run_in_closed_network as run; sys.exit(run(sys.argv[1:]))"
RESOLVER = "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n"
ASKING_S = 8.0  # the system's own patience with a name server, as above: two questions of two seconds, and some


def run(case, folder):
    """What happened to the link: a list for each stage, the last member of which are seconds."""
    assert shutil.which("mount"), "util-linux is not installed"
    resolver = folder / "resolv.conf"
    resolver.write_text(RESOLVER)
    mounted = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
    program = [sys.executable, "-m", "tests.contract.ports.poor_network_program", case, str(folder)]
    words = ["unshare", "--mount", "--", "sh", "-c", mounted, "sh", str(resolver), *program]
    done = subprocess.run(
        [sys.executable, "-c", INSIDE, *words], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_network_that_comes_back_is_used_at_once(tmp_path):
    """Though the next attempt was five minutes away; without the kernel's word nothing happens: the control."""
    heard, unheard = tmp_path / "heard", tmp_path / "unheard"
    heard.mkdir()
    unheard.mkdir()
    first, then = run("cable", heard)
    assert first[:2] == ["down", "network"]
    assert then[0] == "up"
    first, then = run("cable, unheard", unheard)
    assert (first[:2], then) == (["down", "network"], None)


@pytest.mark.parametrize("case", ["silent", "failing", "no such name"])
def test_a_name_that_cannot_be_resolved_is_said_and_the_server_found_when_it_can(case, tmp_path):
    before, after = run(case + ", then right", tmp_path)
    assert before[:-1] == ["down", "name"]
    assert after[:-1] == ["up"]


@pytest.mark.parametrize("case", ["AAAA unanswered", "AAAA failing", "AAAA leads nowhere"])
def test_a_broken_aaaa_keeps_nobody_off(case, tmp_path):
    ((what, asking_s),) = run(case, tmp_path)
    assert what == "up"
    assert asking_s < ASKING_S
