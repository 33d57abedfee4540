"""Sign a finished build anew with a boot key that the machine it was built on has never seen.

A build is signed with the development keys of its checkout. For a product its folder is carried to an offline machine,
where this makes a second one of it: the same kernel, initramfs and root file system under another signature, with the
block tree, manifest and factory disk that follow from it, and a control device tree with the pair of the folder of
keys. Needed there: this program, mkimage, dtc, mkenvimage, QEMU and U-Boot; no network, no package, no mirror.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_sim.image.bootflash import make_control_dtb, make_flashes
from firmware_sim.image.bootkeys import BootKeys, opened
from firmware_sim.image.build import BuiltImage, load_built
from firmware_sim.image.disk import make_factory_disk
from firmware_sim.image.errors import ImageError
from firmware_sim.image.fit import resign_fit
from firmware_sim.image.model import BLOCK_BYTES, load_model
from firmware_sim.image.run import storage_error
from firmware_sim.image.store import MANIFEST, sha256_file
from firmware_sim.image.verity import hash_tree

Note = Callable[[str], None]


def sign(
    source: BuiltImage, keys: BootKeys, number: int | None, passphrase: bytes | None, out: Path, note: Note
) -> BuiltImage:
    """Make `out`, a new folder, from `source`.

    Args:
        source: a finished build; its files are checked against its manifest first.
        keys: the pair that the boot flash shall hold.
        number: which of them signs; None for the older one whose private key is there.
        passphrase: of that private key, or None.
        out: the folder to make.
        note: told what is being done.

    Raises:
        ImageError: `out` exists, the source is damaged, the key cannot be had, or a tool failed; or the source has a
            recovery system, whose own FIT would keep the old signature. `out` is not there.
    """
    if source.layout.recovery_bytes:
        raise ImageError("a build with a recovery system cannot be signed anew", "build it where the boot keys are")
    if out.exists():
        raise ImageError(f"{out} already exists", "choose a new folder; nothing was changed")
    name = keys.signer(number)
    scratch = out.with_name(f".{out.name}.new")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        _fill(source, keys, name, passphrase, scratch, note)
        scratch.rename(out)
    except OSError as error:
        raise storage_error(error, f"signing {source.model} {source.version}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return load_built(out)


def _fill(source: BuiltImage, keys: BootKeys, name: str, passphrase: bytes | None, place: Path, note: Note) -> None:
    model = load_model(source.model).as_variant(source.variant)
    described = _checked(source)
    layout = source.layout
    work = place / "work"
    work.mkdir()
    note(f"signing {source.model} {source.version} (security epoch {source.security_epoch}) with {name}")
    image = source.slot.read_bytes()
    with opened(keys, name, passphrase) as folder:
        fit = resign_fit(image[layout.fit_offset :][: described["fit_bytes"]], folder, name, work)
    if len(fit) > layout.slot_bytes - layout.fit_offset:
        raise ImageError("the FIT no longer fits into its slot", "enlarge the slot")
    slot = place / source.slot.name
    slot.write_bytes(image[: layout.fit_offset] + fit + bytes(-len(fit) % BLOCK_BYTES))
    tree = hash_tree(slot)
    (place / source.tree.name).write_bytes(tree.leaves)
    note("making the factory disk and the boot flash with " + " and ".join(keys.names))
    make_factory_disk(place / "factory.img", layout, slot, source.security_epoch, work)
    flashes = make_flashes(model, work)
    for path in (*flashes, make_control_dtb(model, flashes, keys.certificates, work)):
        path.rename(place / path.name)
    _describe(described, slot, tree.leaves, tree.root.hex(), len(fit))
    text = json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (place / source.release_json.name).write_text(text)
    shutil.rmtree(work)
    files = {path.name: sha256_file(path) for path in sorted(place.iterdir())}
    (place / MANIFEST).write_text(json.dumps({"files": files}, indent=1, sort_keys=True))


def _checked(source: BuiltImage) -> dict[str, Any]:
    """What the build's manifest says, once its slot has turned out to be just that.

    Raises:
        ImageError: it is not.
        OSError: a file cannot be read.
    """
    described: dict[str, Any] = json.loads(source.release_json.read_text("utf-8"))
    slot = described["custom"]["camward"]["components"][0]
    if (
        hash_tree(source.slot).root.hex() != slot["tree_root"]
        or sha256_file(source.slot) != described["target"]["sha256"]
    ):
        raise ImageError(f"{source.slot.name} is not what {source.release_json.name} says", "copy the build again")
    return described


def _describe(described: dict[str, Any], slot: Path, leaves: bytes, tree_root: str, fit_bytes: int) -> None:
    """Bring the manifest to the new slot; everything else about the release stays."""
    size = slot.stat().st_size
    described["target"] |= {"length": size, "sha256": sha256_file(slot)}
    described["fit_bytes"] = fit_bytes
    component = described["custom"]["camward"]["components"][0]
    component |= {"block_count": size // BLOCK_BYTES, "tree_root": tree_root}
    component["tree"] |= {"length": len(leaves), "sha256": hashlib.sha256(leaves).hexdigest()}
