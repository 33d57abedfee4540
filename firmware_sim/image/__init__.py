"""Builds the camera's firmware: real, bootable, reproducible, from locked Debian packages and wheels."""

from firmware_sim.image.build import BuiltImage, build, load_built
from firmware_sim.image.errors import ImageError, PackageGone
from firmware_sim.image.provision import Device, load_device, provision
from firmware_sim.image.store import Store, default_store

__all__ = [
    "BuiltImage",
    "Device",
    "ImageError",
    "PackageGone",
    "Store",
    "build",
    "default_store",
    "load_built",
    "load_device",
    "provision",
]
