"""Who and what is on stage: the operator, the camera, the ungated control, the person, the eavesdropper."""

import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from firmware_sim.demo import images
from firmware_sim.demo.operator import Operator
from firmware_sim.demo.person import Person, Place
from firmware_sim.demo.step import StepFailed
from firmware_sim.demo.thief import Thief
from firmware_sim.image.build import BuiltImage
from firmware_sim.image.provision import Device, provision
from firmware_sim.netns import FRONT_ADDRESS, PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.hardware import Forward
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of

T = TypeVar("T")
SERIAL = "KW1-000001"
OPEN_PORTS = (443, 322)
"""What a product camera offers."""
CLOSED_PORTS = (554, 22, 23, 80, 8080)
"""What it must not offer: plain RTSP, SSH, telnet, plain web."""
BOOT_S = 180.0
"""A boot takes under 20 s here; a loaded machine may need much longer, and nothing in the story is a timed test."""
UPDATE_S = 420.0
"""Check, install, reboot, health check, commit."""
ROLL_BACK_S = 900.0
"""The same with three trial boots that use up their health checks' time, and the way back."""
PANIC = ("Kernel panic", "camward-boot: nothing to boot")
BUG = "Traceback (most recent call last)"
"""Nothing of ours on the camera may end like this, but for the release that is broken on purpose."""
AGENT_READY, CAMERA_READY = "camward-agent: ready", "camward-camera: ready"
HEALTHY = "camward-agent: healthy"


class Stage:
    """Everything the steps work on. Leaving it ends every process and removes the cameras' disks."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, emptied first; the images must have been built.

        Raises:
            MachineError: code `missing_file` if they have not.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder
        self.images: dict[str, BuiltImage] = {}
        self.operator = Operator(images.operator_home())
        self.thief = Thief(self.operator.server)
        self.user, self.password = "kanri", secrets.token_urlsafe(24)
        self.device_id = ""
        self.serving = False
        self.figures: dict[str, Any] = {}
        self._stack = ExitStack()
        self._listening = ExitStack()
        self._camera: Machine | None = None
        self._ungated: Machine | None = None
        self._device: Device | None = None
        self._person: Person | None = None
        self._place: Place | None = None
        self._stack.callback(self.operator.stop)

    @property
    def camera(self) -> Machine:
        """The guarded camera.

        Raises:
            StepFailed: it is not on stage yet: a bug in the order of steps.
        """
        return _there(self._camera, "the camera")

    @property
    def ungated(self) -> Machine:
        """The control without an agent.

        Raises:
            StepFailed: it is not on stage.
        """
        return _there(self._ungated, "the ungated camera")

    @property
    def device(self) -> Device:
        """The guarded camera's files and label.

        Raises:
            StepFailed: it is not on stage.
        """
        return _there(self._device, "the camera's label")

    @property
    def person(self) -> Person:
        """Who holds the label.

        Raises:
            StepFailed: nobody is on stage.
        """
        return _there(self._person, "the person")

    @property
    def camera_place(self) -> Place | None:
        """Where the guarded camera is reached; None before it is on stage."""
        return self._place

    @property
    def wire(self) -> Path:
        """The capture of everything on the camera's cable."""
        return self.folder / "wire.pcap"

    @property
    def ungated_wire(self) -> Path:
        """The same of the control's."""
        return self.folder / "ungated.pcap"

    def bring_camera(self) -> None:
        """Provision the camera and switch it on, with an eavesdropper on its cable.

        Raises:
            MachineError: it does not start.
            ImageError: it cannot be provisioned.
        """
        self._device = provision(self.images["product-1.0.0"], SERIAL, self.folder / "camera")
        forwards = tuple(Forward(port, 0, FRONT_ADDRESS) for port in (*OPEN_PORTS, *CLOSED_PORTS))
        self._camera = self._machine(self._device, forwards)
        self.camera.plug_in()
        self._listening = self._listen(self._camera, self.wire)
        self.camera.power_on()
        self._place = Place(FRONT_ADDRESS, self.camera.port(443), self.camera.port(322))
        self._person = self._stack.enter_context(Person(self._place, PERSON_ADDRESS, self.folder))

    def bring_ungated(self) -> None:
        """Switch the control on; it boots while the story goes on.

        Raises:
            MachineError: it does not start.
            ImageError: it cannot be provisioned.
        """
        device = provision(self.images["ungated-1.0.0"], "KW1-000666", self.folder / "ungated")
        self._ungated = self._machine(device, tuple(Forward(port, 0, FRONT_ADDRESS) for port in (443, 322, 554)))
        self._ungated.plug_in()
        self._listen(self._ungated, self.ungated_wire)
        self._ungated.power_on()

    def send_ungated_home(self) -> None:
        """Switch the control off: it has said what it had to say."""
        self.ungated.close()

    def stop_listening(self) -> None:
        """End the capture of the wire."""
        self._listening.close()

    def booted(
        self,
        machine: Machine,
        markers: Sequence[str],
        deadline: Deadline | None = None,
        unless: Sequence[str] = PANIC,
    ) -> float:
        """Wait until every marker was printed, in any order, and none of `unless`.

        Returns:
            Seconds waited.

        Raises:
            MachineError: code `deadline` or `console`.
        """
        begin, left = time.monotonic(), list(markers)
        limit = deadline or Deadline(BOOT_S)
        while left:
            left.remove(machine.console.wait_for_any(left, limit, unless=unless)[0])
        return time.monotonic() - begin

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self, machine: Machine, pcap: Path) -> ExitStack:
        """Capture a machine's cable until the returned stack is closed, or the machine is."""
        listening = self._stack.enter_context(ExitStack())
        listening.enter_context(machine.capture(pcap))
        return listening

    def _machine(self, device: Device, forwards: tuple[Forward, ...]) -> Machine:
        work = device.folder / "machine"
        return self._stack.enter_context(Machine(hardware_of(device), forwards=forwards, work_dir=work))


def _there(thing: T | None, name: str) -> T:
    if thing is None:
        raise StepFailed(f"{name} is not on stage yet")
    return thing
