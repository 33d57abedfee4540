"""What emulated tests share: images from the cache, cameras that are provisioned once, machines that are always closed.

These tests run inside the closed network (`python -m tests.run emulated`), so nothing can be fetched or built that
needs a network: `make images` has to have run before.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from firmware_sim import netns
from firmware_sim.demo import images
from firmware_sim.demo.person import Person, Place
from firmware_sim.image.build import BuiltImage
from firmware_sim.image.errors import ImageError
from firmware_sim.image.provision import Device, load_device, provision
from firmware_sim.image.store import default_store
from firmware_sim.netns import FRONT_ADDRESS, PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.hardware import Forward, Hardware
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from firmware_sim.qemu.snapshots import Snapshots

if TYPE_CHECKING:
    from tests.emulated.fleet import Fleet
    from tests.emulated.logged_update import LoggedUpdate

BOOT_S = 240.0
WATCHDOG_S = 1500.0
READY = ("camward-agent: ready", "camward-camera: ready")
SERIAL = "KW1-000042"
FRONT = tuple(Forward(port, 0, FRONT_ADDRESS) for port in (443, 322, 554, 22, 23))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say at once, and once, that these tests need the closed network."""
    ways = netns.open_ways()
    if ways:
        raise pytest.UsageError(f"not in a closed network ({ways[0]}): run `python -m tests.run emulated`")


@pytest.fixture(scope="session")
def image() -> Callable[[str], BuiltImage]:
    """`image("product-1.0.0")`: an image of the set in firmware_sim.demo.images; never builds one."""
    return images.load


@pytest.fixture(scope="session")
def camera_of(image: Callable[[str], BuiltImage]) -> Callable[[str], Device]:
    """`camera_of("lab-1.0.0")`: a camera provisioned from that image, the same in every test; only read."""

    def find(name: str) -> Device:
        built = image(name)
        folder = default_store().root / "run" / "cameras" / built.folder.name
        try:
            return load_device(folder)
        except ImageError:
            return provision(built, SERIAL, folder)

    return find


@pytest.fixture
def switch_on() -> Iterator[Callable[[Hardware], Machine]]:
    """`switch_on(hardware)`: a machine that boots, closed at the end of the test."""
    with ExitStack() as stack:

        def start(hardware: Hardware) -> Machine:
            machine = stack.enter_context(Machine(hardware, forwards=FRONT, watchdog_s=WATCHDOG_S))
            machine.power_on()
            return machine

        yield start


@dataclass(frozen=True)
class Running:
    """A camera that runs, and what its owner has."""

    machine: Machine
    device: Device
    person: Person


def until_ready(machine: Machine) -> None:
    """Wait until agent and camera application say that they are ready."""
    left = list(READY)
    deadline = Deadline(BOOT_S)
    while left:
        left.remove(machine.console.wait_for_any(left, deadline, unless=("Kernel panic",))[0])


@pytest.fixture
def unclaimed(camera_of: Callable[[str], Device], tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    """`unclaimed("lab-1.0.0")`: a booted, unclaimed camera, from a snapshot that is at most an hour old.

    Mind what `firmware_sim.qemu.machine` says about a machine after `load`: the clock is that of the snapshot, and the
    random numbers repeat, so never judge the uniqueness of keys from it.
    """
    snapshots = Snapshots(default_store().root / "run" / "snapshots")
    with ExitStack() as stack:

        def start(name: str) -> Running:
            device = camera_of(name)
            hardware = hardware_of(device, shell=name.startswith("lab"))
            machine = stack.enter_context(
                snapshots.machine(hardware, "unclaimed", until_ready, forwards=FRONT, watchdog_s=WATCHDOG_S)
            )
            place = Place(FRONT_ADDRESS, machine.port(443), machine.port(322))
            person = stack.enter_context(Person(place, PERSON_ADDRESS, tmp_path))
            person.meet(Deadline(BOOT_S))
            return Running(machine, device, person)

        yield start


@pytest.fixture(scope="session")
def enrolled_fleet(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Fleet]":
    """A server with one camera; enrolling it takes half a minute, so it is done once."""
    from tests.emulated.fleet import enrolled  # which needs this module

    with enrolled(camera_of, tmp_path_factory.mktemp("fleet")) as found:
        yield found


@pytest.fixture(scope="session")
def update(enrolled_fleet: "Fleet", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LoggedUpdate]":
    """An update of the enrolled camera, by whichever test comes first; the camera is then off, and has committed it."""
    from tests.emulated import logged_update

    with ExitStack() as stack:
        yield logged_update.run(enrolled_fleet, stack, tmp_path_factory.mktemp("logged"))


@pytest.fixture(scope="module")
def fleet(enrolled_fleet: "Fleet") -> "Iterator[Fleet]":
    """The camera as it was when it had been enrolled. It is off while other modules run."""
    enrolled_fleet.back_to("enrolled")
    yield enrolled_fleet
    for lab in (enrolled_fleet.lab, enrolled_fleet.home):
        lab.person.close()
        lab.machine.power_cut()
