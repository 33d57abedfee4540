"""Locks: exact, complete, and without any host's address."""

import json
import re
from pathlib import Path

import pytest

from firmware_sim.image.errors import ImageError
from firmware_sim.image.fetch import read_wheels
from firmware_sim.image.locks import LOCK_FOLDER, LockedPackage, PackageLock, read_lock, write_lock
from firmware_sim.image.model import load_model

GOOD = LockedPackage("busybox", "1:1.0", "0" * 64, 10, "pool/main/b/busybox/busybox_1.0_arm64.deb")


def test_the_committed_locks_name_what_the_models_want_and_no_host():
    lock = read_lock("kawa-1")
    names = {package.name for package in lock.packages}
    assert set(load_model("kawa-1").packages.runtime) <= names
    assert len(names) == len(lock.packages)
    assert sum(name.startswith("linux-image-") for name in names) == 1
    wheels = {wheel.name for wheel in read_wheels(LOCK_FOLDER / "kawa-1-wheels.txt")}
    assert wheels == set(load_model("kawa-1").wheels)
    for path in LOCK_FOLDER.iterdir():
        assert not re.search(r"https?:|//|\.org|\.net|\.com", path.read_text())


def test_a_lock_is_read_back_as_written(tmp_path: Path):
    lock = PackageLock("trixie", "arm64", (GOOD,))
    write_lock("x", lock, tmp_path)
    assert read_lock("x", tmp_path) == lock


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../../etc/passwd"},
        {"path": "pool/../../x.deb"},
        {"path": "http://example/x.deb"},
        {"sha256": "abc"},
        {"extra": 1},
    ],
)
def test_a_lock_that_points_elsewhere_is_refused(tmp_path: Path, change: dict[str, object]):
    package = {**vars(GOOD), **change}
    (tmp_path / "x.json").write_text(json.dumps({"suite": "t", "architecture": "a", "packages": [package]}))
    with pytest.raises(ImageError, match="malformed"):
        read_lock("x", tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"suite": "t"}', "{", '{"suite":"t","architecture":"a","packages":3}'])
def test_a_malformed_lock_is_named(tmp_path: Path, text: str):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ImageError, match=r"x\.json"):
        read_lock("x", tmp_path)


def test_a_missing_lock_names_relock(tmp_path: Path):
    with pytest.raises(ImageError, match="camward-sim relock"):
        read_lock("x", tmp_path)


def test_a_malformed_wheel_lock_is_named(tmp_path: Path):
    (tmp_path / "w.txt").write_text("cffi>=1\n")
    with pytest.raises(ImageError, match="malformed"):
        read_wheels(tmp_path / "w.txt")
