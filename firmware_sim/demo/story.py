"""The story: its steps in order, told inside a closed network, and what is left when it has been told.

Outside, images are built and doors are opened; then the program runs itself again inside (`firmware_sim.netns`).
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from firmware_sim import netns
from firmware_sim.demo import images, steps_camera, steps_fleet, steps_update
from firmware_sim.demo.operator import PEOPLE_PORT
from firmware_sim.demo.stage import Stage
from firmware_sim.demo.step import Step
from firmware_sim.demo.teller import Told, summary_table, tell, write_summary
from firmware_sim.image.store import default_store
from firmware_sim.qemu import doorway

STORY: tuple[Step[Stage], ...] = (
    Step("Three releases are built, and a camera without Camward", steps_camera.builds),
    Step("1.0.0 boots, unclaimed", steps_camera.boots),
    Step("No service lets anyone in", steps_camera.nobody),
    Step("Default passwords are refused on every path", steps_camera.defaults),
    Step("Weak passwords are refused with reasons", steps_camera.weak),
    Step("The owner claims the camera", steps_camera.claims),
    Step("The owner logs in on web, RTSPS and ONVIF", steps_camera.logs_in),
    Step("The camera is enrolled with its operator", steps_fleet.enrols),
    Step("Telemetry arrives", steps_fleet.telemetry),
    Step("A client without a certificate is refused by the broker", steps_fleet.stranger),
    Step("An eavesdropper on the wire reads nothing", steps_fleet.unseen),
    Step("1.1.0 is rolled out, and survives a power cut in mid-install", steps_update.updates),
    Step("An older release is refused", steps_update.older),
    Step("A tampered image is refused", steps_update.tampered),
    Step("1.2.0 fails its health checks and is rolled back", steps_update.rolls_back),
    Step("The evidence for JC-STAR ★1 is in", steps_fleet.evidence),
)

DOORS = "CAMWARD_DEMO_DOORS"
"""Set for the run inside: the sockets opened outside, as `doorway.written` writes them."""
BUILT = "CAMWARD_DEMO_BUILD_S"
"""Set for the run inside: what finding or building the images took."""
STATUS_FAILED = 1
LAST_LINES = 6
"""Of each log, where a step has failed: a CI often keeps nothing else."""
DASHBOARD, CAMERA = "dashboard", "camera"


def run(*, keep: bool, counts: bool) -> int:
    """Tell the story; outside a closed network, build the images and go inside first.

    Args:
        keep: leave everything running at the end, with doors to the dashboard and to the camera's page.
        counts: end with the line `N passed, N failed`.

    Returns:
        Exit status: 0 if every step saw what it had to see.
    """
    if netns.is_closed_network():
        return _inside(keep=keep, counts=counts)
    begin = time.monotonic()
    if images.main() != 0:
        return STATUS_FAILED
    os.environ[BUILT] = f"{time.monotonic() - begin:.1f}"
    doors = doorway.open_doors({DASHBOARD: 0, CAMERA: 0}) if keep else {}
    os.environ[DOORS] = doorway.written(doors)
    flags = ["--keep"] * keep + ["--counts"] * counts
    command = [sys.executable, "-m", "firmware_sim.main", "demo", *flags]
    return netns.run_in_closed_network(command, [door.fileno() for door in doors.values()])


def _inside(*, keep: bool, counts: bool) -> int:
    console = Console(highlight=False)
    doors = doorway.inherited(os.environ.get(DOORS, ""))
    folder = default_store().root / "demo"
    # Those that the story needs it asks for. Others would keep a processor busy for a minute, one after the other, and
    # come at any time.
    os.environ["CAMWARD_DELTAS__FROM_VERSIONS"] = "0"
    with Stage(folder) as stage:
        told = tell(STORY, stage, console)
        whole = len(told) == len(STORY) and told[-1].ok
        _finish(console, folder, stage, told)
        if keep:
            _keep(console, stage, doors)
    if counts:
        passed = sum(one.ok for one in told)
        print(f"{passed} passed, {len(STORY) - passed} failed")
    return 0 if whole else STATUS_FAILED


def _finish(console: Console, folder: Path, stage: Stage, told: list[Told]) -> None:
    """Show the evidence, the summary or the failure, and write the summary."""
    build_s = os.environ.get(BUILT)
    if build_s:
        stage.figures["images_s"] = float(build_s)
    findings = stage.figures.pop("findings", None)
    if findings:
        console.print(_evidence_table(findings))
    console.print(summary_table(told, _figures(stage)))
    write_summary(folder / "summary.json", told, len(STORY), stage.figures)
    if not told[-1].ok:
        logs = [*folder.glob("*/machine/console.log"), stage.operator.log]
        for log in (path for path in logs if path.is_file()):
            console.print(f"{log} ends:", markup=False)
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
            console.print(Text("\n".join(f"  {line[:160]}" for line in last)))
        console.print(f"[red]The demo failed:[/] {told[-1].name}: ", end="")
        console.print(told[-1].seen.partition("\n")[0], markup=False)


def _figures(stage: Stage) -> list[tuple[str, str]]:
    known = stage.figures
    shown = []
    if "images_s" in known:
        shown.append(("images found or built", f"{known['images_s']:.1f} s"))
    if "boot_s" in known:
        shown.append(("power-on to agent ready", f"{known['boot_s']:.1f} s"))
    if known.get("agent_rss_bytes"):
        shown.append(("agent's memory, idle", f"{known['agent_rss_bytes'] / 1e6:.1f} MB"))
    if "update_bytes" in known:
        shown.append(("1.1.0 has to fetch", f"{known['update_bytes'] / 1e6:.1f} of {known['slot_bytes'] / 1e6:.1f} MB"))
    return shown


def _evidence_table(findings: list[dict[str, object]]) -> Table:
    table = Table(title="Evidence, JC-STAR ★1")
    for column in ("criterion", "verdict", "probes", "reason"):
        table.add_column(column)
    for one in findings:
        probes = one.get("probes")
        shown = ", ".join(map(str, probes)) if isinstance(probes, list) else ""
        table.add_row(str(one["criterion"]), str(one["verdict"]), shown, str(one["reason"]))
    return table


def _keep(console: Console, stage: Stage, doors: dict[str, socket.socket]) -> None:
    """Leave everything running until somebody ends us, and say how to reach it."""
    targets = []
    if stage.serving:
        targets.append((DASHBOARD, ("127.0.0.1", PEOPLE_PORT)))
    if stage.camera_place is not None:
        targets.append((CAMERA, (stage.camera_place.address, stage.camera_place.https_port)))
    open_doors = {name: doorway.Doorway(doors[name], target) for name, target in targets if name in doors}
    where = {name: f"https://{door.address}" for name, door in open_doors.items()}
    # Without doors (started inside a closed network) the addresses are those in there.
    where = {name: where.get(name, f"https://{target[0]}:{target[1]} (inside)") for name, target in targets}
    if DASHBOARD in where:
        user, password = stage.operator.administrator()
        console.print(f"Dashboard: {where[DASHBOARD]}", markup=False)
        console.print(f"           user: {user}   password: {password}", markup=False)
    if CAMERA in where:
        console.print(f"Camera:    {where[CAMERA]}", markup=False)
        console.print(f"           user: {stage.user}   password: {stage.password}", markup=False)
    console.print(f"Everything runs on. To stop: Ctrl-C here, or kill {os.getpid()}")
    # A shell starts background jobs with SIGINT ignored; whoever sends it anyway means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("Stopping.")
    for door in open_doors.values():
        door.close()
