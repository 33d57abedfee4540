"""Run the machine's own tools: a fixed environment, and every failure as one `ImageError`."""

import errno
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from firmware_sim.image.errors import ImageError

# Where each tool comes from, for the hint when it is missing.
TOOL_PACKAGES = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "apt-helper": "apt",
    "debugfs": "e2fsprogs",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "dtc": "device-tree-compiler",
    "fdtput": "device-tree-compiler",
    "mke2fs": "e2fsprogs",
    "lz4": "lz4",
    "mkenvimage": "u-boot-tools",
    "mkfs.erofs": "erofs-utils",
    "mkimage": "u-boot-tools",
    "openssl": "openssl",
    "qemu-img": "qemu-utils",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-arm": "qemu-system-arm",
    "xz": "xz-utils",
}

# apt-helper is no command for people, so it is not on PATH; e2fsprogs live in sbin, which is not on everybody's PATH.
EXTRA_PATH = "/usr/sbin:/sbin:/usr/lib/apt"

# Longer than the slowest tool here (mkfs.erofs on a loaded machine takes about a minute).
TOOL_TIMEOUT_S = 1200

# Every time stamp inside an image: reproducible, and plausible for certificates checked before the clock is set.
SOURCE_DATE_EPOCH = 1767225600  # 2026-01-01T00:00:00Z


def tool_environment(extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment tools run in: the caller's, with what would leak into images pinned; None removes a variable."""
    env = dict(os.environ)
    env["PATH"] = env.get("PATH", "/usr/bin:/bin") + ":" + EXTRA_PATH
    env["LC_ALL"] = "C.UTF-8"
    env["TZ"] = "UTC"
    env["SOURCE_DATE_EPOCH"] = str(SOURCE_DATE_EPOCH)
    env["E2FSPROGS_FAKE_TIME"] = str(SOURCE_DATE_EPOCH)
    for name, value in (extra or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def run_tool(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    stdin: bytes | None = None,
    accept: tuple[int, ...] = (0,),
) -> subprocess.CompletedProcess[bytes]:
    """Run one tool to its end and return it with its output.

    Raises:
        ImageError: the tool is missing, ended with a code not in `accept`, or hung.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=tool_environment(env),
            input=b"" if stdin is None else stdin,
            capture_output=True,
            check=False,
            timeout=TOOL_TIMEOUT_S,
        )
    except FileNotFoundError as error:
        package = TOOL_PACKAGES.get(name, name)
        raise ImageError(f"{name} is not installed", f"run `make setup`, or apt install {package}") from error
    except subprocess.TimeoutExpired as error:
        raise ImageError(f"{name} did not end within {TOOL_TIMEOUT_S} s") from error
    except OSError as error:
        raise storage_error(error, f"running {name}") from error
    if done.returncode not in accept:
        raise ImageError(f"{name} failed with code {done.returncode}: {_last_line(done)}", _hint_for(done))
    return done


def storage_error(error: OSError, doing: str) -> ImageError:
    """Translate an operating system error of a file operation into an `ImageError`."""
    if error.errno == errno.ENOSPC:
        return ImageError(
            f"the disk is full while {doing}", "free some space (an image needs about 1.5 GB) and run it again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ImageError(f"not allowed to write while {doing}: {error.filename}", "check the owner of build/")
    return ImageError(f"{error.strerror or error} while {doing}" + (f": {error.filename}" if error.filename else ""))


def _last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    text = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
    return text.splitlines()[-1].strip() if text else "no output"


def _hint_for(done: subprocess.CompletedProcess[bytes]) -> str:
    if b"No space left on device" in done.stderr + done.stdout:
        return "the disk is full: free some space and run it again"
    return ""
