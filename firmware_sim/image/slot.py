"""Put a slot image together: EROFS, its verity tree, FIT, and the block tree over all of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.image.app import Release, add_app
from firmware_sim.image.archive import unpack_tree
from firmware_sim.image.base import CAMWARD, modules_tar
from firmware_sim.image.disk import make_template, put_file
from firmware_sim.image.errors import ImageError
from firmware_sim.image.fit import RootImage, make_fit, make_initramfs
from firmware_sim.image.model import BLOCK_BYTES, Model
from firmware_sim.image.run import run_tool
from firmware_sim.image.verity import hash_tree

# What the choice is worth in a month's update, and what other choices cost: docs/adr/0013-image-for-deltas.md.
EROFS_OPTIONS = (
    "-zlz4hc", "-C65536", "-T0", "-U00000000-0000-0000-0000-000000000000", "--all-root", "-x-1", "--quiet",
)  # fmt: skip

Note = Callable[[str], None]


@dataclass(frozen=True)
class Ingredients:
    """What a slot is made from.

    Attributes:
        base: folder of the base stage.
        tools: folder of the host tools.
        keys: folder of the boot keys.
        key_name: the boot key that signs.
        image_root: TUF root v1 of the manufacturer's image repository, or None for an image that can install nothing.
    """

    base: Path
    tools: Path
    keys: Path
    key_name: str
    image_root: bytes | None


@dataclass(frozen=True)
class SlotImage:
    """A slot image and what was learned while making it."""

    path: Path
    leaves: bytes
    tree_root: str
    root_bytes: int
    fit_bytes: int


def make_slot(model: Model, release: Release, parts: Ingredients, work: Path, note: Note) -> SlotImage:
    """Make a slot image in `work`.

    Raises:
        ImageError: a tool failed, or the image does not fit into its slot.
        OSError: writing failed.
    """
    fit_offset, slot_bytes = model.layout.fit_in(model.slot), model.layout.length(model.slot)
    note("assembling the root file system")
    root = work / "root"
    unpack_tree(parts.base / "root.tar", root)
    modules = parts.base / modules_tar(release.variant)
    if modules.is_file():
        unpack_tree(modules, root)
    add_app(root, parts.tools, model, release, parts.image_root)
    if model.layout.encrypted:
        (root / CAMWARD / "data.template").write_bytes(make_template(model.layout, work))
    erofs = _erofs(root, work)
    root_bytes = erofs.stat().st_size
    tree = hash_tree(erofs)
    used = root_bytes + len(tree.nodes)
    if used > fit_offset:
        raise ImageError(
            f"the root file system takes {used} bytes, {fit_offset} are there", "prune it, or move fit_offset"
        )
    note("signing kernel and initramfs")
    image = RootImage(root_bytes // BLOCK_BYTES, tree.root.hex())
    initramfs = make_initramfs(parts.base / "early.tar", model.layout, model.slot, image, work)
    fit = make_fit(parts.base / "kernel", initramfs, model, release.security_epoch, parts.keys, parts.key_name, work)
    fit_bytes = fit.stat().st_size
    if fit_bytes > slot_bytes - fit_offset:
        raise ImageError(f"the FIT takes {fit_bytes} bytes, {slot_bytes - fit_offset} are there", "enlarge the slot")
    path = work / "image.slot"
    total = fit_offset + fit_bytes
    with path.open("wb") as file:
        file.truncate(total + -total % BLOCK_BYTES)
    put_file(path, 0, erofs)
    with path.open("r+b") as file:
        file.seek(root_bytes)
        file.write(tree.nodes)
    put_file(path, fit_offset, fit)
    whole = hash_tree(path)
    return SlotImage(path, whole.leaves, whole.root.hex(), root_bytes, fit_bytes)


def _erofs(root: Path, work: Path) -> Path:
    """The root file system; always whole blocks, and the same bytes whatever order the host lists folders in."""
    target = work / "root.erofs"
    run_tool(["mkfs.erofs", *EROFS_OPTIONS, target, root], env={"SOURCE_DATE_EPOCH": None})
    return target
