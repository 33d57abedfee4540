"""Programs of Debian 13 that the host needs: Python 3.13 (byte-compiles what ships) and MicroPython.

Debian 12 has neither, so they are taken from locked packages and run through their own C library.
"""

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

from firmware_sim.image.errors import ImageError, PackageGone
from firmware_sim.image.fetch import fetch_packages
from firmware_sim.image.locks import LOCK_FOLDER, PackageLock, read_lock
from firmware_sim.image.relock import mark_replacement, relock_packages, replaces_committed
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import REPOSITORY, Store, default_store, key_of, stage, write_atomic

TOOLS = "tools"  # the group's name
DEVICE_TOOLS = "micropython"  # the group of what is run on an emulated camera to measure it
DEVICE_ARCHITECTURE = "arm64"
TOOLS_SUITE = "trixie"
TOOL_NAMES = ("python3.13-minimal", "libpython3.13-stdlib", "micropython")
TOOL_EXCLUDE = (
    "debconf",
    "gcc-14-base",
    "media-types",
    "netbase",
    "perl-base",
    "readline-common",
    "tzdata",
    "openssl-provider-legacy",
)

Note = Callable[[str], None]


def _quiet(_: str) -> None:
    """Say nothing."""


def host_architecture() -> str:
    """Debian's name of this machine's architecture.

    Raises:
        ImageError: no lock exists for such a machine.
    """
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    machine = platform.machine()
    if machine not in names:
        raise ImageError(
            f"this project's host tools are not locked for {machine}", "use an x86-64 or 64-bit ARM machine"
        )
    return names[machine]


def tools_lock_name() -> str:
    """Name of the lock of this machine's host tools."""
    return f"{TOOLS}-{host_architecture()}"


def relock_tools(store: Store, note: Note, folder: Path = LOCK_FOLDER) -> None:
    """Lock the host tools anew.

    Raises:
        ImageError: as `relock_packages`.
    """
    note(f"resolving the host tools ({TOOLS_SUITE}, {host_architecture()})")
    relock_packages(store, tools_lock_name(), TOOLS_SUITE, host_architecture(), TOOL_NAMES, None, TOOL_EXCLUDE, folder)


def relock_device_tools(store: Store, note: Note, folder: Path = LOCK_FOLDER) -> None:
    """Lock the MicroPython of the cameras' architecture anew.

    Raises:
        ImageError: as `relock_packages`.
    """
    note(f"resolving MicroPython ({TOOLS_SUITE}, {DEVICE_ARCHITECTURE})")
    name = f"{DEVICE_TOOLS}-{DEVICE_ARCHITECTURE}"
    relock_packages(store, name, TOOLS_SUITE, DEVICE_ARCHITECTURE, ("micropython",), None, TOOL_EXCLUDE, folder)


def host_tools(store: Store, lock: PackageLock, note: Note) -> Path:
    """Folder with the extracted tools, made once.

    Raises:
        ImageError: as `fetch_packages`.
    """

    def make(place: Path) -> None:
        note("extracting host tools")
        debs = fetch_packages(store, lock.packages, note)
        for name in ("bin", "lib", "sbin", "lib64"):
            (place / "usr" / name).mkdir(parents=True)
            (place / name).symlink_to(f"usr/{name}")
        for package in lock.packages:
            run_tool(["dpkg-deb", "-x", debs[package.name], place])

    key = key_of("host tools 1", lock.architecture, lock.digest_parts())
    return stage(store, store.cache / f"tools-{key[:16]}", make, note)


def tool_command(tools: Path, program: str) -> list[str]:
    """Command line that runs one of the extracted programs through its own C library.

    Raises:
        ImageError: the packages hold no loader or no such program.
    """
    loaders = sorted(tools.glob("usr/lib*/ld-linux-*.so.*"))
    path = tools / "usr/bin" / program
    if not loaders or not path.exists():
        raise ImageError(f"the host tools lack {program}", "run `camward-sim relock`")
    libraries = ":".join(str(p.parent) for p in sorted(tools.glob("usr/lib/*/libc.so.6")))
    return [str(loaders[0]), "--library-path", libraries, str(path)]


def python_command(tools: Path) -> list[str]:
    """Command line of the extracted Python 3.13 (set PYTHONHOME to `tools/usr` and PYTHONHASHSEED to 0)."""
    return tool_command(tools, "python3.13")


def micropython(store: Store | None = None, note: Note = _quiet, relock_into: Path | None = None) -> Path:
    """Path of a wrapper that runs Debian 13's MicroPython, fetched and extracted when needed.

    Args:
        store: build tree instead of the checkout's.
        note: told what is being done.
        relock_into: as for `build`; locks that an earlier build made in the store's own folder are used anyway.

    Raises:
        ImageError: as `fetch_packages`.
    """
    store = store or default_store()
    wrapper = store.root / "micropython" / "micropython"
    own = relock_into or store.lock
    try:
        tools = host_tools(
            store, read_lock(tools_lock_name(), own if replaces_committed(own, TOOLS) else LOCK_FOLDER), note
        )
    except PackageGone as gone:
        if relock_into is None:
            raise
        note(f"WARNING: {gone.message}; locking the host tools anew into {relock_into}")
        relock_tools(store, note, relock_into)
        mark_replacement(relock_into, TOOLS)
        tools = host_tools(store, read_lock(tools_lock_name(), relock_into), note)
    line = "exec " + " ".join(f"'{part}'" for part in tool_command(tools, "micropython")) + ' "$@"\n'
    text = "#!/bin/sh\n# Runs Debian 13's MicroPython through its own C library.\n" + line
    if not wrapper.is_file() or wrapper.read_text() != text:
        write_atomic(wrapper, text.encode(), 0o755)
    return wrapper


def device_micropython(store: Store | None = None, note: Note = _quiet, relock_into: Path | None = None) -> Path:
    """Folder with Debian 13's MicroPython for the cameras' architecture and its libraries, extracted when needed.

    Args:
        store: as for `micropython`.
        note: as for `micropython`.
        relock_into: as for `micropython`.

    Raises:
        ImageError: as `fetch_packages`.
    """
    store = store or default_store()
    name = f"{DEVICE_TOOLS}-{DEVICE_ARCHITECTURE}"
    own = relock_into or store.lock
    folder = own if replaces_committed(own, DEVICE_TOOLS) else LOCK_FOLDER
    try:
        return host_tools(store, read_lock(name, folder), note)
    except PackageGone as gone:
        if relock_into is None:
            raise
        note(f"WARNING: {gone.message}; locking MicroPython for the cameras anew into {relock_into}")
        relock_device_tools(store, note, relock_into)
        mark_replacement(relock_into, DEVICE_TOOLS)
        return host_tools(store, read_lock(name, relock_into), note)


def main() -> None:
    """Print the wrapper's path: `python3 -m firmware_sim.image.tools`."""
    print(micropython())
    subprocess.run([micropython(), "-c", "import sys; print(sys.version)"], check=False, cwd=REPOSITORY)


if __name__ == "__main__":
    main()
