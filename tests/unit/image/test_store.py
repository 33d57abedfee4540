"""Results are whole, verified, or not there."""

import errno
import os
import subprocess
import threading
from pathlib import Path

import pytest

from firmware_sim.image.errors import ImageError
from firmware_sim.image.run import run_tool, storage_error
from firmware_sim.image.store import KEEP_STAGES, Store, intact, key_of, scratch, stage, write_atomic


def quiet(_: str) -> None:
    pass


def fill(place: Path) -> None:
    (place / "sub").mkdir()
    (place / "sub/file").write_text("made")


def test_a_stage_is_made_once(tmp_path: Path):
    store, calls = Store(tmp_path), []

    def make(place: Path) -> None:
        calls.append(place)
        fill(place)

    place = tmp_path / "result"
    assert stage(store, place, make, quiet) == place
    stage(store, place, make, quiet)
    assert len(calls) == 1
    assert intact(place)


@pytest.mark.parametrize("damage", ["changed", "removed", "no manifest"])
def test_a_damaged_stage_is_made_again(tmp_path: Path, damage: str):
    store, place, notes = Store(tmp_path), tmp_path / "result", []
    stage(store, place, fill, quiet)
    if damage == "changed":
        (place / "sub/file").write_text("other")
    elif damage == "removed":
        (place / "sub/file").unlink()
    else:
        (place / "stage.json").unlink()
    stage(store, place, fill, notes.append)
    assert (place / "sub/file").read_text() == "made"
    assert notes == ["result is damaged; making it again"]


def test_a_failing_stage_leaves_nothing(tmp_path: Path):
    store = Store(tmp_path)

    def fail(place: Path) -> None:
        fill(place)
        raise ImageError("no")

    with pytest.raises(ImageError):
        stage(store, tmp_path / "result", fail, quiet)
    assert not (tmp_path / "result").exists()
    assert not [path for path in store.cache.iterdir() if path.name.startswith("tmp-")]


def test_a_full_disk_is_one_clear_line(tmp_path: Path):
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ImageError, match="the disk is full"):
        stage(Store(tmp_path), tmp_path / "result", full, quiet)


def test_two_builders_make_a_stage_once(tmp_path: Path):
    store, place, calls = Store(tmp_path), tmp_path / "result", []
    inside = threading.Event()

    def make(new: Path) -> None:
        calls.append(new)
        inside.set()
        fill(new)

    threads = [threading.Thread(target=stage, args=(store, place, make, quiet)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside.is_set()
    assert len(calls) == 1


def test_write_atomic_leaves_the_old_file_when_it_cannot_write(tmp_path: Path):
    target = tmp_path / "file"
    write_atomic(target, b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ImageError):
        write_atomic(tmp_path / "folder", b"new")
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_scratch_is_gone_afterwards(tmp_path: Path):
    with scratch(Store(tmp_path)) as place:
        (place / "file").write_text("x")
    assert not place.exists()


def test_keys_depend_on_every_part():
    assert key_of("a", 1) == key_of("a", 1)
    assert key_of("a", 1) != key_of("a", 2)
    with pytest.raises(TypeError):
        key_of(Path("/tmp"))


def test_a_missing_tool_names_its_package():
    with pytest.raises(ImageError, match="not installed"):
        run_tool(["camward-no-such-tool"])


def test_a_failing_tool_is_quoted():
    with pytest.raises(ImageError, match="failed with code"):
        run_tool(["mke2fs", "/nonexistent/file"])


def test_a_folder_that_may_not_be_written_is_named():
    error = storage_error(PermissionError(errno.EACCES, "Permission denied", "/x"), "building")
    assert "check the owner" in str(error)


def test_a_killed_builds_temporary_folder_is_removed_by_the_next(tmp_path: Path):
    store = Store(tmp_path)
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, mine = store.cache / f"tmp-{ended.pid}-x", store.cache / f"tmp-{os.getpid()}-x"
    left.mkdir(parents=True)
    mine.mkdir()
    with scratch(store):
        assert not left.exists()
        assert mine.exists()


def test_only_the_latest_results_of_a_name_are_kept(tmp_path: Path):
    store = Store(tmp_path / "build")
    for number in range(KEEP_STAGES + 2):
        place = stage(store, tmp_path / f"kawa-1.0.0-{number}", fill, quiet)
        os.utime(place / "stage.json", (number, number))
    stage(store, tmp_path / "kawa-1.0.1-0", fill, quiet)
    kept = sorted(path.name for path in tmp_path.glob("kawa-1.0.0-*"))
    assert len(kept) == KEEP_STAGES
    assert f"kawa-1.0.0-{KEEP_STAGES + 1}" in kept
    assert (tmp_path / "kawa-1.0.1-0").is_dir()
