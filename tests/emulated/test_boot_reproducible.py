"""Equal inputs give equal bytes: the base is made anew from the packages, in another place, and the image from it."""

import shutil
from pathlib import Path

from firmware_sim.demo import images
from firmware_sim.demo.operator import Operator
from firmware_sim.image import BuiltImage, Store, build, default_store
from firmware_sim.image.store import sha256_file

FILES = (
    "kawa-1-1.0.0.slot",
    "kawa-1-1.0.0.tree",
    "release.json",
    "factory.img",
    "control.dtb",
    "pflash0.img",
    "pflash1.img",
)


def made_again(store: Store) -> BuiltImage:
    """product-1.0.0 of the set, as `make images` makes it."""
    wanted = next(one for one in images.SET if one.name == "product-1.0.0")
    return build(
        images.MODEL,
        wanted.version,
        notes={"en": wanted.notes_en, "ja": wanted.notes_ja},
        image_root=Operator(images.operator_home()).image_root,
        store=store,
    )


def test_two_builds_of_the_same_inputs_are_byte_identical(tmp_path: Path):
    ours = default_store()
    other = Store(tmp_path / "somewhere/else")
    other.cache.mkdir(parents=True)
    # The downloads and the keys are inputs; everything that is made from them is made again.
    for name in ("debs", "wheels"):
        (other.cache / name).symlink_to(ours.cache / name)
    shutil.copytree(ours.keys, other.keys)
    first, second = images.load("product-1.0.0"), made_again(other)
    assert first.folder.name == second.folder.name
    assert first.folder != second.folder
    for name in FILES:
        assert sha256_file(first.folder / name) == sha256_file(second.folder / name), name


def test_another_version_is_another_image_that_shares_most_blocks():
    # What makes updates small: our own layer lies last, everything before it keeps its place.
    first, second = images.load("product-1.0.0"), images.load("product-1.1.0")
    one, two = first.tree.read_bytes(), second.tree.read_bytes()
    assert one != two
    known = {one[at : at + 32] for at in range(0, len(one), 32)}
    new = [at for at in range(0, len(two), 32) if two[at : at + 32] not in known]
    assert len(new) * 32 < len(two) // 4
