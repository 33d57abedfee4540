"""Put a slot image together: squashfs, its verity tree, FIT, and the block tree over all of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.image.app import Release, add_app
from firmware_sim.image.archive import unpack_tree
from firmware_sim.image.base import CAMWARD
from firmware_sim.image.disk import put_file
from firmware_sim.image.errors import ImageError
from firmware_sim.image.fit import RootImage, make_fit, make_initramfs
from firmware_sim.image.model import BLOCK_BYTES, Model
from firmware_sim.image.run import run_tool
from firmware_sim.image.verity import hash_tree

# 128 KiB blocks: larger ones save 2 % and make every small read of the emulated camera slower.
SQUASHFS_OPTIONS = (
    "-comp", "zstd", "-Xcompression-level", "15", "-b", "131072", "-all-root", "-no-xattrs", "-all-time", "0",
    "-mkfs-time", "0", "-no-exports", "-no-progress", "-no-recovery",
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
    squashfs_bytes: int
    fit_bytes: int


def make_slot(model: Model, release: Release, parts: Ingredients, work: Path, note: Note) -> SlotImage:
    """Make a slot image in `work`.

    Raises:
        ImageError: a tool failed, or the image does not fit into its slot.
        OSError: writing failed.
    """
    layout = model.layout
    note("assembling the root file system")
    root = work / "root"
    unpack_tree(parts.base / "root.tar", root)
    add_app(root, parts.tools, model, release, parts.image_root)
    squashfs = _squashfs(root, work)
    tree = hash_tree(squashfs)
    used = squashfs.stat().st_size + len(tree.nodes)
    if used > layout.fit_offset:
        raise ImageError(
            f"the root file system takes {used} bytes, {layout.fit_offset} are there", "prune it, or move fit_offset"
        )
    note("signing kernel and initramfs")
    image = RootImage(squashfs.stat().st_size // BLOCK_BYTES, tree.root.hex())
    initramfs = make_initramfs(parts.base / "early.tar", layout, image, work)
    fit = make_fit(parts.base / "kernel.gz", initramfs, model, release.security_epoch, parts.keys, parts.key_name, work)
    fit_bytes = fit.stat().st_size
    if fit_bytes > layout.slot_bytes - layout.fit_offset:
        raise ImageError(
            f"the FIT takes {fit_bytes} bytes, {layout.slot_bytes - layout.fit_offset} are there", "enlarge the slot"
        )
    path = work / "image.slot"
    total = layout.fit_offset + fit_bytes
    with path.open("wb") as file:
        file.truncate(total + -total % BLOCK_BYTES)
    put_file(path, 0, squashfs)
    with path.open("r+b") as file:
        file.seek(squashfs.stat().st_size)
        file.write(tree.nodes)
    put_file(path, layout.fit_offset, fit)
    whole = hash_tree(path)
    return SlotImage(path, whole.leaves, whole.root.hex(), squashfs.stat().st_size, fit_bytes)


def _squashfs(root: Path, work: Path) -> Path:
    # Our own layer comes last, so that two versions share the blocks of everything before it.
    ours = [path for top in ("etc", f"{CAMWARD}/python") for path in sorted((root / top).rglob("*")) if path.is_file()]
    (work / "order").write_text(
        "".join(f"{path.relative_to(root).as_posix()} -1\n" for path in ours if not path.is_symlink())
    )
    target = work / "root.squashfs"
    # mksquashfs refuses its own time options while this variable is set.
    run_tool(["mksquashfs", root, target, *SQUASHFS_OPTIONS, "-sort", work / "order"], env={"SOURCE_DATE_EPOCH": None})
    size = target.stat().st_size
    if size % BLOCK_BYTES:
        with target.open("r+b") as file:
            file.truncate(size + -size % BLOCK_BYTES)
    return target
