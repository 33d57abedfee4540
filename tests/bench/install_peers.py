"""The peers on the camera: their root, their configuration, and the command with which each installs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.image.model import Layout
from tests.bench.peers_bundles import COMPATIBLE, HOST, REVISION, SLOT_DEVICE
from tests.emulated.lab_camera import LabCamera, put

PLACE = "/run/peers"
"""Their root on the camera; in there, `/run/bench` holds keys and configuration."""
ROOT_FILE = "/data/peers.squashfs"
FILES_PORT = 9443
SECTOR_BYTES = 512
RAUC_CONFIG = f"""[system]
compatible={COMPATIBLE}
bootloader=noop
bundle-formats=verity
data-directory=/data/rauc-bench
mountprefix=/run/rauc

[keyring]
path=/run/bench/signer.pem

[streaming]
tls-ca=/run/bench/authority.pem

[slot.rootfs.0]
device=/dev/dm-0
type=raw
bootname=a

[slot.rootfs.1]
device={SLOT_DEVICE}
type=raw
bootname=b
"""


@dataclass(frozen=True)
class Peer:
    """How a peer installs.

    Attributes:
        title: for tables.
        package: whose version is named.
        processes: names of its processes, as their memory is counted.
        words: command line for `sh`, with `{url}` in it.
    """

    title: str
    package: str
    processes: tuple[str, ...]
    words: str
    first_words: str

    def command(self, name: str) -> str:
        """The command that installs a file of the file server's."""
        return self._of(self.words, name)

    def first_command(self, name: str) -> str:
        """A command that has the tool run, and writes nothing."""
        return self._of(self.first_words, name)

    def _of(self, words: str, name: str) -> str:
        return words.replace("{url}", f"https://{HOST}:{FILES_PORT}/{name}")


PEERS = {
    "curl": Peer(
        "curl | dd",
        "curl",
        ("curl", "dd"),
        "curl -sS --fail --cacert /run/bench/authority.pem {url} | "
        f"dd of={SLOT_DEVICE} bs=1M iflag=fullblock conv=fsync status=none",
        "curl -sS --fail --cacert /run/bench/authority.pem -r 0-4194303 {url} | "
        "dd of=/dev/null bs=1M iflag=fullblock status=none",
    ),
    "rauc": Peer("RAUC, streaming", "rauc", ("rauc",), "rauc install {url}", "rauc status"),
    "rauc-adaptive": Peer("RAUC, adaptive", "rauc", ("rauc",), "rauc install {url}", "rauc status"),
    "swupdate": Peer(
        "SWUpdate, streaming",
        "swupdate",
        ("swupdate",),
        f'swupdate -H {COMPATIBLE}:{REVISION} -k /run/bench/signer.pem -d "-u {{url}}"',
        "swupdate --version",
    ),
}


def prepare(lab: LabCamera, layout: Layout, work: Path, plan: dict[str, Any]) -> None:
    """Make the peers' root, load their modules, start their services, and have every program read once.

    Raises:
        MachineError: the camera does not answer.
    """
    start, length = layout.slot("b") // SECTOR_BYTES, layout.slot_bytes // SECTOR_BYTES
    chroot = f"chroot {PLACE}"
    steps = (
        f"mkdir -p {PLACE} && mount -t squashfs -o ro,loop {ROOT_FILE} {PLACE}",
        f"for name in dev sys data; do mount --bind /$name {PLACE}/$name || exit 1; done",
        f"mount -t proc proc {PLACE}/proc && mount -t tmpfs -o mode=755 tmpfs {PLACE}/run",
        f"mount -t tmpfs -o mode=1777 tmpfs {PLACE}/tmp",
        f"mkdir -p {PLACE}/run/bench {PLACE}/run/dbus {PLACE}/run/rauc {PLACE}/run/swupdate /data/rauc-bench",
        f'DM_DISABLE_UDEV=1 dmsetup create target --noudevsync --table "0 {length} linear /dev/vda {start}"',
        f"test -b {SLOT_DEVICE}",
    )
    put(lab.machine, ROOT_FILE, Path(plan["squashfs"]).read_bytes())
    for module in map(Path, plan["modules"]):
        put(lab.machine, f"/run/{module.name}", module.read_bytes())
        lab.shell(f"insmod /run/{module.name} && rm /run/{module.name}")
    for step in steps:
        lab.shell(step)
    for name in ("authority.pem", "signer.pem"):
        put(lab.machine, f"{PLACE}/run/bench/{name}", (work / name).read_bytes())
    put(lab.machine, f"{PLACE}/run/bench/system.conf", RAUC_CONFIG.encode())
    for step in (
        f"{chroot} dbus-daemon --config-file=/etc/bench/dbus.conf --fork --nopidfile",
        f"{chroot} rauc service --conf=/run/bench/system.conf --override-boot-slot=a >/run/rauc.log 2>&1 &",
        f"{chroot} /bin/sh -c 'curl --version; dd --version; swupdate --version; rauc --version' >/dev/null 2>&1",
        f"sleep 3; {chroot} rauc status >/dev/null",
    ):
        lab.shell(step)
