"""Installing beside RAUC, SWUpdate and `curl | dd`: wall time, bytes fetched, memory; same camera, image and run.

`whole`: a release that shares no block with what runs, so every tool fetches and writes all of it: the slot of 1.1.0,
enciphered. `delta`: the slot of 1.1.0 as it is, over a running 1.0.0.
"""

import hashlib
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_sim.demo import images
from firmware_sim.demo.operator import Operator
from firmware_sim.image.build import BuiltImage, build
from firmware_sim.image.locks import LOCK_FOLDER, read_lock
from firmware_sim.image.relock import replaces_committed
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import Store, default_store, scratch
from firmware_sim.image.verity import hash_tree
from tests.bench.install_peers import PEERS
from tests.bench.peers_bundles import Certificates, make_certificates, make_rauc_bundle, make_swu
from tests.bench.peers_root import peers_root

ROOT = Path(__file__).resolve().parents[2]
REPETITIONS = 3
TO_DD_RATIO = 1.15  # of the time of `curl | dd`
GROWTH_MB = 12.0
MEGABYTE = 1e6
WHOLE, DELTA = "whole", "delta"
WHOLE_VERSION = "1.9.0"
KEY = bytes(range(16))
"""Scrambles the slot of the whole release: the same each time, and nothing depends on its secrecy."""


@dataclass(frozen=True)
class Job:
    """What one tool installs; see `tests.bench.install_camera`."""

    name: str
    tool: str
    slot: str
    version: str = ""
    file: str = ""


@dataclass(frozen=True)
class Case:
    """One release that every tool installs."""

    name: str
    version: str
    slot: Path


def _note(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _running(store: Store) -> BuiltImage:
    """The image of the camera: the lab variant whose kernel stays open to the peers' modules."""
    root = Operator(images.operator_home()).image_root
    return build(images.MODEL, "1.0.0", variant="bench", image_root=root, relock_into=store.lock, note=_note)


def _scrambled(source: BuiltImage, folder: Path) -> Case:
    """A release with the blocks of another, encrypted, so that no block equals any that the camera has."""
    described = json.loads(source.release_json.read_text())
    stem = f"{images.MODEL}-{WHOLE_VERSION}"
    slot, tree = folder / f"{stem}.slot", folder / f"{stem}.tree"
    cipher = Cipher(algorithms.AES(KEY), modes.CTR(bytes(16))).encryptor()
    data = cipher.update(source.slot.read_bytes())
    slot.write_bytes(data)
    whole = hash_tree(slot)
    tree.write_bytes(whole.leaves)
    camward, component = described["custom"]["camward"], described["custom"]["camward"]["components"][0]
    described["target"] = {"name": slot.name, "length": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    camward["version"], component["tree_root"] = WHOLE_VERSION, whole.root.hex()
    component["tree"].update(name=tree.name, sha256=hashlib.sha256(whole.leaves).hexdigest())
    (folder / "release.json").write_text(json.dumps(described))
    return Case(WHOLE, WHOLE_VERSION, slot)


def _released(source: BuiltImage, folder: Path) -> Case:
    for path in (source.slot, source.tree, source.release_json):
        (folder / path.name).hardlink_to(path)
    return Case(DELTA, source.version, folder / source.slot.name)


def _jobs(case: Case, files: Path, certificates: Certificates) -> list[Job]:
    """Make the peers' files; one job for each tool."""
    slot = str(case.slot)
    jobs = [Job(f"{case.name}/camward", "camward", slot, version=case.version)]
    if case.name == WHOLE:
        (files / case.slot.name).hardlink_to(case.slot)
        jobs.append(Job(f"{case.name}/curl", "curl", slot, file=case.slot.name))
        swu = files / f"{case.name}.swu"
        make_swu(case.slot, case.version, certificates, swu)
        jobs.append(Job(f"{case.name}/swupdate", "swupdate", slot, file=swu.name))
    tool = "rauc" if case.name == WHOLE else "rauc-adaptive"
    bundle = files / f"{case.name}.raucb"
    make_rauc_bundle(case.slot, case.version, certificates, bundle, adaptive=tool == "rauc-adaptive")
    jobs.append(Job(f"{case.name}/{tool}", tool, slot, file=bundle.name))
    return jobs


def _xdelta_bytes(old: Path, new: Path, folder: Path) -> int:
    """What xdelta3 makes of the pair with all its effort, though no camera could apply it in so little memory."""
    target = folder / "whole.xdelta"
    run_tool(["xdelta3", "-e", "-9", "-S", "djw", "-B", "67108864", "-f", "-s", old, new, target])
    return target.stat().st_size


def _measure(work: Path, store: Store) -> tuple[dict[str, Any], dict[str, str], int]:
    """All runs by job, the peers' versions, and the delta's size by xdelta3."""
    running, newer = _running(store), images.load("product-1.1.0")
    locks = store.lock if replaces_committed(store.lock, images.MODEL) else LOCK_FOLDER
    kernel = next(one for one in read_lock(images.MODEL, locks).packages if one.name.startswith("linux-image-"))
    peers = peers_root(store, kernel, _note)
    certificates = make_certificates(work)
    files = work / "files"
    files.mkdir()
    jobs: list[Job] = []
    # Published in the order of their folders' names: deltas are made from what runs, which has to be there before.
    for number, (source, make) in enumerate(((running, _released), (newer, _scrambled), (newer, _released))):
        folder = work / "releases" / str(number)
        folder.mkdir(parents=True)
        case = make(source, folder)
        if source is not running:
            jobs += _jobs(case, files, certificates)
    plan = {
        "built": str(running.folder),
        "squashfs": str(peers.squashfs),
        "modules": [str(path) for path in peers.modules],
        "server_certificate": str(certificates.server),
        "repetitions": REPETITIONS,
        "jobs": [asdict(job) for job in jobs],
    }
    (work / "plan.json").write_text(json.dumps(plan))
    delta_bytes = _xdelta_bytes(running.slot, newer.slot, work)
    command = [sys.executable, "-m", "firmware_sim.netns", "--", sys.executable, "-m", "tests.bench.install_camera"]
    done = subprocess.run([*command, str(work)], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]), peers.versions, delta_bytes


def _row(what: str, unit: str, target: float | None, values: dict[str, list[float]]) -> dict[str, Any]:
    """Camward's values, with the medians of the others beside them."""
    ours = values.pop("Camward")
    return {
        "what": what,
        "value": statistics.median(ours),
        "min": min(ours),
        "max": max(ours),
        "unit": unit,
        "better": "lower",
        "target": target,
        "peers": {name: statistics.median(theirs) for name, theirs in values.items()},
        "peers_min_max": {name: [min(theirs), max(theirs)] for name, theirs in values.items()},
    }


def _values(found: dict[str, Any], case: str, get: Callable[[dict[str, Any]], list[float]]) -> dict[str, list[float]]:
    """Values by title, Camward's first."""
    values = {}
    for name, measured in found.items():
        if name.startswith(case + "/"):
            tool = name.partition("/")[2]
            values["Camward" if tool == "camward" else PEERS[tool].title] = get(measured)
    return values


def _seconds(measured: dict[str, Any]) -> list[float]:
    return [run["seconds"] for run in measured["runs"]]


def _cpu_seconds(measured: dict[str, Any]) -> list[float]:
    return [run["cpu_seconds"] for run in measured["runs"]]


def _fetched(measured: dict[str, Any]) -> list[float]:
    return [run["to_camera_bytes"] / MEGABYTE for run in measured["runs"]]


def _peak(measured: dict[str, Any]) -> list[float]:
    return [measured["peak_bytes"] / MEGABYTE]


def _growth(measured: dict[str, Any]) -> list[float]:
    return [measured["growth_bytes"] / MEGABYTE]


def _rows(found: dict[str, Any], delta_bytes: int) -> list[dict[str, Any]]:
    times = _values(found, WHOLE, _seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    curl = medians[PEERS["curl"].title]
    fastest = min(TO_DD_RATIO * curl, medians[PEERS["rauc"].title], medians[PEERS["swupdate"].title])
    ratio = [ours / curl for ours in times["Camward"]]
    delta_times = _values(found, DELTA, _seconds)
    fetched = _row("delta: fetched", "MB", delta_bytes / MEGABYTE, _values(found, DELTA, _fetched))
    fetched["peers"]["xdelta3 -9, the file"] = delta_bytes / MEGABYTE
    return [
        _row("whole release: time", "s", fastest, times),
        _row("whole release: time, of curl | dd", "x", TO_DD_RATIO, {"Camward": ratio}),
        _row("whole release: emulator's CPU time", "s", None, _values(found, WHOLE, _cpu_seconds)),
        _row("whole release: fetched", "MB", None, _values(found, WHOLE, _fetched)),
        _row("whole release: peak memory (PSS)", "MB", None, _values(found, WHOLE, _peak)),
        _row("whole release: agent's RSS grows by", "MB", GROWTH_MB, {"Camward": _growth(found[f"{WHOLE}/camward"])}),
        _row("delta: time", "s", statistics.median(delta_times[PEERS["rauc-adaptive"].title]), delta_times),
        fetched,
        _row("delta: peak memory (PSS)", "MB", None, _values(found, DELTA, _peak)),
        _row("delta: agent's RSS grows by", "MB", GROWTH_MB, {"Camward": _growth(found[f"{DELTA}/camward"])}),
    ]


def run() -> list[dict[str, Any]]:
    """Measure; rows as tests.bench writes them. The peers' names carry their packages' versions."""
    store = default_store()
    with scratch(store) as work:
        found, versions, delta_bytes = _measure(work, store)
    rows = _rows(found, delta_bytes)
    packages = {peer.title: versions[peer.package] for peer in PEERS.values()}
    for row in rows:
        for part in ("peers", "peers_min_max"):
            row[part] = {
                f"{name} ({packages[name]})" if name in packages else name: value for name, value in row[part].items()
            }
    return rows
