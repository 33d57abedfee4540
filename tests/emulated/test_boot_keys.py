"""The runbook of the boot keys, run as it is written: what the pairs before and after a rotation boot and refuse."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.formats.boot_record import FRESH
from firmware_sim.image import BuiltImage, ImageError, bootkeys, load_built
from firmware_sim.image.fit import resign_fit
from firmware_sim.image.sign import sign
from tests.emulated.boot_helpers import Disk, image, starts

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = ROOT / "docs" / "runbooks" / "boot-key-rotation.md"
COMMITTED_A = FRESH.replace(generation=7, rollback_index=1)
SECRET = b"a passphrase of our own"


def fit_of(built: BuiltImage) -> bytes:
    return built.slot.read_bytes()[built.layout.fit_offset :]


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which somebody has followed the runbook from its first line to its last."""
    folder = tmp_path_factory.mktemp("rotation")
    (folder / "passphrase").write_bytes(SECRET + b"\n")
    blocks = re.findall(r"```sh\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"BUILD": str(image().folder), "PYTHONPATH": str(ROOT)}
    subprocess.run(["bash", "-eu"], input="\n".join(blocks), text=True, cwd=folder, env=environment, check=True)
    assert bootkeys.load(folder / "boot-keys").names == ("boot2", "boot3")
    return folder


def signed_by_boot3(rotated: Path, work: Path) -> bytes:
    work.mkdir()
    keys = bootkeys.load(rotated / "boot-keys")
    with bootkeys.opened(keys, "boot3", SECRET) as place:
        return resign_fit(fit_of(load_built(rotated / "signed-with-2")), place, "boot3", work)


def test_a_camera_made_before_boots_the_remaining_key_and_not_yet_its_successor(rotated: Path, tmp_path: Path):
    disk = Disk(tmp_path, load_built(rotated / "signed-with-1"), COMMITTED_A)
    disk.slot("b", load_built(rotated / "signed-with-2"))
    disk.fit("a", signed_by_boot3(rotated, tmp_path / "work"))
    with disk.machine() as machine:
        text = starts(machine, "b")
    assert "slot a refused" in text
    assert "sha256,rsa2048:boot2+ OK" in text


def test_a_camera_made_after_refuses_the_retired_key_and_boots_the_new_pair(rotated: Path, tmp_path: Path):
    after = load_built(rotated / "signed-with-2")
    disk = Disk(tmp_path, after, COMMITTED_A)
    disk.slot("b", after)
    disk.fit("a", fit_of(load_built(rotated / "signed-with-1")))
    disk.fit("b", signed_by_boot3(rotated, tmp_path / "work"))
    with disk.machine() as machine:
        text = starts(machine, "b")
    assert "slot a refused" in text
    assert "sha256,rsa2048:boot3+ OK" in text


def test_a_signed_build_is_consistent_in_itself_and_a_damaged_one_is_not_signed(rotated: Path, tmp_path: Path):
    from update_server.repository import releases

    one, two = (load_built(rotated / f"signed-with-{number}") for number in (1, 2))
    for built in (one, two):
        described = releases.inspect(built.slot, built.tree, built.release_json)
        assert described.release.version == "1.0.0"
    assert fit_of(one) != fit_of(two)
    assert one.slot.read_bytes()[: one.layout.fit_offset] == two.slot.read_bytes()[: two.layout.fit_offset]
    assert one.dtb.read_bytes() != two.dtb.read_bytes()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / one.release_json.name).write_bytes(one.release_json.read_bytes())
    body = bytearray(one.slot.read_bytes())
    body[12345] ^= 1
    (damaged / one.slot.name).write_bytes(body)
    keys = bootkeys.load(rotated / "boot-keys")
    with pytest.raises(ImageError, match="is not what"):
        sign(load_built(damaged), keys, 2, SECRET, tmp_path / "out", print)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged"]
