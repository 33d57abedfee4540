"""What kind of device-mapper target a block device is, asked of the kernel (linux/dm-ioctl.h, version 4)."""

import fcntl
import os
import struct
from pathlib import Path

CONTROL = Path("/dev/mapper/control")
_HEAD = struct.Struct("<3I I I I i I I I Q 128s 129s 7s")
_TARGET = struct.Struct("<Q Q i I 16s")
_BUFFER_BYTES = 16 * 1024  # one target and its status line
_TABLE_STATUS = (3 << 30) | (_HEAD.size << 16) | (0xFD << 8) | 12


def target(device: int) -> tuple[str, str] | None:
    """Target type and status text of a device with one target; None when it is no device-mapper device.

    Args:
        device: as in `st_dev`.

    Raises:
        OSError: the kernel cannot be asked.
    """
    if not Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/dm").is_dir():
        return None
    minor = os.minor(device)
    number = (minor & 0xFF) | (os.major(device) << 8) | ((minor & ~0xFF) << 12)
    head = _HEAD.pack(4, 0, 0, _BUFFER_BYTES, _HEAD.size, 0, 0, 0, 0, 0, number, b"", b"", b"")
    buffer = bytearray(head + bytes(_BUFFER_BYTES - len(head)))
    control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, _TABLE_STATUS, buffer)
    finally:
        os.close(control)
    start, count = _HEAD.unpack_from(buffer)[4:6]
    if count != 1:
        return None
    kind = _TARGET.unpack_from(buffer, start)[4].partition(b"\0")[0].decode()
    text = bytes(buffer[start + _TARGET.size :]).partition(b"\0")[0].decode()
    return kind, text
