"""What `make bench B=install` installs, made beforehand: releases, the peers' files, the camera's image, and the plan.

Cases, each a release over the running 1.0.0:

- `whole`: the slot of 1.1.0, enciphered: it shares no block with what runs, so every tool fetches and writes all of it.
- `demo`: the slot of 1.1.0 as it is: our own software is new, the packages are the same.
- `month`: what a month of Debian's updates makes of 1.0.0 (`tests.bench.delta`).
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_sim.demo import images
from firmware_sim.demo.operator import Operator
from firmware_sim.image.build import BuiltImage, build
from firmware_sim.image.locks import LOCK_FOLDER, read_lock
from firmware_sim.image.relock import replaces_committed
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import Store
from firmware_sim.image.verity import hash_tree
from tests.bench.delta import month_locks
from tests.bench.peers_bundles import Certificates, make_certificates, make_rauc_bundle, make_swu
from tests.bench.peers_root import peers_root

WHOLE, DEMO, MONTH = "whole", "demo", "month"
VERSIONS = {WHOLE: "1.9.0", DEMO: "1.1.0", MONTH: "1.5.0"}
RUNS = "1.0.0"
QUIET = "1h"
"""Between two looks or two telemetry messages of the camera: nothing but what is measured runs meanwhile."""
KEY = bytes(range(16))
"""Enciphers the whole release, the same each time; nothing depends on its secrecy."""
SLOT_WINDOW_BYTES = 128 * 1024 * 1024  # xdelta3 may look at the whole old slot


@dataclass(frozen=True)
class Job:
    """What one tool installs; see `tests.bench.install_camera`."""

    name: str
    tool: str
    slot: str
    version: str = ""
    file: str = ""


@dataclass(frozen=True)
class Plan:
    """What was prepared.

    Attributes:
        jobs: in the order of their runs.
        xdelta_bytes: of the cases that xdelta3 can do something for.
        peers: versions of the peers' packages.
    """

    jobs: tuple[Job, ...]
    xdelta_bytes: dict[str, int]
    peers: dict[str, str]


def _note(line: str) -> None:
    print(f"  {line}", flush=True)


def make_plan(work: Path, store: Store, repetitions: int) -> Plan:
    """Prepare everything in `work`; needs a network where images or packages are not cached.

    Raises:
        StepFailed: the update server cannot be made.
        ImageError: an image, the peers' root or a bundle cannot be made.
        OSError: writing failed.
    """
    operator = Operator(store.root / "bench-operator", QUIET)
    operator.make()
    root = operator.image_root

    def image(version: str, variant: str, locks: Path) -> BuiltImage:
        return build(
            images.MODEL, version, variant=variant, image_root=root, severity="high", relock_into=locks, note=_note
        )

    running, newer = image(RUNS, "bench", store.lock), image(VERSIONS[DEMO], "product", store.lock)
    month = image(VERSIONS[MONTH], "product", month_locks(store))
    locks = store.lock if replaces_committed(store.lock, images.MODEL) else LOCK_FOLDER
    kernel = next(one for one in read_lock(images.MODEL, locks).packages if one.name.startswith("linux-image-"))
    peers = peers_root(store, kernel, _note)
    certificates, files = make_certificates(work), work / "files"
    files.mkdir()
    sources = {WHOLE: newer, DEMO: newer, MONTH: month}
    jobs: list[Job] = []
    xdelta_bytes = {}
    # Published in the order of the folders' names: deltas are made from what runs, which has to be there before.
    _released(running, _folder(work, RUNS))
    for case, source in sources.items():
        folder = _folder(work, VERSIONS[case])
        slot = _enciphered(source, folder) if case == WHOLE else _released(source, folder)
        jobs += _jobs(case, slot, files, certificates)
        if case != WHOLE:
            xdelta_bytes[case] = _xdelta_bytes(running.slot, slot, work / "xdelta")
    described = {
        "built": str(running.folder),
        "operator": str(operator.home),
        "squashfs": str(peers.squashfs),
        "modules": [str(path) for path in peers.modules],
        "server_certificate": str(certificates.server),
        "repetitions": repetitions,
        "deltas": [VERSIONS[case] for case in xdelta_bytes],
        "jobs": [asdict(job) for job in jobs],
    }
    (work / "plan.json").write_text(json.dumps(described))
    return Plan(tuple(jobs), xdelta_bytes, peers.versions)


def _folder(work: Path, version: str) -> Path:
    folder = work / "releases" / version
    folder.mkdir(parents=True)
    return folder


def _released(source: BuiltImage, folder: Path) -> Path:
    for path in (source.slot, source.tree, source.release_json):
        (folder / path.name).hardlink_to(path)
    return folder / source.slot.name


def _enciphered(source: BuiltImage, folder: Path) -> Path:
    """A release with the blocks of another, enciphered."""
    described = json.loads(source.release_json.read_text())
    stem = f"{images.MODEL}-{VERSIONS[WHOLE]}"
    slot, tree = folder / f"{stem}.slot", folder / f"{stem}.tree"
    cipher = Cipher(algorithms.AES(KEY), modes.CTR(bytes(len(KEY)))).encryptor()
    data = cipher.update(source.slot.read_bytes())
    slot.write_bytes(data)
    whole = hash_tree(slot)
    tree.write_bytes(whole.leaves)
    camward = described["custom"]["camward"]
    component = camward["components"][0]
    described["target"] = {"name": slot.name, "length": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    camward["version"], component["tree_root"] = VERSIONS[WHOLE], whole.root.hex()
    component["tree"].update(name=tree.name, sha256=hashlib.sha256(whole.leaves).hexdigest())
    (folder / "release.json").write_text(json.dumps(described))
    return slot


def _jobs(case: str, slot: Path, files: Path, certificates: Certificates) -> list[Job]:
    """Make the peers' files; one job for each tool."""
    version = VERSIONS[case]
    jobs = [Job(f"{case}/camward", "camward", str(slot), version=version)]
    if case == WHOLE:
        (files / slot.name).hardlink_to(slot)
        jobs.append(Job(f"{case}/curl", "curl", str(slot), file=slot.name))
        make_swu(slot, version, certificates, files / f"{case}.swu")
        jobs.append(Job(f"{case}/swupdate", "swupdate", str(slot), file=f"{case}.swu"))
    tool = "rauc" if case == WHOLE else "rauc-adaptive"
    make_rauc_bundle(slot, version, certificates, files / f"{case}.raucb", adaptive=case != WHOLE)
    return [*jobs, Job(f"{case}/{tool}", tool, str(slot), file=f"{case}.raucb")]


def _xdelta_bytes(old: Path, new: Path, target: Path) -> int:
    """What xdelta3 makes of the pair at its best, though no camera could apply it in so little memory."""
    options = ["-e", "-9", "-S", "lzma", "-B", str(SLOT_WINDOW_BYTES), "-f"]
    run_tool(["xdelta3", *options, "-s", old, new, target])
    return target.stat().st_size
