"""An erase on the emulated camera: asked for on its page, measured by the camera, looked at by us.

The machine restarts in the first test; in the others the agent alone does, so that what we have mounted over the
verified root stays: an agent that finds the journal of an erase ends the erase, whoever started it.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from agent.formats import shadow
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.provision import Device
from firmware_sim.qemu.deadline import Deadline
from tests.emulated.conftest import READY
from tests.emulated.lab_camera import BOOT_S, PASSWORD, USER, LabCamera, claimed, reasons, verdicts
from tests.emulated.test_system_logins import LISTENS

CRITERION = "S1.1-15"
STATE = "/data/camward"
JOURNAL = '{"v":1,"token":"","version":"1.0.0"}'
LEFT = {
    "credentials/state.json", "evidence/history.json", "factory/label.json", "identity/evidence.key.pem",
    "identity/tls.key.pem", "trust/rollback_index", "web/cert.pem", "web/key.pem",
}  # fmt: skip
"""What a camera that was never updated holds after an erase; and the floor, if the time was ever proved."""
SSH_KEY = "ssh/ed25519"


@pytest.fixture(scope="module")
def lab(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCamera]:
    with claimed(camera_of, tmp_path_factory.mktemp("lab")) as camera:
        yield camera


def documents(lab: LabCamera) -> set[str]:
    return set(lab.shell(f"cd {STATE} && find . -type f").replace("./", "").split())


def digest(lab: LabCamera, name: str) -> str:
    return lab.shell(f"sha256sum {STATE}/{name}").split()[0]


def ssh_logins(lab: LabCamera) -> list[str]:
    """Whom /etc/shadow lets in."""
    lines = shadow.parse_shadow((lab.shell("cat /etc/shadow") + "\n").encode())
    return [one.name for one in lines if not one.lets_nobody_in()]


def erased_by_the_agent(lab: LabCamera) -> None:
    """The agent restarts with the journal of an erase in its state folder."""
    lab.shell(f"mkdir -p {STATE}/handover && echo '{JOURNAL}' >{STATE}/handover/erase.json")
    lab.restart("agent")


def test_an_erase_from_the_page_leaves_the_factory_and_passes(lab: LabCamera) -> None:
    lab.restore()
    lab.person.meet(Deadline(BOOT_S))
    who = {"user": USER, "password": PASSWORD}
    answer = patiently(lambda: lab.person.ask("/api/login", who))
    assert answer.ok, answer.text
    answer = patiently(lambda: lab.person.ask("/api/open-ssh", {"password": PASSWORD, "minutes": "240"}))
    assert answer.ok, answer.text
    assert (lab.shell(LISTENS), ssh_logins(lab), SSH_KEY in documents(lab)) == ("1", [USER], True)
    label, key = digest(lab, "factory/label.json"), digest(lab, "web/key.pem")
    lab.shell(f"echo kanri >{STATE}/credentials/web.json.new && echo kanri >{STATE}/unheard-of")
    lab.machine.console.skip()
    answer = patiently(lambda: lab.person.ask("/api/erase", {"password": PASSWORD}))
    assert answer.ok, answer.text
    left = ["camward-agent: erase is done", *READY]
    while left:
        left.remove(lab.machine.console.wait_for_any(left, Deadline(BOOT_S), unless=("Kernel panic",))[0])
    assert documents(lab) - {"clock/floor.json", "credentials/lockout.json"} == LEFT
    assert lab.shell(f"grep -rl kanri {STATE} || true") == ""
    assert digest(lab, "factory/label.json") == label
    assert digest(lab, "web/key.pem") != key
    assert (lab.shell(LISTENS), ssh_logins(lab)) == ("0", []), "neither the server nor the login that was lent"
    report = lab.evidence()
    assert report["facts"]["claim_state"] == {"state": "unclaimed"}
    assert (verdicts(report)[CRITERION], reasons(report)[CRITERION]) == (
        "PASS",
        "the user's data was erased, the version kept",
    )


def press(lab: LabCamera) -> None:
    """Press the button on the case once: QEMU holds line 3 of the board's GPIO chip for 100 ms."""
    lab.machine.monitor.execute("system_powerdown")
    lab.shell("sleep 1")


def test_five_presses_of_the_button_erase_the_camera_and_four_do_not(lab: LabCamera) -> None:
    """The way back without a password: physical presence."""
    lab.restore()
    counted = "grep gpiolib /proc/interrupts | awk '{print $2 + $3}'"
    before = int(lab.shell(counted))
    for _ in range(4):
        press(lab)
    lab.shell("sleep 11")
    assert int(lab.shell(counted)) == before + 4
    assert "credentials/web.json" in documents(lab)
    lab.machine.console.skip()
    for _ in range(5):
        lab.machine.monitor.execute("system_powerdown")
        time.sleep(0.5)
    left = ["the button was pressed five times", "camward-agent: erase is done", *READY]
    while left:
        left.remove(lab.machine.console.wait_for_any(left, Deadline(BOOT_S), unless=("Kernel panic",))[0])
    assert documents(lab) - {"clock/floor.json", "credentials/lockout.json"} == LEFT
    assert lab.evidence()["facts"]["claim_state"] == {"state": "unclaimed"}


def test_an_erase_that_leaves_something_fails_and_one_that_was_not_measured_proves_nothing(lab: LabCamera) -> None:
    lab.restore()
    lab.replace(
        "agent/adapters/linux",
        "erasure",
        "from agent.adapters.linux.honest_erasure import *\n"
        "from agent.adapters.linux.honest_erasure import FileErasure as Honest\n"
        "class FileErasure(Honest):\n"
        "    def remove(self, item):\n"
        "        if item != 'pictures/1.jpg':\n"
        "            super().remove(item)\n",
    )
    lab.shell(f"mkdir {STATE}/pictures && echo picture >{STATE}/pictures/1.jpg")
    erased_by_the_agent(lab)
    report = lab.evidence()
    assert (verdicts(report)[CRITERION], reasons(report)[CRITERION]) == ("FAIL", "the erase left pictures/1.jpg")
    lab.shell(f"echo '{{}}' >{STATE}/evidence/history.json")
    lab.restart("agent")
    assert verdicts(lab.evidence())[CRITERION] == "INCONCLUSIVE"
