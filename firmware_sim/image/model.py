"""A camera model as data: read from `models/NAME.toml`, checked once, then only used."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.formats import data_area
from firmware_sim.image.errors import ImageError

MODEL_FOLDER = Path(__file__).parent / "models"

BLOCK_BYTES = 4096  # of verity trees and the block tree; also what layouts are aligned to
BOOT_RECORD_BYTES = 512  # one virtio sector, which a disk writes whole or not at all

RECOVERY = "recovery"
"""The variant that lies in slot B wherever the layout has a recovery system there (ADR 0018)."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class Target:
    """The machine a model runs on, as QEMU and U-Boot are told."""

    architecture: str
    qemu: str
    machine: str
    cpu: str
    cpus: int
    memory_mib: int
    bootloader: str
    library_folder: str
    console: str
    python: str
    wheel_platforms: list[str]
    record_address: int
    marker_address: int
    fit_address: int
    kernel_address: int


@dataclass(frozen=True)
class Layout:
    """Where everything lies on the disk, in bytes from its start (`fit_offset`: from the start of a slot).

    With `recovery_bytes`, slot B is that long and holds a recovery system, its FIT at `recovery_fit_offset` (ADR 0018).
    `encrypted`: the data partition begins with a plain area, and is formatted by the camera itself (ADR 0044).
    """

    name: str
    device: str
    erase_bytes: int
    boot_record: list[int]
    slot_offset: int
    slot_bytes: int
    fit_offset: int
    data_bytes: int
    recovery_bytes: int = 0
    recovery_fit_offset: int = 0
    encrypted: bool = False

    def slot(self, letter: str) -> int:
        """Offset of slot `a` or `b`."""
        return self.slot_offset + (self.slot_bytes if letter == "b" else 0)

    def length(self, letter: str) -> int:
        """Length of slot `a` or `b`."""
        return self.recovery_bytes if letter == "b" and self.recovery_bytes else self.slot_bytes

    def fit_in(self, letter: str) -> int:
        """Offset of the FIT within its slot."""
        return self.recovery_fit_offset if letter == "b" and self.recovery_bytes else self.fit_offset

    def fit(self, letter: str) -> int:
        """Offset of the FIT on the disk."""
        return self.slot(letter) + self.fit_in(letter)

    @property
    def data_offset(self) -> int:
        """Offset of the data partition, right behind slot B."""
        return self.slot("b") + self.length("b")

    @property
    def file_system_bytes(self) -> int:
        """Size of the file system in the data partition.

        dm-integrity takes a 64th for tags (48 bytes for 4096) and a 128th for its journal by default; a 32nd and 1 MiB
        hold both, with its superblock. The camera refuses a template that does not fit.
        """
        if not self.encrypted:
            return self.data_bytes
        room = self.data_bytes - data_area.AREA_BYTES
        return (room - room // 32 - (1 << 20)) >> 20 << 20

    @property
    def disk_bytes(self) -> int:
        """Size of the whole disk."""
        return self.data_offset + self.data_bytes

    def as_config(self) -> dict[str, Any]:
        """The layout as `/etc/camward/agent.json` carries it."""
        slots = {letter: {"offset": self.slot(letter), "length": self.length(letter)} for letter in "ab"}
        if self.recovery_bytes:
            slots["b"]["fit_offset"] = self.recovery_fit_offset
        return {
            "name": self.name,
            **({"kind": "recovery"} if self.recovery_bytes else {}),
            "device": self.device,
            "erase_bytes": self.erase_bytes,
            "boot_record": self.boot_record,
            "slots": slots,
            "fit_offset": self.fit_offset,
            "data": {
                "offset": self.data_offset,
                "length": self.data_bytes,
                **({"encrypted": True} if self.encrypted else {}),
            },
        }


@dataclass(frozen=True)
class Packages:
    """What is taken from Debian."""

    suite: str
    kernel: str
    runtime: list[str]
    exclude: list[str]


@dataclass(frozen=True)
class Model:
    """One camera model.

    `layout` is the usual one, `layouts` all by name; `slot` is what an image of it is for (`as_variant`).
    """

    name: str
    title: str
    hardware: str
    support_ends: str
    target: Target
    layout: Layout
    layouts: Mapping[str, Layout]
    packages: Packages
    wheels: list[str]
    initramfs_modules: list[str]
    system_modules: list[str]
    prune_paths: list[str]
    prune_stdlib: list[str]
    agent: Mapping[str, Any]
    camera: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]]
    slot: str = "a"

    def as_variant(self, name: str) -> "Model":
        """The model as a variant has it: with its layout, and its `config` over the agent's."""
        variant = self.variants[name]
        agent = dict(self.agent)
        for key, value in variant.get("config", {}).items():
            agent[key] = {**agent[key], **value} if isinstance(value, dict) else value
        layout = self.layouts[variant.get("layout", self.layout.name)]
        return replace(self, layout=layout, agent=agent, slot="b" if name == RECOVERY else "a")


def model_names(folder: Path = MODEL_FOLDER) -> list[str]:
    """The models there are."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_model(name: str, folder: Path = MODEL_FOLDER) -> Model:
    """Read a model.

    Raises:
        ImageError: there is no such model, or its file is malformed.
    """
    path = folder / f"{name}.toml"
    if not _NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(model_names(folder)) or "none"
        raise ImageError(f"there is no model {name!r}", f"known models: {known}")
    try:
        model = _from_table(tomllib.loads(path.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ImageError(f"model file {path.name} is malformed: {error}", "compare it with kawa-1.toml") from error
    if model.name != name:
        raise ImageError(f"model file {path.name} says its name is {model.name!r}", "make the two equal")
    return model


def _from_table(table: Mapping[str, Any]) -> Model:
    usual = Layout(**table["layout"])
    others = {name: Layout(**{**table["layout"], "name": name, **value}) for name, value in table["layouts"].items()}
    model = Model(
        name=table["name"],
        title=table["title"],
        hardware=table["hardware"],
        support_ends=table["support_ends"],
        target=Target(**table["target"]),
        layout=usual,
        layouts={usual.name: usual, **others},
        packages=Packages(**table["packages"]),
        wheels=table["wheels"]["names"],
        initramfs_modules=table["kernel_modules"]["initramfs"],
        system_modules=table["kernel_modules"]["system"],
        prune_paths=table["prune"]["paths"],
        prune_stdlib=table["prune"]["stdlib"],
        agent=table["agent"],
        camera=table["camera"],
        variants=table["variants"],
    )
    for layout in model.layouts.values():
        _check_layout(layout)
    for name in model.variants:
        model.as_variant(name)
    return model


def _check_layout(layout: Layout) -> None:
    aligned = [
        layout.slot_offset, layout.slot_bytes, layout.fit_offset, layout.data_bytes, layout.recovery_bytes,
        layout.recovery_fit_offset,
    ]  # fmt: skip
    if any(value % BLOCK_BYTES for value in aligned):
        raise ValueError(f"layout: offsets and sizes have to be multiples of {BLOCK_BYTES}")
    first, second = layout.boot_record
    if (
        not 0 < first < second
        or second + BOOT_RECORD_BYTES > layout.slot_offset
        or first % BLOCK_BYTES
        or second % BLOCK_BYTES
    ):
        raise ValueError("layout: the boot record copies have to lie apart, in rising order, before slot A")
    if not 0 < layout.fit_offset < layout.slot_bytes:
        raise ValueError("layout: the FIT has to lie inside the slot")
    if layout.recovery_bytes and not 0 < layout.recovery_fit_offset < layout.recovery_bytes:
        raise ValueError("layout: the FIT of the recovery system has to lie inside its slot")
