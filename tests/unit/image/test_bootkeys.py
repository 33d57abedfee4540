"""The folder of the boot keys: a pair, who may sign, what retires, and what never lies about unencrypted."""

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner

from firmware_sim.image import bootkeys
from firmware_sim.image.bootflash import add_key
from firmware_sim.image.cli import app
from firmware_sim.image.errors import ImageError
from firmware_sim.image.fit import boot_keys
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import Store

SECRET = b"a passphrase of our own"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boot") / "keys"
    bootkeys.make(folder, SECRET)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-a", made, tmp_path / "keys"], check=True)
    return tmp_path / "keys"


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_pair_is_for_its_owner_alone_and_encrypted(folder: Path):
    assert bootkeys.load(folder).names == ("boot1", "boot2")
    assert names(folder) == ["boot1.crt", "boot1.key", "boot2.crt", "boot2.key"]
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.glob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
    one, two = (bootkeys.fingerprint(path) for path in bootkeys.load(folder).certificates)
    assert one != two


def test_a_retirement_that_was_cut_short_can_be_finished_by_hand(folder: Path):
    bootkeys.make_key(folder / "boot3.key", folder / "boot3.crt", SECRET)
    with pytest.raises(ImageError) as caught:
        bootkeys.load(folder)
    assert f"into {folder}/retired" in caught.value.hint
    (folder / "retired").mkdir()
    for name in ("boot1.key", "boot1.crt"):
        (folder / name).rename(folder / "retired" / name)
    assert bootkeys.load(folder).names == ("boot2", "boot3")


def test_an_existing_folder_is_left_alone(folder: Path):
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    with pytest.raises(ImageError, match="not empty"):
        bootkeys.make(folder, SECRET)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before


def test_a_private_key_is_opened_in_memory_and_gone_afterwards(folder: Path):
    keys = bootkeys.load(folder)
    with bootkeys.opened(keys, "boot2", SECRET) as place:
        assert place.stat().st_mode & 0o777 == 0o700
        assert sorted(path.name for path in place.iterdir()) == ["boot2.crt", "boot2.key"]
        held = (place / "boot2.key").readlink()
        assert str(held).startswith(f"/proc/{os.getpid()}/fd/")
        assert os.readlink(held).startswith("/memfd:")
        serialization.load_pem_private_key((place / "boot2.key").read_bytes(), None)
        assert not [path for path in place.iterdir() if not path.is_symlink() and b"PRIVATE" in path.read_bytes()]
    assert not place.exists()
    assert not held.exists()


@pytest.mark.parametrize(
    ("passphrase", "says"), [(None, "needs its passphrase"), (b"wrong", "does not open: wrong passphrase")]
)
def test_without_the_passphrase_nothing_is_signed(folder: Path, passphrase: bytes | None, says: str):
    with (
        pytest.raises(ImageError, match=says),
        bootkeys.opened(bootkeys.load(folder), "boot1", passphrase),
    ):
        raise ZeroDivisionError


def test_a_key_and_a_foreign_certificate_do_not_pass(folder: Path):
    (folder / "boot1.crt").write_bytes((folder / "boot2.crt").read_bytes())
    with (
        pytest.raises(ImageError, match="do not belong together"),
        bootkeys.opened(bootkeys.load(folder), "boot1", SECRET),
    ):
        raise ZeroDivisionError


def test_retiring_makes_a_successor_and_the_retired_key_signs_no_more(folder: Path):
    old = bootkeys.fingerprint(folder / "boot1.crt")
    after = bootkeys.retire(folder, "boot1", SECRET)
    assert after.names == ("boot2", "boot3")
    assert names(folder) == [
        "boot2.crt", "boot2.key", "boot3.crt", "boot3.key", "retired/boot1.crt", "retired/boot1.key",
    ]  # fmt: skip
    assert bootkeys.fingerprint(folder / "retired" / "boot1.crt") == old
    assert [after.signer(number) for number in (None, 2, 3)] == ["boot2", "boot2", "boot3"]
    with pytest.raises(ImageError, match="boot1 is retired"):
        after.signer(1)
    with pytest.raises(ImageError, match="no boot key 7"):
        after.signer(7)
    with pytest.raises(ImageError, match="not in service"):
        bootkeys.retire(folder, "boot1", SECRET)
    assert bootkeys.retire(folder, "boot3", SECRET).names == ("boot2", "boot4")


def test_one_private_key_may_be_elsewhere(folder: Path):
    (folder / "boot1.key").unlink()
    keys = bootkeys.load(folder)
    assert keys.signer(None) == "boot2"
    with pytest.raises(ImageError, match="is not in"):
        keys.signer(1)
    # The lost one can be retired all the same, by who holds the other.
    assert bootkeys.retire(folder, "boot1", SECRET).names == ("boot2", "boot3")


@pytest.mark.parametrize("surplus", [["boot3.crt"], []])
def test_more_or_fewer_than_two_are_no_pair(folder: Path, surplus: list[str]):
    for name in surplus:
        (folder / name).write_bytes((folder / "boot1.crt").read_bytes())
    if not surplus:
        (folder / "boot2.crt").unlink()
    with pytest.raises(ImageError, match=f"holds {3 if surplus else 1} certificates"):
        bootkeys.load(folder)


@pytest.mark.parametrize("name", ["boot01.crt", "boot.crt", "boot1x.crt", "bootII.crt"])
def test_other_files_are_no_keys(folder: Path, name: str):
    (folder / name).write_bytes((folder / "boot1.crt").read_bytes())
    assert bootkeys.load(folder).names == ("boot1", "boot2")


def test_a_checkout_makes_its_own_pair_for_development(tmp_path: Path):
    store = Store(tmp_path)
    folder = boot_keys(store)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    assert boot_keys(store) == folder
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    assert bootkeys.load(folder).names == ("boot1", "boot2")


_MKIMAGE = """/dts-v1/;
/ {
    description = "carries a key";
    #address-cells = <1>;
    images { k { data = [00]; type = "kernel"; arch = "arm64"; os = "linux"; compression = "none"; load = <0>;
        entry = <0>; hash-1 { algo = "sha256"; }; }; };
    configurations { default = "c"; c { kernel = "k";
        signature-1 { algo = "sha256,rsa2048"; key-name-hint = "NAME"; sign-images = "kernel"; }; }; };
};
"""


def test_the_boot_flash_carries_what_mkimage_would_write_without_the_private_key(folder: Path, tmp_path: Path):
    keys = bootkeys.load(folder)
    (tmp_path / "empty.dts").write_text('/dts-v1/;\n/ { model = "x"; chosen { }; };\n')
    for name in ("ours.dtb", "theirs.dtb"):
        run_tool(["dtc", "-q", "-p", "8192", "-o", tmp_path / name, tmp_path / "empty.dts"])
    for name, certificate in zip(keys.names, keys.certificates, strict=True):
        (tmp_path / f"{name}.its").write_text(_MKIMAGE.replace("NAME", name))
        with bootkeys.opened(keys, name, SECRET) as place:
            run_tool(
                ["mkimage", "-f", f"{name}.its", "-k", place, "-K", "theirs.dtb", "-r", f"{name}.itb"], cwd=tmp_path
            )
        alone = tmp_path / "public" / f"{name}.crt"
        alone.parent.mkdir(exist_ok=True)
        alone.write_bytes(certificate.read_bytes())
        add_key(tmp_path / "ours.dtb", alone)
    ours, theirs = (
        run_tool(["dtc", "-q", "-I", "dtb", "-O", "dts", tmp_path / name]).stdout for name in ("ours.dtb", "theirs.dtb")
    )
    assert b"rsa,modulus" in ours
    assert ours == theirs


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["keys", "list", "/nonexistent"], "holds 0 certificates"),
        (["keys", "make", "FOLDER"], "is not empty"),
        (["keys", "retire", "FOLDER", "boot9"], "boot9 is not in service"),
        (["keys", "make", "NEW", "--passphrase-file", "/nonexistent"], "cannot read /nonexistent"),
        (["sign", "/nonexistent", "NEW", "--boot-keys", "FOLDER"], "release description"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_1(folder: Path, tmp_path: Path, arguments: list[str], what: str):
    words = [word.replace("FOLDER", str(folder)).replace("NEW", str(tmp_path / "new")) for word in arguments]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert what in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
