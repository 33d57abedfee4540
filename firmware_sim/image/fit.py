"""The signed half of a slot: boot keys, initramfs and FIT."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.image import bootkeys
from firmware_sim.image.app import BOOT_FOLDER
from firmware_sim.image.archive import cpio, unpack_tree
from firmware_sim.image.errors import ImageError
from firmware_sim.image.model import BLOCK_BYTES, Layout, Model
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import Store, locked, sha256_file

SECTOR_BYTES = 512
KEY_NAMES = ("boot1", "boot2")
FDT_ALIGN_BYTES = 4  # of what stands in a device tree
WORD_BYTES = 8  # U-Boot moves a kernel that is aligned so word by word, any other one byte by byte: a second or more
FIT_HEAD_BYTES = 4096
KERNEL_HEAD_BYTES = 64


@dataclass(frozen=True)
class RootImage:
    """A root file system in its slot: how many blocks it has and the root hash of the tree behind it."""

    blocks: int
    root_hash: str


def boot_keys(store: Store) -> Path:
    """Folder with this checkout's own pair of boot keys, made on first use: for development and tests.

    A product's keys lie elsewhere, and `camward-sim sign` signs with them (`bootkeys`).

    Raises:
        ImageError: the folder cannot be written.
    """
    folder = store.keys
    with locked(store.root / "keys.lock"):
        for name in KEY_NAMES:
            key, certificate = bootkeys.key_of(folder, name), bootkeys.certificate_of(folder, name)
            if not (certificate.is_file() and key.is_file()):
                bootkeys.make_key(key, certificate)
    return folder


def key_digests(folder: Path) -> list[str]:
    """What a content key needs to know of the boot keys."""
    return [sha256_file(folder / f"{name}.crt") for name in KEY_NAMES]


def make_initramfs(early_tar: Path, layout: Layout, letter: str, root: RootImage, work: Path) -> bytes:
    """The initramfs with the root hash and layout of a slot, called `a` or `b`, baked in, compressed.

    Raises:
        OSError: writing failed.
        ImageError: the base holds something a cpio cannot.
    """
    tree = work / "initramfs"
    unpack_tree(early_tar, tree)
    shutil.copyfile(BOOT_FOLDER / "init", tree / "init")
    (tree / "init").chmod(0o755)
    values: dict[str, object] = {
        "DEVICE": layout.device,
        "SLOT_A_SECTOR": layout.slot("a") // SECTOR_BYTES,
        "SLOT_B_SECTOR": layout.slot("b") // SECTOR_BYTES,
        "SLOT_SECTORS": layout.fit_in(letter) // SECTOR_BYTES,
        "ROOT_SECTORS": root.blocks * BLOCK_BYTES // SECTOR_BYTES,
        "ROOT_BLOCKS": root.blocks,
        "ROOT_HASH": root.root_hash,
        "DATA_SECTOR": layout.data_offset // SECTOR_BYTES,
        "DATA_SECTORS": layout.data_bytes // SECTOR_BYTES,
    }
    (tree / "boot.conf").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    (work / "initramfs.cpio").write_bytes(cpio(tree, last="boot.conf"))
    # LZ4 keeps literal bytes as they are, so that a delta finds them; the kernel reads its legacy format.
    run_tool(["lz4", "-q", "-l", "-9", work / "initramfs.cpio", work / "initramfs.lz4"])
    return (work / "initramfs.lz4").read_bytes()


# The root node's rollback-index is under the signature of the configuration, and the boot script compares it.
_ITS = """/dts-v1/;
/ {{
    description = "{description}";
    #address-cells = <1>;
    rollback-index = <{epoch}>;
    images {{
        kernel {{
            description = "kernel";
            data = /incbin/("kernel");
            type = "kernel";
            arch = "{arch}";
            os = "linux";
            compression = "none";
            load = <{load:#x}>;
            entry = <{load:#x}>;
            hash-1 {{ algo = "sha256"; }};
        }};
        ramdisk {{
            description = "initramfs";
            data = /incbin/("initramfs.lz4");
            type = "ramdisk";
            arch = "{arch}";
            os = "linux";
            compression = "none";
            hash-1 {{ algo = "sha256"; }};
        }};
    }};
    configurations {{
        default = "conf";
        conf {{
            description = "camward";
            kernel = "kernel";
            ramdisk = "ramdisk";
            signature-1 {{
                algo = "sha256,rsa2048";
                key-name-hint = "{key}";
                sign-images = "kernel", "ramdisk";
            }};
        }};
    }};
}};
"""


def make_fit(kernel: Path, initramfs: bytes, model: Model, epoch: int, keys: Path, key_name: str, work: Path) -> Path:
    """Put kernel and initramfs into a FIT and sign its one configuration.

    Args:
        kernel: uncompressed, so that a delta finds in it what the last kernel had.
        initramfs: compressed.
        model: whose kernel address and architecture count.
        epoch: becomes `rollback-index`.
        keys: folder of the boot keys.
        key_name: which of them signs.
        work: temporary folder; the result lies in it.

    Raises:
        ImageError: mkimage or dtc is missing or failed.
        OSError: writing failed.
    """
    folder = work / "fit"
    folder.mkdir()
    (folder / "kernel").symlink_to(kernel.resolve())
    (folder / "initramfs.lz4").write_bytes(initramfs)
    arch = {"arm64": "arm64", "armhf": "arm"}[model.target.architecture]
    fit = folder / "fit.itb"
    for filler in ("", " " * FDT_ALIGN_BYTES):
        its = _ITS.format(
            description=f"Camward {model.name}{filler}", epoch=epoch, arch=arch, load=model.target.kernel_address,
            key=key_name,
        )  # fmt: skip
        (folder / "fit.its").write_text(its)
        run_tool(["mkimage", "-f", "fit.its", "-k", keys.resolve(), "-r", fit.name], cwd=folder)
        if _kernel_offset(fit, kernel) % WORD_BYTES == 0:
            return fit
    raise ImageError("the kernel cannot be aligned in the FIT")


def _kernel_offset(fit: Path, kernel: Path) -> int:
    with fit.open("rb") as whole, kernel.open("rb") as file:
        return whole.read(FIT_HEAD_BYTES).index(file.read(KERNEL_HEAD_BYTES))


def resign_fit(fit: bytes, keys: Path, key_name: str, work: Path) -> bytes:
    """The FIT with its one configuration signed by another key.

    Args:
        fit: as `make_fit` made it.
        keys: folder with the key that signs, as mkimage reads it.
        key_name: its name.
        work: temporary folder.

    Raises:
        ImageError: this is no FIT of ours, or mkimage or dtc is missing or failed.
        OSError: writing failed.
    """
    folder = work / "resign"
    folder.mkdir()
    path = folder / "fit.itb"
    path.write_bytes(fit)
    node = "/configurations/conf/signature-1"
    run_tool(["fdtput", "-t", "s", path, node, "key-name-hint", key_name])
    run_tool(["mkimage", "-F", "-k", keys.resolve(), "-r", "fit.itb"], cwd=folder)
    return path.read_bytes()
