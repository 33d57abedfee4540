"""Kernel modules: the few that are used, unpacked, with what they depend on, in the order they load."""

import lzma
import re
from collections.abc import Iterable
from pathlib import Path

from firmware_sim.image.errors import ImageError
from firmware_sim.image.run import run_tool

SIGNED = b"~Module signature appended~\n"
TRAILER_BYTES = 12  # five single bytes, three of padding, the signature's length (big endian)


def kernel_release(root: Path) -> str:
    """Version of the one kernel below `root`.

    Raises:
        ImageError: there is none, or more than one.
    """
    found = sorted(path.name for path in (root / "usr/lib/modules").glob("*"))
    if len(found) != 1:
        raise ImageError(f"the packages hold {len(found)} kernels instead of one", "run `camward-sim relock`")
    return found[0]


class ModuleSet:
    """The modules of one kernel package."""

    def __init__(self, root: Path) -> None:
        """Index the modules below `root`, an extracted kernel package.

        Raises:
            ImageError: there is no kernel, or depmod fails.
        """
        release = kernel_release(root)
        self._folder = root / "usr/lib/modules" / release
        run_tool(["depmod", "-b", root, release])
        self._needs: dict[str, list[str]] = {}
        self._paths: dict[str, Path] = {}
        for line in (self._folder / "modules.dep").read_text().splitlines():
            file, _, needs = line.partition(":")
            self._paths[_name(file)] = self._folder / file
            self._needs[_name(file)] = [_name(item) for item in needs.split()]
        builtin = (self._folder / "modules.builtin").read_text().splitlines()
        self._builtin = {_name(line) for line in builtin}

    def order(self, wanted: Iterable[str], loaded: Iterable[str] = ()) -> list[str]:
        """Names in loading order: what is needed comes first, nothing twice, nothing built in or already loaded.

        Raises:
            ImageError: the kernel has no such module.
        """
        done = {_name(name) for name in loaded}
        result: list[str] = []

        def add(name: str) -> None:
            if name in done or name in self._builtin:
                return
            if name not in self._needs:
                raise ImageError(f"the kernel has no module {name}", "correct kernel_modules in the model file")
            done.add(name)
            for need in reversed(self._needs[name]):
                add(need)
            result.append(name)

        for name in wanted:
            add(_name(name))
        return result

    def unpack(self, name: str, target: Path) -> None:
        """Write one module, decompressed and without its signature (docs/adr/0024).

        Raises:
            OSError: reading or writing failed.
            ImageError: the module is compressed in a way not known here, or its signature is malformed.
        """
        source = self._paths[name]
        data = source.read_bytes()
        if source.suffix == ".xz":
            data = lzma.decompress(data)
        elif source.suffix != ".ko":
            raise ImageError(f"kernel module {source.name} is compressed in an unknown way")
        target.write_bytes(without_signature(data))


def without_signature(module: bytes) -> bytes:
    """A module as it was before it was signed; as it is, if it has no signature.

    The layout is that of the kernel's include/linux/module_signature.h: module, signature, trailer, magic.

    Raises:
        ImageError: the signature is said to be longer than the module.
    """
    if not module.endswith(SIGNED):
        return module
    trailer = module[: -len(SIGNED)][-TRAILER_BYTES:]
    end = len(module) - len(SIGNED) - TRAILER_BYTES - int.from_bytes(trailer[-4:], "big")
    if len(trailer) < TRAILER_BYTES or end <= 0:
        raise ImageError("a kernel module has a malformed signature", "run `camward-sim relock`")
    return module[:end]


def _name(path: str) -> str:
    """Name of a module as the kernel knows it."""
    return re.sub(r"\.ko(\.[a-z0-9]+)?$", "", path.rsplit("/", 1)[-1]).replace("-", "_")
