"""Containers are the same whenever and by whomever they are made."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from firmware_sim.image.archive import compress, cpio, pack_tree, unpack_tree
from firmware_sim.image.errors import ImageError


def make_tree(root: Path, names: list[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o755)
    (root / "link").symlink_to("a/one")
    return root


def test_order_time_and_owner_leave_no_trace(tmp_path: Path):
    first = make_tree(tmp_path / "first", ["a/one", "b", "c/two"])
    second = make_tree(tmp_path / "second", ["c/two", "b", "a/one"])
    os.utime(second / "b", (1, 1))
    pack_tree(first, tmp_path / "first.tar")
    pack_tree(second, tmp_path / "second.tar")
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
    assert cpio(first) == cpio(second)
    assert compress(b"x" * 100) == compress(b"x" * 100)


def test_set_user_id_and_write_bits_for_others_do_not_survive(tmp_path: Path):
    tree = make_tree(tmp_path / "tree", ["tool"])
    (tree / "tool").chmod(0o6777)
    pack_tree(tree, tmp_path / "tree.tar")
    with tarfile.open(tmp_path / "tree.tar") as archive:
        assert archive.getmember("tool").mode == 0o755
    assert b"000081ED" in cpio(tree)


def test_what_was_packed_comes_back(tmp_path: Path):
    tree = make_tree(tmp_path / "tree", ["a/one", "b"])
    os.link(tree / "b", tree / "second-name")
    pack_tree(tree, tmp_path / "tree.tar")
    unpack_tree(tmp_path / "tree.tar", tmp_path / "back")
    assert (tmp_path / "back/second-name").read_text() == "b"
    assert (tmp_path / "back/link").readlink() == Path("a/one")
    pack_tree(tmp_path / "back", tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "tree.tar").read_bytes()


def test_a_cpio_archive_has_the_kernels_form(tmp_path: Path):
    data = io.BytesIO(cpio(make_tree(tmp_path / "tree", ["a/one"])))
    assert data.read(6) == b"070701"
    assert b"TRAILER!!!" in data.getvalue()
    assert len(data.getvalue()) % 512 == 0


def test_a_pipe_does_not_fit_into_an_initramfs(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="cannot hold pipe"):
        cpio(tmp_path)
