"""Updates: one that survives a power cut, two that an attacker made, one that is broken and rolled back."""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from agent.formats.boot_record import NO_TRIAL, RECORD_BYTES, BootRecord, newer
from firmware_sim.demo.stage import AGENT_READY, BOOT_S, CAMERA_READY, HEALTHY, ROLL_BACK_S, UPDATE_S, Stage
from firmware_sim.demo.step import StepFailed, require
from firmware_sim.demo.steps_fleet import sign_in
from firmware_sim.image.build import BuiltImage
from firmware_sim.qemu.deadline import Deadline, wait_until

REFUSAL_S = 240.0
INSTALL_LOOK_S = 0.3
"""The camera is held still while we look, and an installation takes some seconds of its own time."""
PAGE_LOOK_S = 1.0


@dataclass(frozen=True)
class Disk:
    """What lies on the camera's disk, looked at from outside."""

    records: bytes
    slots: dict[str, str]

    @property
    def active(self) -> str:
        """The committed slot.

        Raises:
            StepFailed: neither copy of the boot record is valid.
        """
        return _record(self.records).active


def updates(stage: Stage) -> str:
    """Roll 1.1.0 out, cut the power in the middle of the installation, and see the update complete."""
    operator, camera = stage.operator, stage.camera
    before = look(stage)
    operator.prepare("1.1.0", "1.0.0")
    number = operator.roll_out("1.1.0")
    percent = _cut_in_mid_install(stage, before)
    torn = look(stage)
    require(torn.active == "a" and not _trial(torn), "a half-written slot was armed")
    camera.console.skip()
    camera.power_on()
    stage.booted(camera, ("camward-boot: starting slot a", AGENT_READY))
    deadline = Deadline(UPDATE_S)
    camera.console.wait_for("camward-boot: starting slot b", deadline)
    stage.booted(camera, (HEALTHY, CAMERA_READY), deadline)
    device = _committed(stage, "1.1.0", deadline)
    rollout = operator.wait_for(
        lambda: operator.rollout(number), lambda seen: seen["state"] == "complete", deadline, "the rollout's end"
    )
    after = look(stage)
    require(after.active == "b" and not _trial(after), "slot B is not committed")
    require(_whole_slot(stage, stage.images["product-1.1.0"], "b"), "slot B is not what the release signed")
    _still_guarded(stage)
    events = ", ".join(event["event"] for event in device["updates"])
    return f"power cut at {percent}: slot A booted, the update went on, slot B committed ({events}); {rollout['state']}"


def tampered(stage: Stage) -> str:
    """Offer 1.2.0 with one bit flipped, first in its block tree and then in the image itself.

    In the second case the camera may have brought genuine blocks into the inactive slot before it meets the bad one;
    the slot is then not armed, and the bad block is not in it.
    """
    image = stage.images["product-1.2.0"]
    stage.operator.prepare("1.2.0", "1.1.0")  # one that is made meanwhile would be genuine, and waited for
    before = look(stage)
    with stage.thief.spoiled(_sha256(image.tree), image.tree.name, 0):
        first = _refused(stage, "1.2.0")
    after = look(stage)
    _require_untouched(before, after, "an image whose block tree was tampered with")
    fresh = _fresh_block(image, stage.images["product-1.1.0"])
    with ExitStack() as everything:
        # A camera that finds an artifact of the release would not ask for the image.
        for sha256, name in stage.thief.artifacts("1.2.0"):
            everything.enter_context(stage.thief.spoiled(sha256, name, 0))
        spoiled = everything.enter_context(stage.thief.spoiled(_sha256(image.slot), image.slot.name, fresh * 4096 + 7))
        bad = spoiled.read_bytes()[fresh * 4096 : fresh * 4096 + 4096]
        second = _refused(stage, "1.2.0")
    last = look(stage)
    require(last.records == before.records, "the boot record was written for a tampered image")
    require(last.slots["b"] == before.slots["b"], "the active slot was written")
    place = image.layout.slot("a") + fresh * 4096
    require(stage.camera.read_disk(place, 4096) != bad, "the tampered block was written")
    for code in (first, second):
        require(code == "arbitrary_software", f"the tampered image was refused as {code!r}")
    return "refused as arbitrary_software: tampered block tree, nothing written; tampered block, never armed"


def older(stage: Stage) -> str:
    """Order the camera back to 1.0.0 with the server's stolen online keys."""
    before = look(stage)
    known = len(_refusals(stage.operator.device(stage.device_id)))
    stage.thief.order(stage.device_id, stage.images["product-1.0.0"].slot.name)
    code = _next_refusal(stage, known)
    require(code == "rollback", f"the older release was refused as {code!r}, not as rollback")
    _require_untouched(before, look(stage), "an older release")
    stage.operator.take_back(stage.device_id)
    _settled(stage)
    return "1.0.0, genuine and ordered with stolen online keys, is refused as rollback; nothing written"


def rolls_back(stage: Stage) -> str:
    """Roll 1.2.0 out; its camera application crashes, so the camera goes back by itself and the server pauses."""
    operator, camera = stage.operator, stage.camera
    number = operator.roll_out("1.2.0")
    deadline = Deadline(ROLL_BACK_S)
    camera.console.skip()
    camera.console.wait_for("camward-boot: starting slot a", deadline)
    camera.console.wait_for("camward-boot: starting slot b", deadline)
    stage.booted(camera, (AGENT_READY, CAMERA_READY), deadline)
    rollout = operator.wait_for(
        lambda: operator.rollout(number), lambda seen: seen["state"] == "paused", deadline, "the rollout's pause"
    )
    device = operator.wait_for(
        lambda: operator.device(stage.device_id),
        lambda seen: seen["online"] and seen["version"] == "1.1.0" and seen["updates"][0]["event"] == "rolled_back",
        deadline,
        "1.1.0 on the server",
    )
    after = look(stage)
    require(after.active == "b" and not _trial(after), "slot B is not the committed one any more")
    _still_guarded(stage)
    return (
        f"trial boot failed ({device['updates'][0]['detail'][:60]}), back on {device['version']}; {rollout['reason']}"
    )


def look(stage: Stage) -> Disk:
    """Read boot record and slots from outside, with the camera held still (or off)."""
    layout = stage.images["product-1.0.0"].layout
    records = b"".join(stage.camera.read_disk(offset, RECORD_BYTES) for offset in layout.boot_record)
    slots = {
        letter: hashlib.sha256(stage.camera.read_disk(layout.slot(letter), layout.slot_bytes)).hexdigest()
        for letter in "ab"
    }
    return Disk(records, slots)


def _require_untouched(before: Disk, after: Disk, what: str) -> None:
    """Nothing that an update touches was written.

    Raises:
        StepFailed: naming what was.
    """
    written = [f"slot {letter}" for letter in "ab" if before.slots[letter] != after.slots[letter]]
    written += ["the boot record"] if before.records != after.records else []
    require(not written, f"{' and '.join(written)} changed for {what}")


def _record(records: bytes) -> BootRecord:
    record, _ = newer(records[:RECORD_BYTES], records[RECORD_BYTES:])
    if record is None:
        raise StepFailed("both copies of the boot record are damaged")
    return record


def _trial(disk: Disk) -> bool:
    return _record(disk.records).trial != NO_TRIAL


def _cut_in_mid_install(stage: Stage, before: Disk) -> str:
    """Wait until the inactive slot is being written, by what lies on the disk, and cut the power right then.

    Returns:
        How much of the slot was written, for people.
    """
    camera, image = stage.camera, stage.images["product-1.1.0"]
    place, length = image.layout.slot("b"), image.slot.stat().st_size
    wanted = image.slot.read_bytes()

    def begun() -> bool:
        camera.monitor.execute("stop")  # flushes, and holds the camera at this very instruction
        begun_now = look(stage).slots["b"] != before.slots["b"]
        if not begun_now:
            camera.monitor.execute("cont")
        return begun_now

    wait_until(begun, Deadline(UPDATE_S), "the installation of 1.1.0", INSTALL_LOOK_S)
    camera.power_cut()
    written = camera.read_disk(place, length)
    missing = sum(written[at : at + 4096] != wanted[at : at + 4096] for at in range(0, length, 4096))
    require(missing > 0, "the installation had ended before the power was cut")
    return f"{100 - 100 * missing * 4096 // length} %"


def _committed(stage: Stage, version: str, deadline: Deadline) -> dict[str, Any]:
    seen: dict[str, Any] = stage.operator.wait_for(
        lambda: stage.operator.device(stage.device_id),
        lambda seen: (
            seen["online"]
            and seen["version"] == version
            and any(event["event"] == "committed" and event["to"] == version for event in seen["updates"])
        ),
        deadline,
        f"{version} committed on the server",
    )
    return seen


def _settled(stage: Stage) -> None:
    """Wait until the camera has looked again and found nothing to do, which ends its growing pauses after a refusal."""

    def up_to_date() -> bool:
        sign_in(stage)
        update = stage.person.ask("/api/device").body.get("update", {})
        return bool(update.get("phase") == "idle" and update.get("last_result") == "up to date")

    wait_until(up_to_date, Deadline(REFUSAL_S), "the camera's next look at the server", PAGE_LOOK_S)


def _refused(stage: Stage, version: str) -> str:
    """Roll out, wait for the refusal's code, and take the rollout back."""
    known = len(_refusals(stage.operator.device(stage.device_id)))
    number = stage.operator.roll_out(version)
    code = _next_refusal(stage, known)
    stage.operator.abort(number)
    _settled(stage)
    return code


def _next_refusal(stage: Stage, known: int) -> str:
    device = stage.operator.wait_for(
        lambda: stage.operator.device(stage.device_id),
        lambda seen: len(_refusals(seen)) > known,
        Deadline(REFUSAL_S),
        "the camera's refusal",
    )
    return str(max(_refusals(device), key=lambda event: int(event["received_at"]))["code"])


def _refusals(device: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in device["updates"] if event["event"] == "refused"]


def _still_guarded(stage: Stage) -> None:
    """After a reboot the same password works, and the certificate is the one that was pinned."""
    stage.person.close()
    stage.person.meet(Deadline(BOOT_S))
    stage.person.snapshot(stage.user, stage.password)


def _whole_slot(stage: Stage, image: BuiltImage, letter: str) -> bool:
    data = stage.camera.read_disk(image.layout.slot(letter), image.slot.stat().st_size)
    return data == image.slot.read_bytes()


def _fresh_block(image: BuiltImage, installed: BuiltImage) -> int:
    """Find a block of `image` that the installed release does not have, so that it has to be fetched."""
    wanted, there = image.tree.read_bytes(), installed.tree.read_bytes()
    known = {there[at : at + 32] for at in range(0, len(there), 32)}
    for at in range(0, len(wanted), 32):
        if wanted[at : at + 32] not in known:
            return at // 32
    raise StepFailed("the two releases have the same blocks")


def _sha256(path: Any) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
