"""Locks: which Debian packages an image is made of, by name, version, SHA-256 and place in the pool.

A lock names no host: the packages come from whatever mirror the machine's own apt uses.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from firmware_sim.image.errors import ImageError
from firmware_sim.image.store import read_json, write_atomic

LOCK_FOLDER = Path(__file__).parent / "lock"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_POOL_PATH = re.compile(r"pool/[A-Za-z0-9.+~%_/-]+\.deb")


@dataclass(frozen=True, order=True)
class LockedPackage:
    """One Debian package, exactly."""

    name: str
    version: str
    sha256: str
    size: int
    path: str


@dataclass(frozen=True)
class PackageLock:
    """Every package of one group, in the order of their names."""

    suite: str
    architecture: str
    packages: tuple[LockedPackage, ...]

    def digest_parts(self) -> list[str]:
        """What a content key needs to know of this lock."""
        return [package.sha256 for package in self.packages]


def read_lock(name: str, folder: Path = LOCK_FOLDER) -> PackageLock:
    """Read `NAME.json`.

    Raises:
        ImageError: it is missing or malformed.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        raise ImageError(f"there is no package lock {path.name}", "run `camward-sim relock`")
    value = read_json(path, f"package lock {path.name}")
    try:
        packages = value["packages"]
        if not isinstance(packages, list):
            raise TypeError("packages is no list")
        lock = PackageLock(str(value["suite"]), str(value["architecture"]), tuple(LockedPackage(**p) for p in packages))
        for package in lock.packages:
            if not _SHA256.fullmatch(package.sha256) or not _POOL_PATH.fullmatch(package.path) or ".." in package.path:
                raise ValueError(f"package {package.name}")
    except (KeyError, TypeError, ValueError) as error:
        raise ImageError(f"package lock {path.name} is malformed: {error}", "run `camward-sim relock`") from error
    return lock


def write_lock(name: str, lock: PackageLock, folder: Path) -> Path:
    """Write `NAME.json`, whole or not at all.

    Raises:
        ImageError: it cannot be written.
    """
    path = folder / f"{name}.json"
    packages = [asdict(package) for package in sorted(lock.packages)]
    value = {"v": 1, "suite": lock.suite, "architecture": lock.architecture, "packages": packages}
    write_atomic(path, (json.dumps(value, indent=1) + "\n").encode())
    return path
