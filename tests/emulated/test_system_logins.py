"""The emulated camera's /etc/passwd and /etc/shadow: links into memory that name the claimed administrator; and SSH."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.adapters.linux import yescrypt
from agent.formats import shadow
from firmware_sim.demo.person import Answer
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.provision import Device
from firmware_sim.netns import FRONT_ADDRESS
from firmware_sim.qemu.deadline import Deadline
from tests.emulated.lab_camera import AGENT, ANSWER_S, PASSWORD, USER, LabCamera, claimed


@pytest.fixture(scope="module")
def lab(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCamera]:
    with claimed(camera_of, tmp_path_factory.mktemp("lab")) as camera:
        yield camera


def files(lab: LabCamera) -> tuple[tuple[shadow.Passwd, ...], tuple[shadow.Shadow, ...]]:
    passwd, shadowed = (lab.shell(f"cat /etc/{name}") + "\n" for name in ("passwd", "shadow"))
    return shadow.parse_passwd(passwd.encode()), shadow.parse_shadow(shadowed.encode())


def test_the_administrator_is_an_account_of_the_system_with_a_hash_that_this_host_takes(lab: LabCamera):
    lab.restore()
    accounts, hashes = files(lab)
    assert [(one.name, one.uid) for one in accounts] == [("root", 0), ("camera", 900), (USER, 2000)]
    assert [one.lets_nobody_in() for one in hashes] == [True, True, False]
    assert yescrypt.fits(PASSWORD, hashes[-1].password)
    assert lab.shell("busybox stat -L -c '%a %u %g' /etc/shadow") == "600 0 0"
    assert lab.shell("busybox stat -L -c '%a %u %g' /etc/passwd") == "644 0 0"
    assert lab.shell(f"busybox id -u {USER}") == "2000"


def test_at_rest_there_is_no_hash_of_the_system_and_nothing_that_equals_a_password(lab: LabCamera):
    lab.restore()
    assert lab.shell("grep -rl '[$]y[$]' /data /usr/lib/camward/logins || true") == ""
    assert '"v":2' in lab.shell("cat /data/camward/credentials/digest.json")
    assert lab.shell("busybox stat -c '%a %u' /data/camward/secret/device.key") == "600 0"


@pytest.mark.parametrize("store", ["shadow", "digest", "web"])
def test_with_a_damaged_store_nobody_is_in_the_files_after_a_start(lab: LabCamera, store: str):
    lab.restore()
    lab.shell(f"echo damaged >/data/camward/credentials/{store}.json")
    lab.restart("agent")
    assert [one.lets_nobody_in() for one in files(lab)[1]] == [True, True]


def test_evidence_names_the_administrator_and_what_guards_the_secret(lab: LabCamera):
    lab.restore()
    facts = lab.evidence()["facts"]
    assert facts["system_accounts"]["usable"] == facts["system_accounts"]["claimed"] == [USER]
    assert facts["key_protection"]["device_secret"] == "none"


HASH_OF_NOTHING = "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"


def accounts(lab: LabCamera) -> tuple[int, str]:
    return lab.machine.shell(f"{AGENT} accounts", Deadline(ANSWER_S))


def test_accounts_that_somebody_adds_are_found_locked_and_gone(lab: LabCamera):
    """By the agent's own look at the live files, in a thread of the least priority; the manufacturer's are told."""
    lab.restore()
    before = lab.shell("cat /etc/passwd /etc/shadow")
    assert accounts(lab)[0] == 0, "as it was built and claimed, there is nothing to tell"
    lab.shell("echo 'toor:x:0:0::/:/bin/sh' >>/run/camward-logins/passwd")
    lab.shell(f"echo 'toor:{HASH_OF_NOTHING}:::::::' >>/run/camward-logins/shadow")
    lab.shell("mkdir -p /run/.ssh && echo 'ssh-ed25519 AAAA thief' >/run/.ssh/authorized_keys")
    status, text = accounts(lab)
    found = {tuple(line.split()[:3]) for line in text.splitlines() if "locked" in line and "cannot" not in line}
    assert status == 1, text
    assert found >= {
        ("uid_zero", "toor", "/etc/passwd"),
        ("unknown_account", "toor", "/etc/passwd"),
        ("usable_account", "toor", "/etc/shadow"),
        ("keys", "-", "/run/.ssh/authorized_keys"),
    }, text
    assert lab.shell("cat /etc/passwd /etc/shadow") == before
    assert lab.shell("cat /run/.ssh/authorized_keys") == "#ssh-ed25519 AAAA thief"
    pid = lab.shell("ps -o pid,args | grep '[m] agent.main run' | awk '{print $1}'")
    assert "19" in lab.shell(f"awk '{{print $19}}' /proc/{pid}/task/*/stat").split()
    # A factory password of the manufacturer's, by its own hash: nobody is let in, and only a release mends it.
    lab.shell(f"sed 's|^root:[^:]*|root:{HASH_OF_NOTHING}|' /usr/lib/camward/logins/shadow >/run/shadow")
    lab.shell("mount --bind /run/shadow /usr/lib/camward/logins/shadow")
    deadline = Deadline(ANSWER_S)
    while "default_password" not in text:
        deadline.require("the factory password, after " + text)
        status, text = accounts(lab)
    row = next(line for line in text.splitlines() if line.startswith("default_password"))
    assert row.split()[1:3] == ["root", "manufacturer:shadow"]
    assert "cannot be locked" in row


# --- SSH

MIRAI = (
    ("root", "xc3511"),
    ("root", "vizxv"),
    ("admin", "admin"),
    ("root", "888888"),
    ("root", ""),
    ("support", "support"),
)
PROHIBITED = "open failed: administratively prohibited"
LISTENS = "grep -c ' 00000000:0016 .* 0A ' /proc/net/tcp || true"
"""How many sockets listen on port 22 of all interfaces; 0A is TCP_LISTEN."""
TIMEOUT_S = 120


class Client:
    """A person with Debian's OpenSSH client, who knows no keys and answers every question for a password with one."""

    def __init__(self, lab: LabCamera, folder: Path) -> None:
        self._port = lab.machine.port(22)
        self._answer = folder / "answer"
        self._answer.write_text('#!/bin/sh\nprintf "%s\\n" "$PASSWORD"\n')
        self._answer.chmod(0o700)

    def start(self, user: str, password: str, command: str, *more: str) -> "subprocess.Popen[str]":
        options = [
            "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "PubkeyAuthentication=no", "ConnectTimeout=60",
            "NumberOfPasswordPrompts=1", "LogLevel=ERROR",
        ]  # fmt: skip
        given = [part for option in options for part in ("-o", option)]
        commands = [command] if command else []
        environment = {**os.environ, "SSH_ASKPASS": str(self._answer), "SSH_ASKPASS_REQUIRE": "force"}
        return subprocess.Popen(
            ["ssh", "-F", "none", *more, *given, "-p", str(self._port), f"{user}@{FRONT_ADDRESS}", *commands],
            env={**environment, "PASSWORD": password, "DISPLAY": ":0"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, user: str, password: str, command: str = "busybox id -u", *more: str) -> tuple[int, str, str]:
        done = self.start(user, password, command, *more)
        out, told = done.communicate(timeout=TIMEOUT_S)
        return done.returncode, out.strip(), told


def hydra(lab: LabCamera, folder: Path, passwords: tuple[str, ...]) -> str:
    (folder / "list").write_text("\n".join(passwords) + "\n")
    command = ["hydra", "-I", "-t", "2", "-l", USER, "-P", str(folder / "list"), "-s", str(lab.machine.port(22))]
    done = subprocess.run(
        [*command, FRONT_ADDRESS, "ssh"], cwd=folder, capture_output=True, text=True, timeout=ANSWER_S, check=False
    )
    return done.stdout + done.stderr


def order(lab: LabCamera, path: str, fields: dict[str, str]) -> Answer:
    answer = patiently(lambda: lab.person.ask(path, fields))
    assert answer.ok, answer.text
    return answer


def test_ssh_is_closed_then_open_for_the_drawn_password_alone_then_closed_with_its_sessions(
    lab: LabCamera, tmp_path: Path
):
    lab.restore()
    client = Client(lab, tmp_path)
    assert lab.shell(LISTENS) == "0", "closed by default"
    assert client.run(USER, PASSWORD)[0] == 255
    assert "22" not in {str(one["port"]) for one in lab.evidence()["facts"]["listeners"]["found"]}

    order(lab, "/api/login", {"user": USER, "password": PASSWORD})
    drawn = order(lab, "/api/open-ssh", {"password": PASSWORD, "minutes": "10"}).body["password"]
    assert lab.shell(LISTENS) == "1"
    assert client.run(USER, drawn)[:2] == (0, "2000")
    for user, password in ((USER, PASSWORD), ("root", drawn), *MIRAI):
        status, out, told = client.run(user, password)
        assert (status, out, "Permission denied" in told) == (255, "", True), (user, told)
    # Nothing is forwarded: neither ports of the camera, nor its sockets, nor ports to the camera.
    loud = ("-o", "LogLevel=INFO")
    status, out, told = client.run(USER, drawn, "", *loud, "-W", "127.0.0.1:443")
    assert (status, out, PROHIBITED in told) == (255, "", True), told
    near, far = tmp_path / "near", "/run/camward/admin.sock"
    with client.start(USER, drawn, "echo in; sleep 60", *loud, "-L", f"{near}:{far}") as session:
        assert session.stdout is not None
        assert session.stderr is not None
        assert session.stdout.readline() == "in\n"
        with socket.socket(socket.AF_UNIX) as forwarded:
            forwarded.connect(str(near))
            assert forwarded.recv(1) == b""
        assert any(PROHIBITED in line for line in session.stderr)
        session.kill()
    back = ["-o", "ExitOnForwardFailure=yes", "-R", "8099:127.0.0.1:9"]
    status, out, told = client.run(USER, drawn, "echo in", *back)
    assert (status, out, "forwarding failed" in told) == (255, "", True), told
    # Nor is anything read that others may have left behind: the home is a folder of the verified root.
    lab.shell("echo 'echo planted' >/tmp/.profile; chmod 644 /tmp/.profile")
    assert client.run(USER, drawn, "exec sh -lc 'cd; pwd; touch left-behind 2>/dev/null || echo kept'")[1] == "/\nkept"
    attacked = hydra(lab, tmp_path, ("123456", "xc3511", "admin", PASSWORD))
    assert "0 valid password" in attacked, attacked
    assert "1 valid password" in hydra(lab, tmp_path, ("123456", drawn)), "the control: hydra finds what is right"
    facts = lab.evidence()["facts"]
    assert (facts["ssh"]["open"], facts["ssh"]["user"]) == (True, USER)
    assert {"proto": "tcp", "port": 22} in facts["listeners"]["found"]
    assert facts["system_accounts"]["usable"] == [USER]

    with client.start(USER, drawn, "echo in; busybox setsid sleep 3600 & sleep 3600") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "in\n"
        order(lab, "/api/close-ssh", {})
        session.wait(TIMEOUT_S)
    assert lab.shell(LISTENS) == "0"
    assert lab.shell("ps -o user,args | grep -c '[s]leep 3600' || true") == "0", "nor what the session had started"
    assert client.run(USER, drawn)[0] == 255
    assert yescrypt.fits(PASSWORD, files(lab)[1][-1].password)


def test_the_server_ends_at_its_time_without_an_agent_and_an_agent_that_starts_ends_it_before(
    lab: LabCamera, tmp_path: Path
):
    lab.restore()
    lab.shell("echo '22 15' >/run/camward-ssh")
    client = Client(lab, tmp_path)
    for _ in range(60):
        if lab.shell(LISTENS) == "1":
            break
        lab.shell("sleep 1")
    else:
        raise AssertionError("the server does not start")
    lab.shell("sleep 16")
    assert lab.shell(LISTENS) == "0"
    lab.shell("sleep 2; echo '22 600' >/run/camward-ssh; sleep 3")
    assert lab.shell(LISTENS) == "1"
    lab.restart("agent")
    assert lab.shell(LISTENS) == "0"
    assert client.run(USER, PASSWORD)[0] == 255
    assert lab.shell("busybox stat -c '%a %u' /data/camward/ssh /data/camward/ssh/ed25519").split("\n") == [
        "700 0",
        "600 0",
    ]
