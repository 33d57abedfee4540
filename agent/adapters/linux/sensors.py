"""What this machine shows of itself: numbers for telemetry, facts for evidence. What cannot be read is left out."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.adapters.linux.device_mapper import target
from agent.adapters.linux.tls import loopback_context
from agent.formats.errors import Unavailable

PROC = Path("/proc")
PASSWD, SHADOW = Path("/etc/passwd"), Path("/etc/shadow")
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
_UNCONNECTED = "07"  # a UDP socket that takes from anybody
HANDSHAKE_S = 5.0
_TABLES = (
    ("tcp", "tcp", _LISTEN),
    ("tcp", "tcp6", _LISTEN),
    ("udp", "udp", _UNCONNECTED),
    ("udp", "udp6", _UNCONNECTED),
)

Connections = Callable[[], list[dict[str, Any]]]


class LinuxSensors:
    """`agent.ports.machine.Sensors` from /proc and /sys."""

    def __init__(self, state: Path, services: tuple[Any, ...], certificate: Path, connections: Connections) -> None:
        """`connections()` names the agent's own connections: peer, TLS version, whether the peer was verified."""
        self._state = state
        self._services = services
        self._certificate = certificate
        self._connections = connections
        self._busy = (0, 0)

    def telemetry(self) -> dict[str, Any]:
        """See `Sensors.telemetry`."""
        found: dict[str, Any] = {}
        for name, measure in (
            ("uptime_s", lambda: int(float(_words(PROC / "uptime")[0]))),
            ("rss_bytes", lambda: int(_words(PROC / "self/statm")[1]) * os.sysconf("SC_PAGE_SIZE")),
            ("mem_available_bytes", _mem_available_bytes),
            ("disk_free_bytes", lambda: os.statvfs(self._state).f_bavail * os.statvfs(self._state).f_frsize),
            ("listeners_count", lambda: len(listeners())),
            ("cpu_percent", self._cpu_percent),
            ("temperature_c", _temperature_c),
        ):
            try:
                value = measure()
            except (OSError, ValueError, IndexError):
                continue
            if value is not None:
                found[name] = value
        return found

    def facts(self) -> dict[str, Any]:
        """See `Sensors.facts`; the shapes are those of agent.core.compliance_checks."""
        found: dict[str, Any] = {}
        probes: tuple[tuple[str, Callable[[], dict[str, Any] | None]], ...] = (
            ("listeners", lambda: {"found": listeners()}),
            ("mounts", self._mounts),
            ("verity", _verity),
            ("storage_permissions", self._permissions),
            ("system_accounts", _system_accounts),
            (
                "tls_listeners",
                lambda: {"tried": [self._handshake(item) for item in listeners() if item["proto"] == "tcp"]},
            ),
            ("tls_connections", lambda: {"open": self._connections()}),
        )
        for name, probe in probes:
            try:
                fact = probe()
            except (OSError, ValueError, IndexError, Unavailable):
                continue
            if fact is not None:
                found[name] = fact
        return found

    def _cpu_percent(self) -> float | None:
        """Since the call before, over all cores."""
        ticks = [int(word) for word in _words(PROC / "stat")[1:9]]
        total, idle = sum(ticks), ticks[3] + ticks[4]
        (total_before, idle_before), self._busy = self._busy, (total, idle)
        if not total_before or total <= total_before:
            return None
        return round(100.0 * (1 - (idle - idle_before) / (total - total_before)), 1)

    def _mounts(self) -> dict[str, Any] | None:
        """The file systems under `/` and under the state folder."""
        root, data = None, None
        best = -1
        for line in (PROC / "self/mounts").read_text().splitlines():
            _, where, _, options, *_ = line.split(" ")
            if where == "/":
                root = options.split(",")
            inside = self._state == Path(where) or Path(where) in self._state.parents
            if inside and len(where) > best:
                best, data = len(where), options.split(",")
        if root is None or data is None:
            return None
        return {"root_read_only": "ro" in root, "data_options": sorted(set(data) & {"nosuid", "nodev", "noexec"})}

    def _permissions(self) -> dict[str, Any]:
        """Everything under the state folder is ours and closed to others; the camera's group reads its certificate."""
        checked, wrong = 0, []
        for folder, folders, files in os.walk(self._state):
            for name in [*folders, *files]:
                path = Path(folder) / name
                info = path.lstat()
                shared = path.is_relative_to(self._certificate.parent)
                checked += 1
                if stat.S_ISLNK(info.st_mode):
                    wrong.append(f"{path}: a symbolic link")
                elif info.st_uid != os.geteuid():
                    wrong.append(f"{path}: owner {info.st_uid}")
                elif info.st_mode & (0o027 if shared else 0o077):
                    wrong.append(f"{path}: mode {stat.S_IMODE(info.st_mode):o}")
        return {"checked": checked, "wrong": wrong[:16]}

    def _handshake(self, listener: dict[str, Any]) -> dict[str, Any]:
        port = listener["port"]
        names = [service.name for service in self._services if service.port == port]
        found = {"service": names[0] if names else "", "port": port, "tls": False, "version": ""}
        try:
            with (
                socket.create_connection(("127.0.0.1", port), HANDSHAKE_S) as plain,
                loopback_context(self._certificate).wrap_socket(plain) as secured,
            ):
                found["tls"], found["version"] = True, secured.version() or ""
        except OSError:
            pass  # no TLS there, or not with this camera's certificate
        return found


def listeners() -> list[dict[str, Any]]:
    """Sockets that the network can reach: TCP listeners and open UDP sockets, the loopback interface left out.

    Raises:
        OSError: /proc is not there.
    """
    found = set()
    for proto, table, state in _TABLES:
        path = PROC / "net" / table
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            words = line.split()
            address, _, port = words[1].partition(":")
            if words[3] == state and not _is_loopback(address):
                found.add((proto, int(port, 16)))
    return [{"proto": proto, "port": port} for proto, port in sorted(found)]


def _is_loopback(address: str) -> bool:
    """Addresses in /proc are words in host byte order; all our targets are little-endian."""
    if len(address) == 8:
        return address.endswith("7F")
    return address == "00000000000000000000000001000000" or (
        address.startswith("0000000000000000FFFF0000") and address.endswith("7F")
    )


def _verity() -> dict[str, Any]:
    """Whether the root file system lies on a dm-verity device that has found no corruption.

    Raises:
        OSError: the kernel cannot be asked.
    """
    found = target(Path("/").stat().st_dev)
    return {"active": found is not None and found[0] == "verity" and found[1].startswith("V")}


def _system_accounts() -> dict[str, Any]:
    """The accounts of the operating system, and those that a password opens, an empty one included (shadow(5)).

    Raises:
        OSError: the files are not there.
        IndexError: a line is malformed.
    """
    rows = [line.split(":") for file in (PASSWD, SHADOW) for line in file.read_text().splitlines() if line]
    usable = {row[0] for row in rows if row[1] != "x" and not row[1].startswith(("*", "!"))}
    return {"checked": len({row[0] for row in rows}), "usable": sorted(usable)}


def _mem_available_bytes() -> int | None:
    for line in (PROC / "meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _temperature_c() -> float | None:
    zone = Path("/sys/class/thermal/thermal_zone0/temp")
    return int(zone.read_text()) / 1000 if zone.exists() else None


def _words(path: Path) -> list[str]:
    return path.read_text().split()
