"""Device-mapper devices with one target each: asked of the kernel, made and removed (linux/dm-ioctl.h, version 4)."""

import fcntl
import os
import struct
from pathlib import Path

CONTROL = Path("/dev/mapper/control")
_HEAD = struct.Struct("<3I I I I i I I I Q 128s 129s 7s")
_TARGET = struct.Struct("<Q Q i I 16s")
_BUFFER_BYTES = 16 * 1024  # one target and its status line
_CREATE, _REMOVE, _RESUME, _LOAD, _STATUS = 3, 4, 6, 9, 12
_SECURE = 1 << 15  # DM_SECURE_DATA_FLAG: the kernel wipes its copy of the request


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
    buffer = _asked(_STATUS, _head(device=number))
    start, count = _HEAD.unpack_from(buffer)[4:6]
    if count != 1:
        return None
    kind = _TARGET.unpack_from(buffer, start)[4].partition(b"\0")[0].decode()
    text = bytes(buffer[start + _TARGET.size :]).partition(b"\0")[0].decode()
    return kind, text


def below(device: int) -> list[int]:
    """The devices that a device-mapper device lies on, each as in `st_dev`.

    Raises:
        OSError: it is no such device.
    """
    found = []
    for path in Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/slaves").iterdir():
        major, _, minor = (path / "dev").read_text().strip().partition(":")
        found.append(os.makedev(int(major), int(minor)))
    return found


def create(name: str, kind: str, sectors: int, arguments: str) -> Path:
    """A device of one target over `sectors` sectors of 512 bytes; where devtmpfs has it.

    Raises:
        OSError: the kernel refuses; nothing is left of the device.
    """
    number = _HEAD.unpack_from(_asked(_CREATE, _head(name)))[10]
    try:
        _asked(_LOAD, _head(name, targets=1) + table(kind, sectors, arguments))
        _asked(_RESUME, _head(name))
    except OSError:
        remove(name)
        raise
    return Path(f"/dev/dm-{(number & 0xFF) | ((number >> 12) & ~0xFF)}")


def remove(name: str) -> None:
    """Raises OSError: there is none, or it is in use."""
    _asked(_REMOVE, _head(name))


def table(kind: str, sectors: int, arguments: str) -> bytes:
    """A table of one target (struct dm_target_spec, then its arguments as a C string)."""
    text = arguments.encode() + b"\0"
    text += bytes(-len(text) % 8)
    return _TARGET.pack(0, sectors, 0, _TARGET.size + len(text), kind.encode()) + text


def _head(name: str = "", *, device: int = 0, targets: int = 0) -> bytes:
    return _HEAD.pack(
        4, 0, 0, _BUFFER_BYTES, _HEAD.size, targets, 0, _SECURE, 0, 0, device, name.encode(), b"", b""
    )  # fmt: skip


def _asked(command: int, request: bytes) -> bytearray:
    """The kernel's answer.

    Raises:
        OSError: it refuses.
    """
    buffer = bytearray(request + bytes(_BUFFER_BYTES - len(request)))
    control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, (3 << 30) | (_HEAD.size << 16) | (0xFD << 8) | command, buffer)
    finally:
        os.close(control)
    return buffer
