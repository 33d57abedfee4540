"""A camera with a TPM, enrolled: it goes on after a restart, and its flash beside another TPM is nobody.

The machines start cold: a machine with a TPM takes no snapshots.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from firmware_sim.demo import images
from firmware_sim.demo.operator import Operator
from firmware_sim.demo.person import Person
from firmware_sim.image.provision import Device
from firmware_sim.netns import PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.hardware import Hardware
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from tests.emulated.conftest import FRONT, WATCHDOG_S, until_ready
from tests.emulated.fleet import UPDATE_S, Fleet, is_online
from tests.emulated.lab_camera import AGENT, BOOT_S, LabCamera, claim, claimed, place_of, put
from tests.server_program import server_program

TRIES = "/run/tries.py"
THIEF = """
import json
from pathlib import Path
from agent.adapters.linux.store import FileStore
from agent.formats import outbox_record, sealed
from agent.formats.errors import CamwardError
from agent.main_compose import keys_and_secret, read_config
from cryptography.hazmat.primitives.asymmetric import ec

ACCOUNTS = "credentials/digest.json"
store = FileStore(Path("/data/camward"))
keys, secret = keys_and_secret(store, read_config(Path("/etc/camward/agent.json")))

def messages():
    opened = 0
    for name in store.names("outbox"):
        body = store.read(name)
        for one in outbox_record.scan(body):
            message = outbox_record.read(body[one.offset : one.end])[1]
            secret.open(outbox_record.sealed_name(one.kind, one.number), message)
            opened += 1
    return opened

tries = {
    "identity": lambda: keys.pem("tls").index("PRIVATE KEY"),
    "evidence": lambda: keys.sign("evidence", b"forged"),
    "unsealing": lambda: keys.private("unseal").exchange(
        ec.ECDH(), ec.generate_private_key(ec.SECP256R1()).public_key()
    ),
    "accounts": lambda: secret.open(ACCOUNTS, sealed.parse(store.read(ACCOUNTS), 1 << 20)),
    "outbox": messages,
}
found = {}
for name, attempt in tries.items():
    try:
        found[name] = bool(attempt())
    except CamwardError:
        found[name] = False
print(json.dumps(found))
"""
EVERYTHING = {"identity", "evidence", "unsealing", "accounts", "outbox"}
GUARDED = {
    "keys": "tpm2",
    "device_secret": "tpm2",
    "not_resisted": [
        "the TLS key and the device's secret are read from the running agent's memory",
        "storage and TPM are taken together",
        "the wires of the TPM are listened to",
    ],
}
REFUSED = "the TPM has no key of the data partition: another TPM's, or this TPM has been cleared"


def opened(machine: Machine) -> set[str]:
    """What somebody with a shell on this machine can use of the camera's secrets, with the agent's own code."""
    if machine.shell(f"ls {TRIES}", Deadline(BOOT_S))[0]:
        put(machine, TRIES, THIEF.encode())
    status, text = machine.shell(AGENT.replace("-m agent.main", TRIES), Deadline(BOOT_S))
    assert status == 0, text
    found = json.loads(text[text.index("{") :])
    assert set(found) == EVERYTHING
    return {name for name, usable in found.items() if usable}


def stolen(camera: Machine, folder: Path) -> Path:
    """A copy of everything that a machine, switched off, has written."""
    assert not camera.is_on()
    return Path(shutil.copytree(camera.work_dir, folder))


@dataclass
class Guarded:
    """An enrolled camera with a TPM, and its parts."""

    fleet: Fleet
    hardware: Hardware
    folder: Path


@pytest.fixture(scope="module")
def guarded(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Claimed, enrolled, with its evidence at the server."""
    folder = tmp_path_factory.mktemp("tpm")
    home = folder / "operator"
    home.mkdir()
    made = images.operator_home()
    for name in ("pristine", "server.offline"):
        shutil.copytree(made / name, home / name)
    shutil.copy2(made / "administrator.json", home)
    device = camera_of("tpm-1.0.0")
    hardware = hardware_of(device, shell=True, tpm=folder / "chip")
    with (
        server_program(folder) as program,
        Operator(home, program=program) as operator,
        Machine(hardware, forwards=FRONT, watchdog_s=WATCHDOG_S, work_dir=folder / "machine") as machine,
    ):
        operator.begin_anew()
        operator.serve()
        machine.power_on()
        until_ready(machine)
        claim(machine, device, folder)
        with Person(place_of(machine), PERSON_ADDRESS, folder) as person:
            fleet = Fleet(operator, LabCamera(machine, device, person), images.load("tpm-1.0.0"), "")
            fleet.page()
            answer = person.ask("/api/enrol", {"token": operator.token()})
            assert answer.ok, answer.text
            seen = operator.wait_for(operator.devices, is_online, Deadline(BOOT_S), "the camera in the list")
            fleet.device_id = str(seen[0]["id"])
            yield Guarded(fleet, hardware, folder)


def test_evidence_says_that_the_tpm_guards_the_keys_and_what_that_does_not_resist(guarded: Guarded):
    """Signed by the key in the TPM: the server takes no other."""
    report = guarded.fleet.evidence(lambda seen: "key_protection" in seen["facts"])
    assert report["facts"]["key_protection"] == GUARDED
    shell = guarded.fleet.lab.shell
    files = shell("cd /data/camward && ls -d secret identity/*.key* identity/*.tpm* 2>/dev/null || true").split()
    assert sorted(files) == [f"identity/{name}.sealed" for name in ("evidence.tpm", "tls.key.pem", "unseal.tpm")]
    shown = shell("find /data/camward /run -type f -exec grep -l 'PRIVATE KEY' {} +")
    with pytest.raises(MachineError, match="a TPM keeps its own state"):
        guarded.fleet.lab.machine.save("anything")
    assert shown.split() == ["/data/camward/web/key.pem"], "the services' own, which is no key of the device's identity"


def test_a_stolen_flash_is_nobody_without_the_chip_and_the_camera_itself_goes_on(
    guarded: Guarded, camera_of: Callable[[str], Device]
):
    fleet, folder = guarded.fleet, guarded.folder
    machine = fleet.lab.machine
    first = fleet.evidence(lambda _seen: True)
    assert opened(machine) >= EVERYTHING - {"outbox"}
    machine.link(up=False)
    fleet.lab.evidence()  # stays in the outbox
    wait_until(lambda: opened(machine) == EVERYTHING, Deadline(BOOT_S), "a message in the outbox")
    machine.power_cut()
    thiefs, copy = stolen(machine, folder / "stolen"), stolen(machine, folder / "copy")
    wait_until(lambda: not fleet.session().online, Deadline(UPDATE_S), "the end of the camera's session")
    before = fleet.session()

    foreign = replace(guarded.hardware, tpm=folder / "the-thiefs-chip")
    with Machine(foreign, forwards=FRONT, watchdog_s=WATCHDOG_S, work_dir=thiefs) as thief:
        thief.power_on()
        thief.console.wait_for(REFUSED, Deadline(BOOT_S), unless=("Kernel panic", "camward-agent: ready"))
        thief.console.wait_for("camward-agent: ready", Deadline(BOOT_S), unless=("Kernel panic",))
        status, text = thief.shell("mount | grep ' /data '", Deadline(BOOT_S))
        assert status == 0
        assert text.strip().startswith("tmpfs"), "the stand-in: none of the camera's secrets is there"
        # A camera whose TPM was exchanged starts anew, by its button.
        thief.console.skip()
        for _ in range(5):
            thief.monitor.execute("system_powerdown")
            time.sleep(0.5)
        for told in ("the button was pressed five times", "the data partition was formatted", "camward-agent: ready"):
            thief.console.wait_for(told, Deadline(BOOT_S), unless=("Kernel panic",))
        thief.power_cut()
    shutil.rmtree(thiefs)
    thiefs = Path(shutil.copytree(copy, thiefs))
    bare = replace(guarded.hardware, tpm=None, dtb=camera_of("lab-1.0.0").dtb)
    with Machine(bare, forwards=FRONT, watchdog_s=WATCHDOG_S, work_dir=thiefs) as chipless:
        chipless.power_on()
        chipless.console.wait_for("there is no TPM that answers", Deadline(BOOT_S), unless=("camward-agent: ready",))
    assert fleet.session() == before, "no session: the thief is not the camera"

    with Machine(guarded.hardware, forwards=FRONT, watchdog_s=WATCHDOG_S, work_dir=copy) as whole:
        whole.power_on()
        until_ready(whole)
        assert opened(whole) >= EVERYTHING - {"outbox"}, "the control: it is the chip that was missing"
        whole.power_cut()

    machine.console.skip()
    machine.power_on()
    fleet.booted(Deadline(BOOT_S))
    wait_until(lambda: fleet.session().at > before.at, Deadline(UPDATE_S), "the camera's session after its restart")
    assert fleet.evidence(lambda seen: seen["at"] > first["at"])["facts"]["key_protection"] == GUARDED


def test_with_keys_in_files_the_same_copy_is_the_camera(camera_of: Callable[[str], Device], tmp_path: Path):
    """The control: the same firmware without a TPM, whose evidence says so."""
    with claimed(camera_of, tmp_path) as lab:
        assert lab.evidence()["facts"]["key_protection"]["not_resisted"] == ["the whole storage is read"]
        lab.shell("sync")
        lab.machine.power_cut()
        copy = stolen(lab.machine, tmp_path / "stolen")
        hardware = lab.machine.hardware
    with Machine(hardware, forwards=FRONT, watchdog_s=WATCHDOG_S, work_dir=copy) as thief:
        thief.power_on()
        until_ready(thief)
        assert opened(thief) >= {"identity", "evidence", "accounts"}
