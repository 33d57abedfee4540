"""The emulated camera's /etc/passwd and /etc/shadow: links into memory that name the claimed administrator."""

from collections.abc import Callable, Iterator

import pytest

from agent.adapters.linux import yescrypt
from agent.formats import shadow
from firmware_sim.image.provision import Device
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
    lab.shell("mkdir -p /tmp/.ssh && echo 'ssh-ed25519 AAAA thief' >/tmp/.ssh/authorized_keys")
    status, text = accounts(lab)
    found = {tuple(line.split()[:3]) for line in text.splitlines() if "locked" in line and "cannot" not in line}
    assert status == 1, text
    assert found >= {
        ("uid_zero", "toor", "/etc/passwd"),
        ("unknown_account", "toor", "/etc/passwd"),
        ("usable_account", "toor", "/etc/shadow"),
        ("keys", "-", "/tmp/.ssh/authorized_keys"),
    }, text
    assert lab.shell("cat /etc/passwd /etc/shadow") == before
    assert lab.shell("cat /tmp/.ssh/authorized_keys") == "#ssh-ed25519 AAAA thief"
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
