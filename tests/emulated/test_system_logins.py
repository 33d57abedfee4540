"""The emulated camera's /etc/passwd and /etc/shadow: links into memory that name the claimed administrator."""

from collections.abc import Callable, Iterator

import pytest

from agent.adapters.linux import yescrypt
from agent.formats import shadow
from firmware_sim.image.provision import Device
from tests.emulated.lab_camera import PASSWORD, USER, LabCamera, claimed


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
