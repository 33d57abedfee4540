"""The machine's own Debian mirror, asked of apt at run time and never written down."""

import os
from pathlib import Path

from firmware_sim.image.errors import ImageError, PackageGone
from firmware_sim.image.run import run_tool

# Names a mirror for machines whose apt has none of Debian's main archive (a container of another distribution).
MIRROR_VARIABLE = "CAMWARD_DEBIAN_MIRROR"

SECURITY_POOL = "pool/updates/"  # what only the archive of security updates has lies below it

_SIDE_SUITES = ("-security", "-updates", "-backports", "-proposed-updates")


def debian_mirror() -> str:
    """Base address of the archive apt uses for Debian's main component.

    Raises:
        ImageError: apt is missing or knows no such archive.
    """
    chosen = os.environ.get(MIRROR_VARIABLE)
    if chosen:
        return chosen.rstrip("/")
    for release, address in _archives():
        if not release.endswith(_SIDE_SUITES):
            return address
    raise ImageError("apt on this machine knows no Debian mirror", f"set {MIRROR_VARIABLE} to one")


def security_mirror() -> str | None:
    """Base address of the archive apt uses for Debian's security updates; None where it has none.

    Raises:
        ImageError: apt is missing.
    """
    if os.environ.get(MIRROR_VARIABLE):
        return None
    return next((address for release, address in _archives() if release.endswith("-security")), None)


def address_of(path: str) -> str:
    """Where a file of the pool is downloaded from.

    Raises:
        ImageError: apt is missing or knows no such archive.
        PackageGone: it is a security update, and apt on this machine has none.
    """
    if not path.startswith(SECURITY_POOL):
        return f"{debian_mirror()}/{path}"
    mirror = security_mirror()
    if mirror is None:
        raise PackageGone("apt on this machine knows no archive of security updates", "run `camward-sim relock`")
    return f"{mirror}/{path}"


def _archives() -> list[tuple[str, str]]:
    """Release and base address of every source of Debian's main component that apt knows."""
    listing = run_tool(
        ["apt-get", "indextargets", "--format", "$(COMPONENT) $(RELEASE) $(REPO_URI)", "Created-By: Packages"]
    ).stdout.decode()
    found = []
    for line in listing.splitlines():
        component, _, rest = line.partition(" ")
        release, _, address = rest.partition(" ")
        if component == "main" and "debian" in address:
            found.append((release, address.strip().rstrip("/")))
    return found


def download(address: str, target: Path, sha256: str) -> None:
    """Fetch one file through apt's own transport (its proxies and certificates apply) and check its hash.

    Raises:
        PackageGone: the mirror does not have it, or has other bytes.
        ImageError: the mirror cannot be reached, or apt-helper is missing.
    """
    done = run_tool(
        ["apt-helper", "-o", "APT::Sandbox::User=root", "download-file", address, target, f"SHA256:{sha256}"],
        accept=tuple(range(256)),
    )
    if done.returncode == 0:
        return
    target.unlink(missing_ok=True)
    said = (done.stderr + done.stdout).decode("utf-8", "replace")
    name = address.rsplit("/", 1)[-1]
    if "Hash Sum mismatch" in said or "Hashsum mismatch" in said:
        raise PackageGone(f"the mirror has other bytes for {name} than were locked", "run `camward-sim relock`")
    if " 404 " in said or "File not found" in said or " 410 " in said:
        raise PackageGone(f"the mirror no longer has {name}", "run `camward-sim relock`")
    reason = next((line.strip() for line in reversed(said.splitlines()) if line.startswith("E:")), "no reason given")
    raise ImageError(f"cannot download {name}: {reason}", "check the network and apt's configuration")
