"""The closed network: nothing gets out of it, and nothing is left in it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_sim import netns
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.errors import MachineError

ROOT = Path(__file__).resolve().parents[2]
NETNS = [sys.executable, "-m", "firmware_sim.netns", "--"]
# Loopback with a default route makes our own network count as open, so that the program makes a new one inside it.
OPENED = ["sh", "-c", 'ip link set lo up && ip route add default dev lo && exec "$@"', "sh"]
UNSHARE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def from_outside(*command: str) -> list[str]:
    return [*UNSHARE, *OPENED, *NETNS, *command]


def test_the_tests_themselves_run_in_a_closed_network():
    netns.require_closed_network()
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 443), timeout=10)


def test_inside_there_is_loopback_with_the_peoples_addresses_and_the_commands_status_comes_out():
    command = (
        "from firmware_sim import netns; netns.require_closed_network(); print(netns.is_closed_network()); exit(3)"
    )
    done = subprocess.run(
        from_outside(sys.executable, "-c", command), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "True", done.stderr
    assert done.returncode == 3


def test_what_the_command_leaves_behind_is_ended():
    command = "sleep 600 & echo $!"
    done = subprocess.run(from_outside("sh", "-c", command), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    wait_until(lambda: gone(int(done.stdout)), Deadline(60.0), "the end of the stray")


def test_a_termination_is_passed_on():
    command = "import signal as s; s.signal(s.SIGTERM, lambda *_: exit(7)); print('up', flush=True); s.pause()"
    inside = from_outside(sys.executable, "-c", command)
    with subprocess.Popen(inside, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=60) == 7


def test_an_unknown_command_and_no_command_say_so():
    done = subprocess.run([*NETNS, "no-such-command"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "no-such-command" in done.stderr
    done = subprocess.run(NETNS, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_a_default_route_makes_a_network_open():
    command = "from firmware_sim import netns; netns.require_closed_network()"
    done = subprocess.run(
        [*UNSHARE, *OPENED, sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert MachineError.__name__ in done.stderr
    assert "default route by lo" in done.stderr
