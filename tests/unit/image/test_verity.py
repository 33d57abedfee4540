"""Our hash tree is dm-verity's, and the block tree's."""

import subprocess
from pathlib import Path

import pytest

from agent.formats.block_tree import root_of
from firmware_sim.image.verity import hash_tree


@pytest.mark.parametrize("blocks", [1, 2, 127, 128, 129, 300, 128 * 128 + 1])
def test_it_is_what_veritysetup_makes(tmp_path: Path, blocks: int):
    data = tmp_path / "data"
    data.write_bytes(b"".join(number.to_bytes(4, "big") * 1024 for number in range(blocks)))
    tree = hash_tree(data)
    assert root_of(tree.leaves) == tree.root
    command = ["veritysetup", "format", "--no-superblock", "--salt=-", "--hash=sha256", data, tmp_path / "tree"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert tree.root.hex() in done.stdout
    assert (tmp_path / "tree").read_bytes() == tree.nodes


@pytest.mark.parametrize("size", [0, 1, 4095, 4097])
def test_pieces_of_blocks_are_refused(tmp_path: Path, size: int):
    (tmp_path / "data").write_bytes(bytes(size))
    with pytest.raises(ValueError, match="no whole blocks"):
        hash_tree(tmp_path / "data")
