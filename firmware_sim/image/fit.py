"""The signed half of a slot: boot keys, initramfs and FIT."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.image.app import BOOT_FOLDER
from firmware_sim.image.archive import compress, cpio, unpack_tree
from firmware_sim.image.model import BLOCK_BYTES, Layout, Model
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import Store, locked, scratch, sha256_file

SECTOR_BYTES = 512
KEY_NAMES = ("boot1", "boot2")
KEY_BITS = 2048  # what U-Boot 2023.01 of Debian 12 verifies
KEY_VALID_DAYS = "36500"  # U-Boot reads the key of the certificate only


@dataclass(frozen=True)
class RootImage:
    """A squashfs in its slot: how many blocks it has and the root hash of the tree behind it."""

    blocks: int
    root_hash: str


def boot_keys(store: Store) -> Path:
    """Folder with both boot keys (`NAME.key`, `NAME.crt`), made on first use; they stay in this checkout.

    Raises:
        ImageError: openssl is missing or the folder cannot be written.
    """
    folder = store.keys
    with locked(store.root / "keys.lock"):
        for name in KEY_NAMES:
            if (folder / f"{name}.crt").is_file() and (folder / f"{name}.key").is_file():
                continue
            with scratch(store) as work:
                key, certificate = work / f"{name}.key", work / f"{name}.crt"
                make_key(key, certificate)
                folder.mkdir(parents=True, exist_ok=True)
                key.chmod(0o600)
                key.rename(folder / key.name)
                certificate.rename(folder / certificate.name)
    return folder


def make_key(key: Path, certificate: Path) -> None:
    """Make one RSA key and the certificate mkimage wants beside it.

    Raises:
        ImageError: openssl is missing or failed.
    """
    # With F4 as its exponent, which is openssl's default and the only one U-Boot's device tree code is tried with.
    run_tool(["openssl", "req", "-batch", "-new", "-x509", "-newkey", f"rsa:{KEY_BITS}", "-nodes",
              "-days", KEY_VALID_DAYS,
              "-subj", "/CN=camward boot key", "-keyout", key, "-out", certificate])  # fmt: skip


def key_digests(folder: Path) -> list[str]:
    """What a content key needs to know of the boot keys."""
    return [sha256_file(folder / f"{name}.crt") for name in KEY_NAMES]


def make_initramfs(early_tar: Path, layout: Layout, root: RootImage, work: Path) -> bytes:
    """The initramfs with this slot's root hash and layout baked in, compressed.

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
        "SLOT_SECTORS": layout.fit_offset // SECTOR_BYTES,
        "ROOT_SECTORS": root.blocks * BLOCK_BYTES // SECTOR_BYTES,
        "ROOT_BLOCKS": root.blocks,
        "ROOT_HASH": root.root_hash,
        "DATA_SECTOR": layout.data_offset // SECTOR_BYTES,
        "DATA_SECTORS": layout.data_bytes // SECTOR_BYTES,
    }
    (tree / "boot.conf").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return compress(cpio(tree, last="boot.conf"))


# The root node's rollback-index is under the signature of the configuration, and the boot script compares it.
_ITS = """/dts-v1/;
/ {{
    description = "Camward {model}";
    #address-cells = <1>;
    rollback-index = <{epoch}>;
    images {{
        kernel {{
            description = "kernel";
            data = /incbin/("kernel.gz");
            type = "kernel";
            arch = "{arch}";
            os = "linux";
            compression = "gzip";
            load = <{load:#x}>;
            entry = <{load:#x}>;
            hash-1 {{ algo = "sha256"; }};
        }};
        ramdisk {{
            description = "initramfs";
            data = /incbin/("initramfs.gz");
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


def make_fit(
    kernel_gz: Path, initramfs: bytes, model: Model, epoch: int, keys: Path, key_name: str, work: Path
) -> Path:
    """Put kernel and initramfs into a FIT and sign its one configuration.

    Args:
        kernel_gz: the compressed kernel.
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
    (folder / "kernel.gz").symlink_to(kernel_gz.resolve())
    (folder / "initramfs.gz").write_bytes(initramfs)
    arch = {"arm64": "arm64", "armhf": "arm"}[model.target.architecture]
    its = _ITS.format(model=model.name, epoch=epoch, arch=arch, load=model.target.kernel_address, key=key_name)
    (folder / "fit.its").write_text(its)
    run_tool(["mkimage", "-f", "fit.its", "-k", keys.resolve(), "-r", "fit.itb"], cwd=folder)
    return folder / "fit.itb"
