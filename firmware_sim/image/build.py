"""Build an image: the one entry for people (the command line), tests and the demo."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.image.app import FAULTS, SEVERITIES, Release, app_digest
from firmware_sim.image.base import make_base
from firmware_sim.image.bootflash import flash_arguments, machine_arguments, make_control_dtb, make_flashes
from firmware_sim.image.bootkeys import certificate_of
from firmware_sim.image.disk import make_factory_disk
from firmware_sim.image.errors import ImageError, PackageGone
from firmware_sim.image.fetch import read_wheels
from firmware_sim.image.fit import KEY_NAMES, boot_keys, key_digests
from firmware_sim.image.locks import LOCK_FOLDER, read_lock
from firmware_sim.image.model import BLOCK_BYTES, RECOVERY, Layout, Model, load_model
from firmware_sim.image.relock import mark_replacement, relock_model, replaces_committed
from firmware_sim.image.run import run_tool, storage_error
from firmware_sim.image.slot import Ingredients, make_slot
from firmware_sim.image.store import Store, default_store, key_of, read_json, sha256_file, stage, tree_digest
from firmware_sim.image.tools import TOOLS, host_tools, relock_tools, tools_lock_name

Note = Callable[[str], None]

_VERSION = re.compile(r"(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})")
MAX_EPOCH = 0xFFFF  # agent/formats/config.py
MAX_IMAGE_ROOT_BYTES = 64 * 1024  # a 3-of-5 root has 3 KB

IMAGE_RECIPE = (
    "app.py", "archive.py", "bootflash.py", "build.py", "disk.py", "fit.py", "slot.py", "verity.py",
)  # fmt: skip


@dataclass(frozen=True)
class BuiltImage:
    """A finished image: paths of its files, and how to start it.

    Attributes:
        folder: holds everything below.
        slot: the slot image, what an update installs.
        tree: its leaf hashes, 32 bytes for each 4 KiB block.
        release_json: what the update server's `release add` reads.
        disk: factory disk, raw and sparse; copy or overlay it, never write to it. A recovery system has none of its
            own, and no boot flash: it lies on the disk of the main system.
        dtb: control device tree with the boot keys (QEMU's `-dtb`).
        pflash0: U-Boot, read-only.
        pflash1: U-Boot's environment; give each machine a copy (`provision` does).
        machine_args: QEMU's arguments for the bare machine; the device tree fits these only.
        layout: where everything lies on the disk.
    """

    folder: Path
    model: str
    hardware: str
    version: str
    variant: str
    security_epoch: int
    slot: Path
    tree: Path
    release_json: Path
    disk: Path
    dtb: Path
    pflash0: Path
    pflash1: Path
    qemu: str
    machine_args: tuple[str, ...]
    layout: Layout

    @property
    def firmware_args(self) -> tuple[str, ...]:
        """QEMU's arguments for flashes and device tree, with the files of this image (pflash 1 as a snapshot)."""
        return (*flash_arguments(self.pflash0, self.pflash1), "-dtb", str(self.dtb))


def _quiet(_: str) -> None:
    """Say nothing."""


def build(
    model: str,
    version: str,
    *,
    variant: str = "product",
    security_epoch: int = 1,
    severity: str = "medium",
    fault: str | None = None,
    notes: Mapping[str, str] | None = None,
    image_root: Path | None = None,
    boot_key: int = 1,
    out: Path | None = None,
    store: Store | None = None,
    relock_into: Path | None = None,
    note: Note = _quiet,
) -> BuiltImage:
    """Build an image, or find it built.

    Args:
        model: name of a model.
        version: X.Y.Z.
        variant: one of the model's variants: product, lab, tpm, ungated, main. With a layout that has a recovery
            system, that one is built first.
        security_epoch: becomes the FIT's rollback index.
        severity: low, medium, high or critical.
        fault: None, or for a release broken on purpose `camera-crashes`, `agent-crashes` or `agent-hangs`.
        notes: release notes, `en` and `ja`.
        image_root: TUF root v1 of the image repository to build in.
        boot_key: 1 or 2, which boot key signs.
        out: folder for finished images instead of `build/images`.
        store: build tree instead of the checkout's.
        relock_into: when the mirror no longer has a locked package, lock anew into this folder, loudly, and go on;
            None stops instead.
        note: told what is being done, one line each.

    Returns:
        The image; equal arguments give equal bytes.

    Raises:
        ImageError: bad arguments, missing tool or package, full disk; one line says what to do.
    """
    store = store or default_store()
    chosen = load_model(model)
    release = _release(chosen, version, variant, security_epoch, severity, fault, notes)
    chosen = chosen.as_variant(variant)
    recovery = None
    if chosen.layout.recovery_bytes and variant != RECOVERY:
        recovery = build(
            model, chosen.variants[RECOVERY]["version"], variant=RECOVERY, security_epoch=security_epoch,
            image_root=image_root, boot_key=boot_key, out=out, store=store, relock_into=relock_into, note=note,
        )  # fmt: skip
    if boot_key not in range(1, len(KEY_NAMES) + 1):
        raise ImageError(f"there is no boot key {boot_key}", "1 or 2")
    root = _read_image_root(image_root)
    folder, key_name = out or store.images, KEY_NAMES[boot_key - 1]
    try:
        if relock_into is not None and all(replaces_committed(relock_into, group) for group in (chosen.name, TOOLS)):
            note(f"WARNING: using the locks in {relock_into}; this image is NOT made of the committed lock")
            return _build(store, chosen, release, root, key_name, folder, relock_into, note, recovery)
        return _build(store, chosen, release, root, key_name, folder, LOCK_FOLDER, note, recovery)
    except PackageGone as gone:
        if relock_into is None:
            raise
        note(f"WARNING: {gone.message}")
        note(f"WARNING: locking anew into {relock_into}; this image is NOT made of the committed lock")
        relock_model(store, chosen, note, relock_into)
        relock_tools(store, note, relock_into)
        for group in (chosen.name, TOOLS):
            mark_replacement(relock_into, group)
        return _build(store, chosen, release, root, key_name, folder, relock_into, note, recovery)
    except OSError as error:
        raise storage_error(error, f"building {model} {version}") from error


def _release(
    model: Model,
    version: str,
    variant: str,
    epoch: int,
    severity: str,
    fault: str | None,
    notes: Mapping[str, str] | None,
) -> Release:
    if not _VERSION.fullmatch(version):
        raise ImageError(f"{version!r} is no version", "versions look like 1.2.3")
    if variant not in model.variants:
        raise ImageError(f"{model.name} has no variant {variant!r}", "variants: " + ", ".join(sorted(model.variants)))
    if not 0 <= epoch <= MAX_EPOCH:
        raise ImageError(f"security epoch {epoch} is out of range", f"0 to {MAX_EPOCH}")
    if severity not in SEVERITIES:
        raise ImageError(f"{severity!r} is no severity", "severities: " + ", ".join(SEVERITIES))
    if fault is not None and fault not in FAULTS:
        raise ImageError(f"there is no fault {fault!r}", "faults: " + ", ".join(FAULTS))
    return Release(version, variant, epoch, severity, fault, dict(notes or {"en": "", "ja": ""}))


def _read_image_root(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = path.read_bytes()
        value = json.loads(data)
    except OSError as error:
        raise ImageError(
            f"cannot read the image root {path}: {error.strerror}", "camward-server init writes one"
        ) from error
    except ValueError as error:
        raise ImageError(f"the image root {path} is no JSON", "camward-server init writes one") from error
    if (
        len(data) > MAX_IMAGE_ROOT_BYTES
        or not isinstance(value, dict)
        or value.get("signed", {}).get("_type") != "root"
    ):
        raise ImageError(f"{path} is no TUF root", "camward-server init writes one")
    return data


def _build(
    store: Store,
    model: Model,
    release: Release,
    image_root: bytes | None,
    key_name: str,
    folder: Path,
    locks: Path,
    note: Note,
    recovery: BuiltImage | None,
) -> BuiltImage:
    lock, tools_lock = read_lock(model.name, locks), read_lock(tools_lock_name(), locks)
    wheels = read_wheels(locks / f"{model.name}-wheels.txt")
    tools = host_tools(store, tools_lock, note)
    base = make_base(store, model, lock, wheels, tools_lock, note)
    keys = boot_keys(store)
    key = key_of(
        "image 1",
        tree_digest(*(Path(__file__).with_name(name) for name in IMAGE_RECIPE)),
        sha256_file(Path(__file__).parent / "models" / f"{model.name}.toml"),
        app_digest(),
        base.name,
        (base / "stage.json").read_text(),
        vars(release),
        None if image_root is None else image_root.hex(),
        key_name,
        key_digests(keys),
        _tool_versions(model),
        None if recovery is None else sha256_file(recovery.slot),
    )
    fault = f"-{release.fault}" if release.fault else ""
    name = f"{model.name}-{release.version}-{release.variant}{fault}-{key[:12]}"
    parts = Ingredients(base, tools, keys, key_name, image_root)

    def make(place: Path) -> None:
        note(f"building {model.name} {release.version} ({release.variant})")
        _assemble(model, release, parts, place, note, recovery)

    return built_image(model, release, stage(store, folder / name, make, note))


def _tool_versions(model: Model) -> list[str]:
    """The tools whose bytes end up in an image: another version may make other bytes."""
    said = [
        run_tool(["mkfs.erofs", "-V"], accept=(0, 1)).stdout,
        run_tool(["lz4", "-V"]).stdout,
        run_tool(["mkimage", "-V"]).stdout,
        run_tool([model.target.qemu, "--version"]).stdout,
    ]
    bootloader = Path(model.target.bootloader)
    return [text.decode("utf-8", "replace").splitlines()[0] for text in said] + [
        sha256_file(bootloader) if bootloader.is_file() else "missing"
    ]


def file_stem(model: Model, release: Release) -> str:
    """Name of a release's files, which is also the name of its TUF target."""
    return f"{model.name}-{release.version}"


def _assemble(
    model: Model, release: Release, parts: Ingredients, place: Path, note: Note, recovery: BuiltImage | None
) -> None:
    work = place / "work"
    work.mkdir()
    slot = make_slot(model, release, parts, work, note)
    stem = file_stem(model, release)
    slot_path = slot.path.rename(place / f"{stem}.slot")
    (place / f"{stem}.tree").write_bytes(slot.leaves)
    description = _describe(model, release, slot_path, slot.leaves, slot.tree_root, slot.root_bytes, slot.fit_bytes)
    (place / "release.json").write_text(json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    if release.variant != RECOVERY:
        note("making the factory disk")
        beside = None if recovery is None else recovery.slot
        make_factory_disk(place / "factory.img", model.layout, slot_path, release.security_epoch, work, beside)
        flashes = make_flashes(model, work)
        dtb = make_control_dtb(model, flashes, [certificate_of(parts.keys, name) for name in KEY_NAMES], work)
        for path in (*flashes, dtb):
            path.rename(place / path.name)
    shutil.rmtree(work)


def _describe(
    model: Model, release: Release, slot: Path, leaves: bytes, tree_root: str, root_bytes: int, fit_bytes: int
) -> dict[str, Any]:
    stem = file_stem(model, release)
    tree = {"name": f"{stem}.tree", "length": len(leaves), "sha256": sha256_file(slot.with_suffix(".tree"))}
    component = {
        "name": "slot",
        # No camera has the layout that a recovery system's says: nobody shall install one as the main system.
        "layout": model.layout.name + ("-recovery" if release.variant == RECOVERY else ""),
        "block_bytes": BLOCK_BYTES,
        "block_count": slot.stat().st_size // BLOCK_BYTES,
        "tree_root": tree_root,
        "tree": tree,
    }
    return {
        "v": 1,
        "target": {"name": slot.name, "length": slot.stat().st_size, "sha256": sha256_file(slot)},
        "custom": {
            "camward": {
                "v": 1,
                "model": model.name,
                "hardware": [model.hardware],
                "version": release.version,
                "security_epoch": release.security_epoch,
                "severity": release.severity,
                "support_ends": model.support_ends,
                "notes": dict(release.notes),
                "components": [component, {"name": "bootloader", "fixed": True}],
            }
        },
        "variant": release.variant,
        "root_bytes": root_bytes,
        "fit_bytes": fit_bytes,
    }


def built_image(model: Model, release: Release, folder: Path) -> BuiltImage:
    """Name the files of a finished image."""
    stem = file_stem(model, release)
    return BuiltImage(
        folder=folder,
        model=model.name,
        hardware=model.hardware,
        version=release.version,
        variant=release.variant,
        security_epoch=release.security_epoch,
        slot=folder / f"{stem}.slot",
        tree=folder / f"{stem}.tree",
        release_json=folder / "release.json",
        disk=folder / "factory.img",
        dtb=folder / "control.dtb",
        pflash0=folder / "pflash0.img",
        pflash1=folder / "pflash1.img",
        qemu=model.target.qemu,
        machine_args=machine_arguments(model),
        layout=model.layout,
    )


def load_built(folder: Path) -> BuiltImage:
    """An image built before, found by its folder; nothing is built.

    Raises:
        ImageError: there is none.
    """
    described = read_json(folder / "release.json", "release description")
    try:
        camward = described["custom"]["camward"]
        release = Release(
            camward["version"],
            described["variant"],
            camward["security_epoch"],
            camward["severity"],
            None,
            camward["notes"],
        )
        return built_image(load_model(camward["model"]).as_variant(release.variant), release, folder)
    except (KeyError, TypeError) as error:
        raise ImageError(f"{folder} holds no image", "run `make images`") from error
