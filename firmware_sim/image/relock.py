"""Choose package versions anew, security updates included: resolve dependencies against today's mirrors, write locks.

Nothing else resolves anything. apt does it, in a private folder of its own with the target's architecture, and verifies
the archive's signature with Debian's keyring.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.image.errors import ImageError
from firmware_sim.image.fetch import pip_download
from firmware_sim.image.locks import LOCK_FOLDER, LockedPackage, PackageLock, write_lock
from firmware_sim.image.mirror import debian_mirror, security_mirror
from firmware_sim.image.model import Model
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import Store, scratch, sha256_file, write_atomic

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

Note = Callable[[str], None]


@dataclass(frozen=True)
class _Apt:
    """apt in a private folder: it neither sees nor changes the machine's own packages."""

    folder: Path
    architecture: str
    mirror: str
    security: str | None

    def prepare(self, suite: str) -> None:
        if not KEYRING.is_file():
            raise ImageError("Debian's archive keyring is not installed", "apt install debian-archive-keyring")
        for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "var/cache/apt/archives/partial").mkdir(parents=True)
        (self.folder / "var/lib/dpkg/status").write_text("")
        sources = f"deb [signed-by={KEYRING}] {self.mirror} {suite} main\n"
        if self.security is not None:
            sources += f"deb [signed-by={KEYRING}] {self.security} {suite}-security main\n"
        (self.folder / "etc/apt/sources.list").write_text(sources)
        config = (
            f'Dir "{self.folder}";\nDir::Etc::main "/dev/null";\nDir::Etc::parts "/dev/null";\n'
            f'APT::Architecture "{self.architecture}";\nAPT::Architectures {{ "{self.architecture}"; }};\n'
            'APT::Install-Recommends "false";\nAcquire::Languages "none";\nAPT::Sandbox::User "root";\n'
        )
        machine = run_tool(["apt-config", "dump", "--format", "%F %v%n", "Acquire"]).stdout.decode()
        for line in machine.splitlines():
            # The machine's proxies and certificates apply here, too.
            name, _, value = line.partition(" ")
            if "proxy" in name.lower() or name.startswith("Acquire::https::C"):
                config += f'{name.rstrip(":")} "{value}";\n'
        (self.folder / "apt.conf").write_text(config)
        self.run("apt-get", "update", "--error-on=any")

    def run(self, tool: str, *arguments: str) -> str:
        return run_tool([tool, *arguments], env={"APT_CONFIG": str(self.folder / "apt.conf")}).stdout.decode()

    def resolve(self, names: Iterable[str]) -> list[str]:
        """`name=version` of the packages and everything they depend on."""
        said = self.run("apt-get", "install", "-y", "--simulate", "--quiet", *names)
        found = re.findall(r"^Inst (\S+) \((\S+) ", said, re.MULTILINE)
        return [f"{name.split(':')[0]}={version}" for name, version in found]

    def describe(self, names: Iterable[str]) -> list[LockedPackage]:
        packages = []
        for paragraph in self.run("apt-cache", "show", *names).strip().split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", paragraph, re.MULTILINE))
            packages.append(
                LockedPackage(
                    fields["Package"], fields["Version"], fields["SHA256"], int(fields["Size"]), fields["Filename"]
                )
            )
        return sorted(packages)


def relock_packages(
    store: Store,
    name: str,
    suite: str,
    architecture: str,
    wanted: Iterable[str],
    kernel: str | None,
    exclude: Iterable[str],
    folder: Path,
) -> PackageLock:
    """Resolve one group of packages and write its lock.

    Args:
        store: where temporary folders may live.
        name: of the lock.
        suite: Debian's code name.
        architecture: Debian's name for it.
        wanted: packages taken with what they depend on.
        kernel: a kernel meta package; of what it brings only the kernel itself is kept.
        exclude: names left out of the result.
        folder: where the lock is written.

    Returns:
        The lock written.

    Raises:
        ImageError: no mirror, an unknown package, a bad signature.
    """
    dropped = set(exclude)
    with scratch(store) as work:
        apt = _Apt(work, architecture, debian_mirror(), security_mirror())
        apt.prepare(suite)
        chosen = [item for item in apt.resolve(wanted) if item.split("=")[0] not in dropped]
        if kernel is not None:
            images = [item for item in apt.resolve([kernel]) if item.startswith("linux-image-")]
            chosen += [item for item in images if not item.startswith(kernel + "=")]
        lock = PackageLock(suite, architecture, tuple(apt.describe(chosen)))
    write_lock(name, lock, folder)
    return lock


def relock_wheels(store: Store, model: Model, folder: Path) -> Path:
    """Take the newest wheel of every name and write the model's wheel lock.

    Raises:
        ImageError: an unknown name, or no wheel for the target.
    """
    lines = [
        f"# Wheels of {model.name}: one file each, for {model.target.architecture} and Python {model.target.python}."
    ]
    with scratch(store) as work:
        for name in sorted(model.wheels):
            wheel = pip_download(name, work, model.target.wheel_platforms, model.target.python)
            version = wheel.name.split("-")[1]
            lines.append(f"{name}=={version} --hash=sha256:{sha256_file(wheel)}")
    path = folder / f"{model.name}-wheels.txt"
    write_atomic(path, ("\n".join(lines) + "\n").encode())
    return path


def relock_model(store: Store, model: Model, note: Note, folder: Path = LOCK_FOLDER) -> None:
    """Lock a model's packages and wheels anew.

    Raises:
        ImageError: as `relock_packages` and `relock_wheels`.
    """
    note(f"resolving the packages of {model.name} ({model.packages.suite}, {model.target.architecture})")
    packages = model.packages
    lock = relock_packages(
        store,
        model.name,
        packages.suite,
        model.target.architecture,
        packages.runtime,
        packages.kernel,
        packages.exclude,
        folder,
    )
    note(f"locked {len(lock.packages)} packages")
    note("choosing wheels")
    relock_wheels(store, model, folder)


def mark_replacement(folder: Path, group: str) -> None:
    """Note which committed locks of a group (a model's name, or `tools`) the ones in `folder` stand in for.

    Raises:
        ImageError: it cannot be written.
    """
    write_atomic(folder / f"{group}-replaces.json", (json.dumps(_committed(group)) + "\n").encode())


def replaces_committed(folder: Path, group: str) -> bool:
    """Whether `folder` holds locks that stand in for today's committed ones (a newer commit ends that)."""
    try:
        return bool(json.loads((folder / f"{group}-replaces.json").read_text()) == _committed(group))
    except (OSError, ValueError):
        return False


def _committed(group: str) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(LOCK_FOLDER.glob(f"{group}*"))}
