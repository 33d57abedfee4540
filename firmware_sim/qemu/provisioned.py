"""From a provisioned camera's files to the hardware of a machine."""

from pathlib import Path

from firmware_sim.image.provision import Device
from firmware_sim.qemu.hardware import USUAL_NETWORK, Hardware


def hardware_of(
    device: Device,
    *,
    shell: bool = False,
    extra: tuple[str, ...] = (),
    network: str = USUAL_NETWORK,
    tpm: Path | None = None,
) -> Hardware:
    """Return the machine that `camward-sim provision` made files for.

    Args:
        device: the camera.
        shell: plug in the virtio console on which the lab variant offers a shell.
        extra: further QEMU arguments.
        network: see `Hardware`.
        tpm: folder of its TPM, for the variant `tpm`.
    """
    return Hardware(
        firmware=device.pflash0,
        environment=device.pflash1,
        disk=device.disk,
        dtb=device.dtb,
        mac=device.mac,
        board=device.machine_args,
        qemu=device.qemu,
        shell=shell,
        extra=extra,
        network=network,
        tpm=tpm,
    )
