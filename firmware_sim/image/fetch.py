"""Bring locked packages and wheels into the cache; every byte is checked by hash, each time it is used."""

import re
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.image.errors import ImageError, PackageGone
from firmware_sim.image.locks import LockedPackage
from firmware_sim.image.mirror import address_of, download
from firmware_sim.image.run import run_tool, storage_error
from firmware_sim.image.store import Store, scratch, sha256_file

PARALLEL_DOWNLOADS = 4  # polite to a mirror, and enough to hide its latency

Note = Callable[[str], None]


def fetch_packages(store: Store, packages: Iterable[LockedPackage], note: Note) -> dict[str, Path]:
    """Name to file of every package, downloaded where the cache lacks it or holds damaged bytes.

    Raises:
        PackageGone: the mirror no longer has a locked package.
        ImageError: no mirror, no network, full disk.
    """
    wanted = list(packages)
    folder = store.cache / "debs"
    found: dict[str, Path] = {}
    missing: list[LockedPackage] = []
    for package in wanted:
        path = folder / f"{package.sha256}.deb"
        if _is(path, package.sha256):
            found[package.name] = path
        else:
            if path.exists():
                note(f"cached {package.name} is damaged; fetching it again")
            missing.append(package)
    if missing:
        note(f"downloading {len(missing)} packages")
        addresses = {package.path: address_of(package.path) for package in missing}
        with scratch(store) as work, ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            folder.mkdir(parents=True, exist_ok=True)
            jobs = [pool.submit(_fetch_one, addresses[package.path], package, work, folder) for package in missing]
            for package, job in zip(missing, jobs, strict=True):
                found[package.name] = job.result()
    return found


def _fetch_one(address: str, package: LockedPackage, work: Path, folder: Path) -> Path:
    part = work / f"{package.sha256}.deb"
    download(address, part, package.sha256)
    if not _is(part, package.sha256):
        raise PackageGone(f"the mirror has other bytes for {package.name} than were locked", "run `camward-sim relock`")
    return part.rename(folder / part.name)


@dataclass(frozen=True)
class LockedWheel:
    """One wheel, exactly: `name==version` and the SHA-256 of the one file that the target takes."""

    name: str
    version: str
    sha256: str


_WHEEL_LINE = re.compile(r"([A-Za-z0-9_.-]+)==([A-Za-z0-9_.!+-]+) --hash=sha256:([0-9a-f]{64})")


def read_wheels(path: Path) -> list[LockedWheel]:
    """Read a wheel lock: requirement lines `name==version --hash=sha256:...`, comments with #.

    Raises:
        ImageError: it is missing or malformed.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ImageError(f"there is no wheel lock {path.name}", "run `camward-sim relock`") from error
    wheels = []
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        match = _WHEEL_LINE.fullmatch(line.strip())
        if match is None:
            raise ImageError(f"wheel lock {path.name} is malformed: {line!r}", "run `camward-sim relock`")
        wheels.append(LockedWheel(match[1], match[2], match[3]))
    return wheels


def fetch_wheels(
    store: Store, wheels: Iterable[LockedWheel], platforms: Iterable[str], python: str, note: Note
) -> dict[str, Path]:
    """Name to file of every wheel, downloaded with pip where the cache lacks it.

    Raises:
        PackageGone: the index has no such wheel any more.
        ImageError: no pip, no network, full disk.
    """
    folder = store.cache / "wheels"
    found: dict[str, Path] = {}
    for wheel in wheels:
        path = folder / f"{wheel.sha256}.whl"
        if not _is(path, wheel.sha256):
            note(f"downloading wheel {wheel.name} {wheel.version}")
            with scratch(store) as work:
                got = pip_download(f"{wheel.name}=={wheel.version}", work, platforms, python)
                if not _is(got, wheel.sha256):
                    raise PackageGone(
                        f"the index has other bytes for {got.name} than were locked", "run `camward-sim relock`"
                    )
                folder.mkdir(parents=True, exist_ok=True)
                got.rename(path)
        found[wheel.name] = path
    return found


def pip_download(requirement: str, work: Path, platforms: Iterable[str], python: str) -> Path:
    """Download the one wheel of a requirement for a foreign platform into `work`.

    Raises:
        PackageGone: the index has no fitting wheel.
        ImageError: pip is missing or the network is.
    """
    command: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    for platform in platforms:
        command += ["--platform", platform]
    abi = "cp" + python.replace(".", "")
    command += ["--python-version", python, "--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none"]
    before = set(work.glob("*.whl"))
    done = run_tool([*command, "-d", work, requirement], accept=tuple(range(256)))
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace")
        if "No matching distribution" in said and "from versions: none" not in said:
            raise PackageGone(f"the package index no longer has a wheel for {requirement}", "run `camward-sim relock`")
        last = said.strip().splitlines()[-1] if said.strip() else "no reason given"
        raise ImageError(
            f"cannot download the wheel {requirement}: {last}", "check the network and pip's configuration"
        )
    got = set(work.glob("*.whl")) - before
    if len(got) != 1:
        raise ImageError(f"pip brought {len(got)} files for {requirement} instead of one")
    return got.pop()


def _is(path: Path, sha256: str) -> bool:
    try:
        return path.is_file() and sha256_file(path) == sha256
    except OSError as error:
        raise storage_error(error, f"reading {path.name}") from error
