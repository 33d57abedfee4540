"""The images that the demo and the emulated tests run: built once with a network, found again without one."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.demo.operator import Operator
from firmware_sim.demo.step import StepFailed
from firmware_sim.files import write_json
from firmware_sim.image.build import BuiltImage, build
from firmware_sim.image.errors import ImageError
from firmware_sim.image.store import default_store
from firmware_sim.image.tools import micropython
from firmware_sim.qemu.errors import MachineError

MODEL = "kawa-1"


@dataclass(frozen=True)
class Wanted:
    """One image of the set, as `build` takes it."""

    name: str
    version: str
    variant: str = "product"
    severity: str = "medium"
    fault: str | None = None
    notes_en: str = ""
    notes_ja: str = ""


SET = (
    Wanted("product-1.0.0", "1.0.0", notes_en="First release.", notes_ja="最初のリリースです。"),
    Wanted("product-1.1.0", "1.1.0", severity="high", notes_en="A steadier picture.", notes_ja="映像が安定しました。"),
    Wanted("product-1.2.0", "1.2.0", fault="camera-crashes", notes_en="New codec.", notes_ja="新しいコーデック。"),
    Wanted("ungated-1.0.0", "1.0.0", variant="ungated"),
    Wanted("lab-1.0.0", "1.0.0", variant="lab"),
    Wanted("tpm-1.0.0", "1.0.0", variant="tpm"),
    Wanted("main-1.0.0", "1.0.0", variant="main"),
    Wanted("main-1.1.0", "1.1.0", variant="main"),
)
"""What `make images` builds. 1.2.0 is broken on purpose: its camera application crashes."""


def operator_home() -> Path:
    """Where the update server lives whose image root the images carry; its keys are made per checkout."""
    return default_store().root / "demo-operator"


def index_file() -> Path:
    """Where the set is written down."""
    return default_store().images / "set.json"


def build_all() -> None:
    """Build what is not built yet, write the set down, and fetch the MicroPython that `make portable` runs.

    Raises:
        ImageError: an image cannot be built.
        StepFailed: the update server that signs for them cannot be made.
    """
    operator = Operator(operator_home())
    operator.make()
    store = default_store()
    places = {}
    for wanted in SET:
        image = build(
            MODEL,
            wanted.version,
            variant=wanted.variant,
            severity=wanted.severity,
            fault=wanted.fault,
            notes={"en": wanted.notes_en, "ja": wanted.notes_ja},
            image_root=operator.image_root,
            relock_into=store.lock,
            note=_note,
        )
        places[wanted.name] = str(image.folder)
        _note(f"{wanted.name}: {image.folder.relative_to(store.root.parent)}")
    write_json(index_file(), places)
    micropython(store, _note, store.lock)


def load(name: str) -> BuiltImage:
    """Find an image of the set without building anything.

    Raises:
        MachineError: code `missing_file`; `make images` has not run.
    """
    from firmware_sim.image.app import Release
    from firmware_sim.image.build import built_image
    from firmware_sim.image.model import load_model

    wanted = next(one for one in SET if one.name == name)
    try:
        folder = Path(json.loads(index_file().read_text())[name])
        described: dict[str, Any] = json.loads((folder / "release.json").read_text())["custom"]["camward"]
    except (OSError, ValueError, KeyError) as error:
        raise MachineError("missing_file", f"image {name} has not been built", "run `make images`") from error
    notes = {"en": wanted.notes_en, "ja": wanted.notes_ja}
    epoch, severity = described["security_epoch"], described["severity"]
    release = Release(wanted.version, wanted.variant, epoch, severity, wanted.fault, notes)
    return built_image(load_model(MODEL).as_variant(wanted.variant), release, folder)


def _note(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def main() -> int:
    """Build the set; 1 with one clear line if that cannot be done."""
    try:
        build_all()
    except (ImageError, MachineError, StepFailed) as error:
        sys.stderr.write(f"camward-sim: {error}\n")
        return 1
    return 0
