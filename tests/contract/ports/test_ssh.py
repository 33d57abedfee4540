"""The SSH port on Linux: a word through a FIFO, and one write to a control group; and the world's server."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from agent.adapters.linux import ssh, yescrypt
from agent.adapters.linux.ssh import SystemSsh
from agent.formats.errors import Unavailable
from agent.formats.shadow import is_yescrypt
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import UnsafeWorldConsole
from firmware_sim.world.ssh import WorldSsh


@pytest.fixture
def place(tmp_path):
    os.mkfifo(tmp_path / "word", 0o600)
    (tmp_path / "group").mkdir()
    return tmp_path


@pytest.fixture
def server(place):
    return SystemSsh(place / "word", place / "group")


def waiting(place, after=lambda: None):
    """What run-ssh does: read one line, then `after`."""
    heard = []

    def read():
        heard.append((place / "word").read_text())
        after()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return heard, thread


def test_the_word_is_port_and_seconds_and_open_returns_when_it_listens(place, server):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        heard, thread = waiting(place, after=listener.listen)
        server.open(port, 600)
        thread.join(10)
    assert heard == [f"{port} 600\n"]


def test_without_a_reader_or_a_listener_it_is_unavailable(place, server, monkeypatch):
    monkeypatch.setattr(ssh, "READER_WITHIN_S", 0.3)
    monkeypatch.setattr(ssh, "LISTENS_WITHIN_S", 0.3)
    with pytest.raises(Unavailable, match="no SSH server waits"):
        server.open(9, 600)
    waiting(place)
    with pytest.raises(Unavailable, match="does not start"):
        server.open(9, 600)
    (place / "word").unlink()
    with pytest.raises(Unavailable, match="no SSH server waits"):
        server.open(9, 600)


def test_close_kills_the_group_and_a_camera_without_one_has_nothing_to_close(place, server):
    (place / "group" / "cgroup.kill").touch()
    server.close()
    assert (place / "group" / "cgroup.kill").read_text() == "1"
    SystemSsh(place / "word", place / "none").close()
    (place / "group" / "cgroup.kill").unlink()
    (place / "group" / "cgroup.kill").mkdir()
    with pytest.raises(Unavailable, match="cannot be ended"):
        server.close()


def test_a_kernel_that_cannot_kill_a_group_is_no_closed_server(place, server):
    """Before Linux 5.14 there is no cgroup.kill: nothing was ended, and nothing may claim that it was."""
    with pytest.raises(Unavailable, match="cannot be ended"):
        server.close()
    assert not (place / "group" / "cgroup.kill").exists()


RUN_SSH = Path(__file__).resolve().parents[3] / "agent" / "boot" / "run-ssh"


def run_ssh(place, word=""):
    """`run-ssh` on the files of this test: its exit status, and what it started (programs that only note that)."""
    tools, notes = place / "tools", place / "started"
    tools.mkdir()
    for name in ("dropbear", "dropbearkey", "sleep"):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{notes}\n')
        (tools / name).chmod(0o700)
    script = RUN_SSH.read_text().replace("PATH=/usr/sbin:/usr/bin", f"PATH={tools}")
    for there, here in (("/sys/fs/cgroup/ssh", "group"), ("/data/camward/ssh", "keys"), ("/run/camward-ssh", "word")):
        script = script.replace(there, str(place / here))
    told = threading.Thread(target=(place / "word").write_text, args=(word,), daemon=True)
    told.start()
    done = subprocess.run(["sh", "-c", script], env={"PATH": f"{tools}:/usr/bin:/bin"}, timeout=60, check=False)
    return done.returncode, notes.read_text().splitlines()


def test_where_the_group_cannot_be_ended_run_ssh_waits_for_no_word(place):
    assert run_ssh(place) == (1, ["sleep 60"])


def test_run_ssh_becomes_a_server_for_passwords_alone_which_forwards_nothing(place):
    (place / "group" / "cgroup.kill").touch()
    (place / "keys").mkdir()
    (place / "keys" / "ed25519").write_text("a key")
    status, started = run_ssh(place, "2222 600\n")
    server = next(one for one in started if one.startswith("dropbear "))
    wanted = f"-F -m -w -j -k -T 3 -I 600 -D {place}/word-no-keys -r {place}/keys/ed25519 -p 2222"
    assert (status, server) == (0, "dropbear " + wanted)
    assert not (place / "word-no-keys").exists()


def test_the_worlds_server_opens_closes_and_fails_as_told():
    server = WorldSsh(UnsafeWorldConsole(Chance("ssh")))
    assert server.enter("kanri", "x") == "closed"
    server.open(22, 600)
    assert (server.port, server.enter("kanri", "x")) == (22, "silent")
    server.stubborn = True
    with pytest.raises(Unavailable):
        server.close()
    server.stubborn, server.broken = False, True
    server.close()
    with pytest.raises(Unavailable):
        server.open(22, 600)
    assert server.port == 0


def test_a_drawn_password_gets_the_cheap_hash_that_programs_take():
    made = yescrypt.crypt("abcd-efgh-ijkl-mnop", yescrypt.DRAWN_COST)
    assert is_yescrypt(made)
    assert yescrypt.fits("abcd-efgh-ijkl-mnop", made)
    assert not yescrypt.fits("abcd-efgh-ijkl-mnoq", made)
    assert made.split("$")[2] != yescrypt.crypt("x").split("$")[2]
