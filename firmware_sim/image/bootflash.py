"""The two boot flashes and the control device tree: what a factory puts into a camera beside its disk."""

import re
from collections.abc import Sequence
from pathlib import Path

from firmware_sim.image.app import BOOT_FOLDER
from firmware_sim.image.bootkeys import KEY_BITS, public_key
from firmware_sim.image.errors import ImageError
from firmware_sim.image.fit import SECTOR_BYTES
from firmware_sim.image.model import BOOT_RECORD_BYTES, Layout, Model
from firmware_sim.image.run import run_tool

FLASH_BYTES = 64 << 20  # of each of the two flashes of QEMU's `virt`
ENVIRONMENT_BYTES = 0x40000  # CONFIG_ENV_SIZE of Debian's U-Boot for it
DTB_SPARE_BYTES = 4096  # room for two public keys
CELL_BITS = 32  # of a device tree
SPARED = "cryptomgr.notests initcall_blacklist=load_system_certificate_list,jent_mod_init"
"""What the kernel does at each start for services that no camera uses; docs/adr/0024 says why each may go."""
TPM_ADDRESS = 0x0C000000
"""Where QEMU's `virt` puts the first device of its platform bus, which the TPM is the only one of."""
TPM_BYTES = 0x5000  # the five localities of the TPM interface specification
MARKER_BYTES = 4096  # the least that an operating system can leave alone: one page


def fit_sectors(layout: Layout, letter: str) -> int:
    """Sectors from the FIT to the end of its slot: what the boot script reads."""
    return (layout.slot(letter) + layout.length(letter) - layout.fit(letter)) // SECTOR_BYTES


def boot_environment(model: Model) -> str:
    """`agent/boot/boot.cmd` with the model's numbers, as mkenvimage wants it.

    Raises:
        ImageError: the script is malformed.
    """
    layout, target = model.layout, model.target
    values = {
        "RECORD": f"{target.record_address:#x}",
        "RECORD_BYTES": f"{BOOT_RECORD_BYTES:#x}",
        "RECORD_LBA_1": f"{layout.boot_record[0] // SECTOR_BYTES:#x}",
        "RECORD_LBA_2": f"{layout.boot_record[1] // SECTOR_BYTES:#x}",
        "MARKER": f"{target.marker_address:#x}",
        "FIT": f"{target.fit_address:#x}",
        "FIT_LBA_A": f"{layout.fit('a') // SECTOR_BYTES:#x}",
        "FIT_LBA_B": f"{layout.fit('b') // SECTOR_BYTES:#x}",
        "FIT_SECTORS_A": f"{fit_sectors(layout, 'a'):#x}",
        "FIT_SECTORS_B": f"{fit_sectors(layout, 'b'):#x}",
        "BOOTARGS": f"console={target.console} panic=1 oops=panic loglevel=4 {SPARED}",
    }
    text = (BOOT_FOLDER / "boot.cmd").read_text("utf-8")
    return compile_script(re.sub(r"@([A-Z0-9_]+)@", lambda match: values.get(match[1], match[0]), text))


def compile_script(text: str) -> str:
    """Turn the readable script into `name=value` lines.

    Raises:
        ImageError: a line belongs to nothing, or a placeholder is left.
    """
    scripts: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if "@" in words:
            raise ImageError(f"boot.cmd line {number} has an unknown placeholder: {words}")
        if line[0] != " " and re.fullmatch(r"[a-z0-9_]+:", words):
            current = scripts.setdefault(words[:-1], [])
        elif line[0] != " " and re.match(r"[a-z0-9_]+=", words):
            name, _, value = words.partition("=")
            scripts[name], current = [value], None
        elif line[0] == " " and current is not None:
            current.append(words)
        else:
            raise ImageError(f"boot.cmd line {number} belongs to nothing: {words}")
    return "".join(f"{name}={_join(lines)}\n" for name, lines in scripts.items())


def _join(lines: list[str]) -> str:
    joined = ""
    for line in lines:
        opens = joined.endswith(("then", "else", "do"))
        joined += line if not joined else (" " if opens else "; ") + line
    return joined


def make_flashes(model: Model, work: Path) -> tuple[Path, Path]:
    """pflash 0 (U-Boot) and pflash 1 (its environment), each padded to the flash's size with sparse zeros.

    Raises:
        ImageError: U-Boot or mkenvimage is missing.
        OSError: writing failed.
    """
    bootloader = Path(model.target.bootloader)
    if not bootloader.is_file():
        raise ImageError(f"{bootloader} is missing", "run `make setup`, or apt install u-boot-qemu")
    pflash0, pflash1 = work / "pflash0.img", work / "pflash1.img"
    pflash0.write_bytes(bootloader.read_bytes())
    (work / "boot.env").write_text(boot_environment(model))
    run_tool(["mkenvimage", "-s", f"{ENVIRONMENT_BYTES:#x}", "-o", pflash1, work / "boot.env"])
    for path in (pflash0, pflash1):
        with path.open("r+b") as file:
            file.truncate(FLASH_BYTES)
    return pflash0, pflash1


def machine_arguments(model: Model) -> tuple[str, ...]:
    """QEMU's arguments for the bare machine; everything that shapes its device tree but the flashes."""
    target = model.target
    # fmt: off
    return ("-M", target.machine, "-cpu", target.cpu, "-smp", str(target.cpus), "-m", str(target.memory_mib),
            "-nodefaults")
    # fmt: on


def flash_arguments(pflash0: Path, pflash1: Path) -> tuple[str, ...]:
    """QEMU's arguments for the two flashes. The first is read-only: U-Boot is what a boot ROM would be."""
    return (
        "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={pflash0}",
        "-drive", f"if=pflash,unit=1,format=raw,file={pflash1}",
    )  # fmt: skip


def make_control_dtb(model: Model, flashes: tuple[Path, Path], certificates: Sequence[Path], work: Path) -> Path:
    """The machine's device tree with the boot keys as required ("any": one of them suffices) and the console locked.

    It takes their certificates alone: who makes boot flashes needs no private key.

    `/config/bootsecure` makes U-Boot run its `boot` command with Ctrl-C off, and hang instead of offering a prompt
    should that ever return; the boot script resets by itself long before.

    Raises:
        ImageError: QEMU or dtc is missing or failed, or a certificate is none.
        OSError: writing failed.
    """
    dtb = work / "control.dtb"
    machine = list(machine_arguments(model))
    machine[1] += f",dtb-randomness=off,dumpdtb={dtb}"
    run_tool([model.target.qemu, *machine, *flash_arguments(*flashes), "-display", "none"])
    run_tool(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-p", str(DTB_SPARE_BYTES), "-o", dtb.with_suffix(".new"), dtb])
    dtb.with_suffix(".new").rename(dtb)
    for certificate in certificates:
        add_key(dtb, certificate)
    run_tool(["fdtput", "-t", "s", dtb, "/signature", "required-mode", "any"])
    run_tool(["fdtput", "-c", dtb, "/config"], accept=(0, 1))
    run_tool(["fdtput", "-t", "i", dtb, "/config", "bootsecure", "1"])
    run_tool(["fdtput", "-t", "s", dtb, "/config", "bootcmd", "boot"])
    reserve_marker(dtb, model.target.marker_address)
    if model.agent.get("keys") == "tpm2":
        add_tpm(dtb)
    return dtb


def add_tpm(dtb: Path) -> None:
    """Say where the TPM is: given a device tree, QEMU adds nothing to it (Linux' binding tcg,tpm-tis-mmio).

    Raises:
        ImageError: dtc is missing or failed.
    """
    node = f"/tpm@{TPM_ADDRESS:x}"
    run_tool(["fdtput", "-c", "-p", dtb, node])
    run_tool(["fdtput", "-t", "s", dtb, node, "compatible", "tcg,tpm-tis-mmio"])
    run_tool(["fdtput", "-t", "x", dtb, node, "reg", *_cells(TPM_ADDRESS, 2), *_cells(TPM_BYTES, 2)])


def reserve_marker(dtb: Path, address: int) -> None:
    """Keep the kernel off the page that holds the boot script's word (the devicetree specification, section 3.5).

    Raises:
        ImageError: dtc is missing or failed.
    """
    node = f"/reserved-memory/boot-marker@{address:x}"
    run_tool(["fdtput", "-c", "-p", dtb, node])
    for name in ("#address-cells", "#size-cells"):
        run_tool(["fdtput", "-t", "i", dtb, "/reserved-memory", name, "2"])
    run_tool(["fdtput", dtb, "/reserved-memory", "ranges"])
    run_tool(["fdtput", "-t", "x", dtb, node, "reg", *_cells(address, 2), *_cells(MARKER_BYTES, 2)])
    run_tool(["fdtput", dtb, node, "no-map"])


def add_key(dtb: Path, certificate: Path) -> None:
    """Add a public key that may sign configurations, as `mkimage -K -r` does (which would need the private one).

    U-Boot's doc/uImage.FIT/signature.txt has the properties; they carry Montgomery's constants ready-made.

    Raises:
        ImageError: dtc is missing or failed, or this is no certificate of a boot key.
    """
    numbers = public_key(certificate).public_numbers()
    node = f"/signature/key-{certificate.stem}"
    squared = pow(2, 2 * KEY_BITS, numbers.n)
    inverse = -pow(numbers.n, -1, 1 << CELL_BITS) % (1 << CELL_BITS)
    run_tool(["fdtput", "-c", "-p", dtb, node])
    # The last to be added comes first in the tree: in this order the tree is what mkimage would make.
    run_tool(["fdtput", "-t", "s", dtb, node, "key-name-hint", certificate.stem])
    run_tool(["fdtput", "-t", "x", dtb, node, "rsa,num-bits", *_cells(KEY_BITS, 1)])
    run_tool(["fdtput", "-t", "x", dtb, node, "rsa,n0-inverse", *_cells(inverse, 1)])
    run_tool(["fdtput", "-t", "x", dtb, node, "rsa,exponent", *_cells(numbers.e, 2)])
    run_tool(["fdtput", "-t", "x", dtb, node, "rsa,modulus", *_cells(numbers.n, KEY_BITS // CELL_BITS)])
    run_tool(["fdtput", "-t", "x", dtb, node, "rsa,r-squared", *_cells(squared, KEY_BITS // CELL_BITS)])
    run_tool(["fdtput", "-t", "s", dtb, node, "algo", f"sha256,rsa{KEY_BITS}"])
    run_tool(["fdtput", "-t", "s", dtb, node, "required", "conf"])


def _cells(number: int, count: int) -> list[str]:
    """A number as big-endian cells of a device tree, hexadecimal."""
    mask = (1 << CELL_BITS) - 1
    return [f"{number >> CELL_BITS * place & mask:x}" for place in reversed(range(count))]
