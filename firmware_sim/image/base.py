"""The base of an image: everything that is the same for all versions of a model's software. Made once per lock.

Three files: `root.tar` (the root file system without our own software), `early.tar` (what the initramfs needs) and
`kernel`; and for each variant with kernel modules of its own a tar that goes over `root.tar`.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from firmware_sim.image.archive import pack_tree
from firmware_sim.image.errors import ImageError
from firmware_sim.image.fetch import LockedWheel, fetch_packages, fetch_wheels
from firmware_sim.image.locks import PackageLock
from firmware_sim.image.model import Model
from firmware_sim.image.modules import ModuleSet
from firmware_sim.image.run import run_tool
from firmware_sim.image.store import Store, key_of, scratch, sha256_file, stage
from firmware_sim.image.tools import host_tools, python_command

Note = Callable[[str], None]

CAMWARD = "usr/lib/camward"  # our own place in the root file system

# Commands the scripts in agent/boot use; no others are linked (no shell tools for a visitor, no servers).
ROOT_APPLETS = (
    "cat", "chmod", "chown", "cut", "env", "grep", "head", "hostname", "insmod", "ip", "mkdir", "mkfifo", "mount", "mv",
    "reboot", "rm", "sh", "sleep", "sync", "tail", "true", "udhcpc", "umount", "wc",
)  # fmt: skip

ROOT_FOLDERS = ("proc", "sys", "dev", "run", "tmp", "data", "etc", "root", "var")

WHEEL_PRUNE = (
    "*.dist-info",
    "*/tests",
    "*/test",
    "*.pyi",
    "*/py.typed",
    "*.h",
    "*.c",
    "*.libs/*.a",
    "*/hazmat/bindings/_rust",
    "backports/zstd/*.pyi",
    "backports/zstd/_cffi",
    "backports/zstd/tarfile.py",
    "backports/zstd/zipfile",
)


def modules_tar(variant: str) -> str:
    """Name of the tar with a variant's own kernel modules, and the list in which all load."""
    return f"modules-{variant}.tar"


def make_base(
    store: Store, model: Model, lock: PackageLock, wheels: list[LockedWheel], tools_lock: PackageLock, note: Note
) -> Path:
    """Folder with `root.tar`, `early.tar`, `kernel` and tars of modules (`modules_tar`), made once.

    Raises:
        ImageError: as `fetch_packages`, or a package or module is not as the model expects.
    """
    source = [
        sha256_file(Path(__file__).with_name(name))
        for name in ("base.py", "modules.py", "archive.py", "compile_python.py")
    ]
    recipe = [
        model.target.architecture,
        model.prune_paths,
        model.prune_stdlib,
        model.initramfs_modules,
        model.system_modules,
        {name: variant.get("modules", []) for name, variant in model.variants.items()},
    ]
    wheel_hashes = [wheel.sha256 for wheel in wheels]
    key = key_of("base 2", source, recipe, lock.digest_parts(), wheel_hashes, tools_lock.digest_parts())

    def make(place: Path) -> None:
        debs = fetch_packages(store, lock.packages, note)
        files = fetch_wheels(store, wheels, model.target.wheel_platforms, model.target.python, note)
        tools = host_tools(store, tools_lock, note)
        note("extracting packages")
        with scratch(store) as work:
            _Base(model, tools, work).make(debs, files, place, note)

    return stage(store, store.cache / f"base-{model.name}-{key[:16]}", make, note)


class _Base:
    """One making of the base, in a temporary folder."""

    def __init__(self, model: Model, tools: Path, work: Path) -> None:
        self.model = model
        self.tools = tools
        self.work = work
        self.root = work / "root"
        self.early = work / "early"

    def make(self, debs: Mapping[str, Path], wheels: Mapping[str, Path], place: Path, note: Note) -> None:
        kernel_root = self.work / "kernel"
        for tree in (self.root, kernel_root):
            _usr_links(tree)
        for name in sorted(debs):
            run_tool(["dpkg-deb", "-x", debs[name], kernel_root if name.startswith("linux-image-") else self.root])
        modules = ModuleSet(kernel_root)
        early_modules = modules.order(self.model.initramfs_modules)
        options = dict(line.partition(" ")[::2] for line in self.model.system_modules)
        system_modules = modules.order(options, loaded=early_modules)
        self._early(modules, early_modules)
        note("pruning and byte-compiling")
        self._prune()
        names = {name: options.get(name, "") for name in system_modules}
        self._root(modules, names, wheels)
        pack_tree(self.root, place / "root.tar")
        for variant, about in self.model.variants.items():
            if "modules" in about:
                own = modules.order(about["modules"], loaded=[*early_modules, *system_modules])
                tree = self.work / "modules" / variant
                _put_modules(modules, own, names | dict.fromkeys(own, ""), tree / CAMWARD)
                pack_tree(tree, place / modules_tar(variant))
        pack_tree(self.early, place / "early.tar")
        images = sorted((kernel_root / "boot").glob("vmlinuz-*"))
        if len(images) != 1:
            raise ImageError(f"the packages hold {len(images)} kernels instead of one", "run `camward-sim relock`")
        shutil.copyfile(images[0], place / "kernel")

    def _early(self, modules: ModuleSet, names: list[str]) -> None:
        for folder in ("bin", "sbin", "lib", "modules", "proc", "sys", "dev", "root"):
            (self.early / folder).mkdir(parents=True)
        shutil.copy2(self.root / "usr/bin/busybox", self.early / "bin/busybox")
        shutil.copy2(self.root / "usr/sbin/dmsetup", self.early / "sbin/dmsetup")
        libraries = self.root / "usr/lib" / self.model.target.library_folder
        loader = next(iter(sorted((self.root / "usr/lib").rglob("ld-linux-*.so.*"))), None)
        if loader is None:
            raise ImageError("the packages hold no dynamic loader", "run `camward-sim relock`")
        shutil.copy2(loader, self.early / "lib" / loader.name)
        for pattern in (
            "libdevmapper.so.*",
            "libudev.so.1",
            "libselinux.so.1",
            "libpcre2-8.so.0",
            "libm.so.6",
            "libc.so.6",
            "libcap.so.2",
        ):
            for library in sorted(libraries.glob(pattern)):
                shutil.copy2(library, self.early / "lib" / library.name)
        for name in names:
            modules.unpack(name, self.early / "modules" / f"{name}.ko")
        (self.early / "modules.list").write_text("".join(name + "\n" for name in names))

    def _prune(self) -> None:
        for pattern in self.model.prune_paths:
            _remove(self.root.glob(pattern))
        stdlib = self.root / f"usr/lib/python{self.model.target.python}"
        for pattern in self.model.prune_stdlib:
            _remove(stdlib.glob(pattern))
        for folder in sorted(self.root.rglob("__pycache__")):
            shutil.rmtree(folder)
        for path in sorted(self.root.rglob("*")):
            if path.is_symlink() and not _target(self.root, path).exists():
                path.unlink()

    def _root(self, modules: ModuleSet, names: Mapping[str, str], wheels: Mapping[str, Path]) -> None:
        ours = self.root / CAMWARD
        _put_modules(modules, names, names, ours)
        site = ours / "site"
        for name in sorted(wheels):
            with zipfile.ZipFile(wheels[name]) as wheel:
                wheel.extractall(site)
        for pattern in WHEEL_PRUNE:
            _remove(site.glob(pattern))
        python = self.model.target.python
        compile_python(self.tools, site, f"/{CAMWARD}/site")
        compile_python(self.tools, self.root / f"usr/lib/python{python}", f"/usr/lib/python{python}")
        (self.root / "usr/bin/python3").unlink(missing_ok=True)
        (self.root / "usr/bin/python3").symlink_to(f"python{python}")
        for applet in ROOT_APPLETS:
            link = self.root / "usr/bin" / applet
            link.unlink(missing_ok=True)
            link.symlink_to("busybox")
        (self.root / "usr/sbin/init").symlink_to("../bin/busybox")
        for folder in ROOT_FOLDERS:
            (self.root / folder).mkdir(exist_ok=True)
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.stat().st_mode & 0o400:
                path.chmod(0o644)


def _put_modules(modules: ModuleSet, wanted: Iterable[str], listed: Mapping[str, str], ours: Path) -> None:
    """Unpack modules, and write the list of those that load at start, with their parameters."""
    (ours / "modules").mkdir(parents=True)
    for name in wanted:
        modules.unpack(name, ours / "modules" / f"{name}.ko")
    (ours / "modules.list").write_text("".join(f"{name} {listed[name]}".rstrip() + "\n" for name in listed))


def compile_python(tools: Path, tree: Path, prefix: str) -> None:
    """Byte-compile a tree in place with the target's Python version, leaving byte code only.

    Without docstrings and columns of expressions, which would stay in the camera's memory; line numbers are kept.

    Raises:
        ImageError: a file does not compile; the message names it.
    """
    script = Path(__file__).with_name("compile_python.py")
    flags = ["-X", "no_debug_ranges", "-S", "-s", "-P"]
    command: list[str | Path] = [*python_command(tools), *flags, script, tree, prefix]
    run_tool(
        command,
        env={"PYTHONHOME": str(tools / "usr"), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""},
    )


def _usr_links(tree: Path) -> None:
    """Debian's merged layout; no maintainer script makes it here."""
    for name in ("bin", "sbin", "lib"):
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")


def _target(root: Path, link: Path) -> Path:
    """Where a link points inside the tree, as the camera would see it."""
    target = link.readlink()
    return root / target.relative_to("/") if target.is_absolute() else link.parent / target


def _remove(paths: Iterable[Path]) -> None:
    for path in sorted(paths):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
