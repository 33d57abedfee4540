"""The machine's own Debian mirror, asked of apt at run time and never written down."""

import os
from pathlib import Path

from firmware_sim.image.errors import ImageError, PackageGone
from firmware_sim.image.run import run_tool

# Names a mirror for machines whose apt has none of Debian's main archive (a container of another distribution).
MIRROR_VARIABLE = "CAMWARD_DEBIAN_MIRROR"

_SIDE_SUITES = ("-security", "-updates", "-backports", "-proposed-updates")


def debian_mirror() -> str:
    """Base address of the archive apt uses for Debian's main component.

    Raises:
        ImageError: apt is missing or knows no such archive.
    """
    chosen = os.environ.get(MIRROR_VARIABLE)
    if chosen:
        return chosen.rstrip("/")
    listing = run_tool(
        ["apt-get", "indextargets", "--format", "$(COMPONENT) $(RELEASE) $(REPO_URI)", "Created-By: Packages"]
    ).stdout.decode()
    for line in listing.splitlines():
        component, _, rest = line.partition(" ")
        release, _, address = rest.partition(" ")
        if component == "main" and address and not release.endswith(_SIDE_SUITES) and "debian" in address:
            return address.strip().rstrip("/")
    raise ImageError("apt on this machine knows no Debian mirror", f"set {MIRROR_VARIABLE} to one")


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
