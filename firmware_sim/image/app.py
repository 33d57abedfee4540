"""The small layer of an image that differs between versions: our software, its configuration, which release it is."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.core import password_policy
from agent.formats import config as agent_config
from agent.formats.errors import FormatError
from firmware_sim.camera.config import ConfigError, parse_config
from firmware_sim.image.base import CAMWARD, compile_python
from firmware_sim.image.errors import ImageError
from firmware_sim.image.model import RECOVERY, Model
from firmware_sim.image.run import SOURCE_DATE_EPOCH
from firmware_sim.image.store import REPOSITORY, tree_digest

BOOT_FOLDER = REPOSITORY / "agent/boot"

# Our software on the camera, relative to the repository. The MicroPython halves are for another kind of camera.
APP_SOURCES = ("agent", "firmware_sim/__init__.py", "firmware_sim/camera")
APP_LEFT_OUT = ("agent/boot", "agent/main_micropython.py", "agent/adapters/micropython")

# The camera's factory password: in the control without an agent, and in no image that has one.
CONTROL_ONLY = "firmware_sim/camera/ungated.py"

RUNS_AGENT, RUNS_CAMERA, RUNS_SSH, RUNS_BUTTON = "run-agent", "run-camera", "run-ssh", "run-button"
SCRIPTS = ("rc-sysinit", "rc-shutdown", RUNS_AGENT, RUNS_CAMERA, "run-network", RUNS_SSH, RUNS_BUTTON, "udhcpc-event")
PLAIN_FILES = ("sysctl.conf", "openssl.cnf")

IMAGE_ROOT_PATH = "/etc/camward/image-root.json"

SEVERITIES = ("low", "medium", "high", "critical")

CLOSES_KERNEL = "echo 1 >/proc/sys/kernel/modules_disabled\n"  # in rc-sysinit

CAMERA_ID = 900  # user and group of the camera application

# The manufacturer's passwd and shadow; /etc has links to what the agent makes of them (agent/app/console.py).
LOGINS = {
    "passwd": f"root:x:0:0:root:/run:/bin/false\ncamera:x:{CAMERA_ID}:{CAMERA_ID}:camera:/run:/bin/false\n",
    "shadow": "root:*:20000::::::\ncamera:*:20000::::::\n",
}
LOGINS_PUBLISHED = "/run/camward-logins"

# Opens the watchdog, as the agent does, and then does nothing any more. WDIOC_SETTIMEOUT (linux/watchdog.h): a test has
# not the whole minute.
HANGING_AGENT = """import fcntl, os, struct, time
handle = os.open("/dev/watchdog", os.O_WRONLY)
fcntl.ioctl(handle, 0xC0045706, struct.pack("i", 3))
print("camward-agent: hangs", flush=True)
while True:
    time.sleep(3600)
"""

# Releases broken on purpose: what goes over the camera's configuration, and what replaces a module of ours.
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "camera-crashes": {"camera": {"fault": "crash"}},
    "agent-crashes": {"module": ("agent/main.py", "raise SystemExit(1)\n")},
    "agent-hangs": {"module": ("agent/main.py", HANGING_AGENT)},
}


@dataclass(frozen=True)
class Release:
    """What one image says about itself.

    Attributes:
        version: X.Y.Z.
        variant: a name in the model's `variants`.
        security_epoch: 0..65535; the camera refuses to boot one below its rollback index.
        severity: how urgent the update is for its reader.
        fault: None, or a name in `FAULTS` for a release that is broken on purpose.
        notes: short release notes by language.
    """

    version: str
    variant: str
    security_epoch: int
    severity: str
    fault: str | None
    notes: Mapping[str, str]


def app_digest() -> dict[str, str]:
    """Name and hash of every file that goes into the layer, for the content key."""
    found = tree_digest(*(REPOSITORY / name for name in APP_SOURCES), BOOT_FOLDER)
    return {name: digest for name, digest in found.items() if name.startswith("agent/boot/") or not _left_out(name)}


def add_app(root: Path, tools: Path, model: Model, release: Release, image_root: bytes | None) -> None:
    """Add the layer to an unpacked base.

    Raises:
        ImageError: a source file does not compile, or the configuration is not what the agent or the camera reads.
        OSError: writing failed.
    """
    ours = root / CAMWARD
    variant = model.variants[release.variant]
    fault = FAULTS[release.fault] if release.fault is not None else {}
    with_camera = release.variant != RECOVERY
    _python(ours / "python", with_agent=variant["agent"], with_camera=with_camera)
    if "module" in fault:
        name, text = fault["module"]
        (ours / "python" / name).write_text(text)
    compile_python(tools, ours / "python", f"/{CAMWARD}/python")
    for name in SCRIPTS if with_camera else set(SCRIPTS) - {RUNS_CAMERA}:
        _install(BOOT_FOLDER / name, ours / name, 0o755)
    for name in PLAIN_FILES:
        _install(BOOT_FOLDER / name, ours / name, 0o644)
    if variant.get("late_modules"):
        _leave_open(ours / "rc-sysinit")
    etc = root / "etc"
    (etc / "camward").mkdir()
    files = {
        "inittab": _inittab(variant, with_camera=with_camera),
        "os-release": _os_release(model, release),
        "group": f"root:x:0:\ncamera:x:{CAMERA_ID}:\n{_administrators(model)}",
        "hostname": "camera\n",
        "hosts": "127.0.0.1 localhost camera\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
        "camward/agent.json": _json(_agent_config(model, release)),
    }
    if with_camera:
        files["camward/camera.json"] = _json(_camera_config(model, release))
    for name, text in files.items():
        (etc / name).write_text(text)
    _logins(root, with_agent=variant["agent"])
    (etc / "resolv.conf").symlink_to("/run/resolv.conf")
    if image_root is not None:
        (root / IMAGE_ROOT_PATH.lstrip("/")).write_bytes(image_root)


def _administrators(model: Model) -> str:
    """Their line of group(5), where the model lets them log in to the system."""
    logins = model.agent.get("system_logins")
    return "" if logins is None else f"administrators:x:{logins['gid']}:\n"


def _logins(root: Path, *, with_agent: bool) -> None:
    """passwd and shadow: links into memory, where `rc-sysinit` puts these files and the agent what it makes of them.

    The control without an agent has the files themselves.
    """
    place = root / CAMWARD / "logins" if with_agent else root / "etc"
    place.mkdir(exist_ok=True)
    for name, text in LOGINS.items():
        (place / name).write_text(text)
        if with_agent:
            (root / "etc" / name).symlink_to(f"{LOGINS_PUBLISHED}/{name}")
    (place / "shadow").chmod(0o600)


def _python(target: Path, *, with_agent: bool, with_camera: bool = True) -> None:
    for name in APP_SOURCES:
        if not (with_agent if name == "agent" else with_camera):
            continue
        source = REPOSITORY / name
        for path in [source] if source.is_file() else sorted(source.rglob("*")):
            relative = path.relative_to(REPOSITORY)
            if with_agent and relative.as_posix() == CONTROL_ONLY:
                continue
            if path.is_file() and not _left_out(relative.as_posix()) and "__pycache__" not in path.parts:
                _install(path, target / relative, 0o644)


def _left_out(name: str) -> bool:
    return name.endswith((".pyc", ".md")) or any(name == left or name.startswith(left + "/") for left in APP_LEFT_OUT)


def _install(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _inittab(variant: Mapping[str, Any], *, with_camera: bool) -> str:
    lines = (BOOT_FOLDER / "inittab").read_text("utf-8").splitlines(keepends=True)
    there = dict.fromkeys((RUNS_AGENT, RUNS_SSH, RUNS_BUTTON), variant["agent"]) | {RUNS_CAMERA: with_camera}
    text = "".join(line for line in lines if all(kept or name not in line for name, kept in there.items()))
    if variant["lab"]:
        # Tests break things on a live camera through this; no image for people has it.
        text += "hvc0::respawn:/bin/sh\n"
    return text


def _leave_open(script: Path) -> None:
    """Let modules be loaded after the start: a benchmark's peers bring kernel modules that no camera of ours needs.

    Raises:
        ImageError: the script does not close the kernel where this expects it.
    """
    text = script.read_text("utf-8")
    if text.count(CLOSES_KERNEL) != 1:
        raise ImageError(f"{script.name} does not close the kernel to modules", "correct CLOSES_KERNEL in image/app.py")
    script.write_text(text.replace(CLOSES_KERNEL, ""), "utf-8")


def _os_release(model: Model, release: Release) -> str:
    fields = {
        "ID": "camward",
        "NAME": "Camward",
        "PRETTY_NAME": f"{model.title} {release.version}",
        "VERSION_ID": release.version,
        "VARIANT_ID": release.variant,
        "CAMWARD_MODEL": model.name,
        "CAMWARD_HARDWARE": model.hardware,
        "CAMWARD_SECURITY_EPOCH": str(release.security_epoch),
        "SUPPORT_END": model.support_ends,
    }
    return "".join(f'{name}="{value}"\n' for name, value in fields.items())


def _agent_config(model: Model, release: Release) -> dict[str, Any]:
    value = {
        "v": 1,
        "model": model.name,
        "hardware": model.hardware,
        "version": release.version,
        "security_epoch": release.security_epoch,
        "build_time": SOURCE_DATE_EPOCH,
        "image_root": IMAGE_ROOT_PATH,
        "login_gid": CAMERA_ID,
        "layout": model.layout.as_config(),
        **model.agent,
    }
    try:
        password_policy.parse_policy(agent_config.parse(_json(value).encode()).password)
    except FormatError as error:
        raise ImageError(
            f"the agent would refuse its configuration: {error}", f"correct [agent] in models/{model.name}.toml"
        ) from error
    return value


def _camera_config(model: Model, release: Release) -> dict[str, Any]:
    variant = model.variants[release.variant]
    identity = {"model": model.name, "hardware": model.hardware, "version": release.version}
    fault = FAULTS[release.fault] if release.fault is not None else {}
    value = {**identity, **model.camera, **variant.get("camera", {}), **fault.get("camera", {})}
    try:
        parse_config(_json(value).encode())
    except ConfigError as error:
        raise ImageError(
            f"the camera would refuse its configuration: {error}", f"correct [camera] in models/{model.name}.toml"
        ) from error
    return value


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
