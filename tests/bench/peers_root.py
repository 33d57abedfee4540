"""A file system with the peers for the emulated camera: Debian 13's arm64 packages, locked; and two kernel modules.

The camera of `make bench B=install` fetches it onto its data partition and runs the peers in a root of their own.
Nothing of it is in any camera's image. (A second disk would be the first one to U-Boot.)
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.image.errors import PackageGone
from firmware_sim.image.fetch import fetch_packages
from firmware_sim.image.locks import LOCK_FOLDER, LockedPackage, PackageLock, read_lock
from firmware_sim.image.modules import ModuleSet
from firmware_sim.image.relock import mark_replacement, relock_packages, replaces_committed
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import Store, default_store, key_of, scratch, sha256_file, stage

Note = Callable[[str], None]

GROUP = "peers"
SUITE, ARCHITECTURE = "trixie", "arm64"
WANTED = ("rauc", "rauc-service", "swupdate", "curl", "dbus-daemon", "busybox-static", "coreutils")
EXCLUDE = (
    "adduser", "base-files", "base-passwd", "dbus", "dbus-bin", "dbus-session-bus-common", "debconf", "gcc-14-base",
    "init-system-helpers", "libaudit-common", "libdb5.3t64", "libdebconfclient0", "libpam-modules",
    "libpam-modules-bin", "libpam0g", "libsemanage-common", "libsemanage2", "libsepol2", "libsystemd-shared",
    "login.defs", "mawk", "mount", "openssl-provider-legacy", "passwd", "systemd",
)  # fmt: skip
"""What is used at installation only, or by a systemd that this camera does not have."""
MODULES = ("loop", "squashfs", "nbd")
"""The root file system is a squashfs in a file; RAUC mounts a remote bundle, which is one as well, through nbd."""
PRUNE = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
FOLDERS = ("proc", "sys", "dev", "run", "tmp", "data", "etc/bench", "etc/ssl/certs", "var/lib", "mnt")
FILES = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/bench/dbus.conf": (
        '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "busconfig.dtd">\n'
        "<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>"
        '<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>'
        '<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>\n'
    ),
}


def lock_name() -> str:
    """Name of the peers' lock."""
    return f"{GROUP}-{ARCHITECTURE}"


def relock(store: Store, folder: Path = LOCK_FOLDER) -> PackageLock:
    """Lock the peers' packages anew.

    Raises:
        ImageError: as `relock_packages`.
    """
    return relock_packages(store, lock_name(), SUITE, ARCHITECTURE, WANTED, None, EXCLUDE, folder)


@dataclass(frozen=True)
class PeersRoot:
    """What `peers_root` made.

    Attributes:
        squashfs: the peers' root file system.
        modules: kernel modules in loading order.
        versions: of the packages, by name.
    """

    squashfs: Path
    modules: tuple[Path, ...]
    versions: dict[str, str]


def peers_root(store: Store, kernel: LockedPackage, note: Note) -> PeersRoot:
    """The peers' root file system, made once.

    Raises:
        ImageError: as `fetch_packages`, or the kernel lacks a module.
    """
    folder = store.lock if replaces_committed(store.lock, GROUP) else LOCK_FOLDER
    try:
        return _root(store, read_lock(lock_name(), folder), kernel, note)
    except PackageGone as gone:
        note(f"WARNING: {gone.message}; locking the peers anew into {store.lock}")
        lock = relock(store, store.lock)
        mark_replacement(store.lock, GROUP)
        return _root(store, lock, kernel, note)


def _root(store: Store, lock: PackageLock, kernel: LockedPackage, note: Note) -> PeersRoot:
    key = key_of("peers 1", sha256_file(Path(__file__)), lock.digest_parts(), kernel.sha256)

    def make(place: Path) -> None:
        debs = fetch_packages(store, (*lock.packages, kernel), note)
        note("making the peers' root file system")
        with scratch(store) as work:
            root, kernel_root = work / "root", work / "kernel"
            for tree in (root, kernel_root):
                for name in ("bin", "sbin", "lib"):
                    (tree / "usr" / name).mkdir(parents=True)
                    (tree / name).symlink_to(f"usr/{name}")
            for name, deb in sorted(debs.items()):
                run_tool(["dpkg-deb", "-x", deb, kernel_root if name == kernel.name else root])
            _complete(root)
            modules = ModuleSet(kernel_root)
            for number, name in enumerate(modules.order(MODULES)):
                modules.unpack(name, place / f"{number}-{name}.ko")
            run_tool(
                [
                    "mksquashfs",
                    root,
                    place / "peers.squashfs",
                    "-comp",
                    "zstd",
                    "-all-root",
                    "-no-xattrs",
                    "-no-progress",
                ],
                env={"SOURCE_DATE_EPOCH": None},
            )

    folder = stage(store, store.cache / f"peers-{key[:16]}", make, note)
    versions = {package.name: package.version for package in lock.packages}
    return PeersRoot(folder / "peers.squashfs", tuple(sorted(folder.glob("*.ko"))), versions)


def _complete(root: Path) -> None:
    """What maintainer scripts and an administrator would add."""
    for name in PRUNE:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
    # GnuTLS inside SWUpdate knows no other authorities than the system's.
    (root / "etc/ssl/certs/ca-certificates.crt").symlink_to("/run/bench/authority.pem")
    (root / "usr/bin/sh").unlink(missing_ok=True)
    (root / "usr/bin/sh").symlink_to("busybox")


if __name__ == "__main__":
    print(f"locked {len(relock(default_store()).packages)} packages")
