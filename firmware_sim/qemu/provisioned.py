"""From a provisioned camera's files to the hardware of a machine."""

from firmware_sim.image.provision import Device
from firmware_sim.qemu.hardware import Hardware


def hardware_of(
    device: Device, *, shell: bool = False, extra: tuple[str, ...] = (), socket_port: int = 0, uplink_port: int = 0
) -> Hardware:
    """Return the machine that `camward-sim provision` made files for.

    Args:
        device: the camera.
        shell: plug in the virtio console on which the lab variant offers a shell.
        extra: further QEMU arguments.
        socket_port: see `Hardware`.
        uplink_port: see `Hardware`.
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
        socket_port=socket_port,
        uplink_port=uplink_port,
    )
