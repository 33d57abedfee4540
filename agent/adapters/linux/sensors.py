"""What this machine shows of itself: numbers for telemetry, facts for evidence. What cannot be read is left out.

`psutil` is imported when the first is asked for, so that it delays no start.
"""

import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.adapters.linux.device_mapper import below, target
from agent.adapters.linux.tls import loopback_context
from agent.formats.errors import Unavailable

PASSWD, SHADOW = Path("/etc/passwd"), Path("/etc/shadow")
HANDSHAKE_S = 5.0
_LOOPBACK = ("127.", "::ffff:127.")

Connections = Callable[[], list[dict[str, Any]]]
Address = Callable[[], str]


class LinuxSensors:
    """`agent.ports.machine.Sensors` by psutil and the kernel's own files."""

    def __init__(
        self,
        state: Path,
        services: tuple[Any, ...],
        certificate: Path,
        connections: Connections,
        neighbours: Connections = list,
        address: Address = str,
    ) -> None:
        """Name what to look at.

        Args:
            state: the folder of the device's state.
            services: of the camera.
            certificate: of the camera's services.
            connections: names the agent's own connections: peer, TLS version, whether the peer was verified.
            neighbours: tries the agent's own listener (`HttpsNeighbourServer.probe`).
            address: this camera's own, on the way to the operator's server; empty while there is none.
        """
        self._state = state
        self._services = services
        self._certificate = certificate
        self._connections = connections
        self._neighbours = neighbours
        self._address = address
        self._counting = False

    def telemetry(self) -> dict[str, Any]:
        """See `Sensors.telemetry`."""
        import psutil

        found: dict[str, Any] = {}
        for name, measure in (
            ("uptime_s", lambda: int(time.clock_gettime(time.CLOCK_BOOTTIME))),
            ("rss_bytes", lambda: psutil.Process().memory_info().rss),
            ("mem_available_bytes", lambda: psutil.virtual_memory().available),
            ("disk_free_bytes", lambda: psutil.disk_usage(str(self._state)).free),
            ("listeners_count", lambda: len(listeners())),
            ("cpu_percent", self._cpu_percent),
            ("temperature_c", _temperature_c),
            ("address", lambda: self._address() or None),
        ):
            try:
                value = measure()
            except (OSError, ValueError, psutil.Error):
                continue
            if value is not None:
                found[name] = value
        return found

    def facts(self) -> dict[str, Any]:
        """See `Sensors.facts`; the shapes are those of agent.core.compliance_checks."""
        import psutil

        found: dict[str, Any] = {}
        own = self._neighbours()
        ports = {item["port"]: {name: item[name] for name in ("service", "port", "tls", "version")} for item in own}
        probes: tuple[tuple[str, Callable[[], dict[str, Any] | None]], ...] = (
            ("listeners", lambda: {"found": listeners()}),
            ("mounts", self._mounts),
            ("verity", _verity),
            ("data_encryption", self._encryption),
            ("storage_permissions", self._permissions),
            ("system_accounts", _system_accounts),
            (
                "tls_listeners",
                lambda: {
                    "tried": [
                        ports.get(item["port"]) or self._handshake(item)
                        for item in listeners()
                        if item["proto"] == "tcp"
                    ]
                },
            ),
            ("tls_connections", lambda: {"open": self._connections()}),
            (
                "certificate_logins",
                lambda: {"tried": [{name: item[name] for name in ("service", "port", "anonymous")} for item in own]},
            ),
        )
        for name, probe in probes:
            try:
                fact = probe()
            except (OSError, ValueError, IndexError, Unavailable, psutil.Error):
                continue
            if fact is not None:
                found[name] = fact
        return found

    def _cpu_percent(self) -> float | None:
        """Since the call before, over all cores."""
        import psutil

        percent, known, self._counting = psutil.cpu_percent(), self._counting, True
        return percent if known else None

    def _mounts(self) -> dict[str, Any] | None:
        """The file systems under `/` and under the state folder."""
        import psutil

        options = {Path(item.mountpoint): item.opts.split(",") for item in psutil.disk_partitions(all=True)}
        root = options.get(Path("/"))
        data = next((options[folder] for folder in (self._state, *self._state.parents) if folder in options), None)
        if root is None or data is None:
            return None
        return {"root_read_only": "ro" in root, "data_options": sorted(set(data) & {"nosuid", "nodev", "noexec"})}

    def _encryption(self) -> dict[str, Any]:
        """What the state folder lies on, by the kernel's own tables."""
        data = self._state.stat().st_dev
        found = target(data)
        encrypted = found is not None and found[0] == "crypt"
        lower = [target(device) for device in below(data)] if encrypted else []
        authenticated = bool(lower) and all(one is not None and one[0] == "integrity" for one in lower)
        return {"encrypted": encrypted, "authenticated": authenticated}

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
        OSError: the kernel does not say.
    """
    import psutil

    found = set()
    for item in psutil.net_connections("inet"):
        udp = item.type == socket.SOCK_DGRAM
        reachable = not item.raddr if udp else item.status == psutil.CONN_LISTEN
        if item.laddr and reachable and item.laddr.ip != "::1" and not item.laddr.ip.startswith(_LOOPBACK):
            found.add(("udp" if udp else "tcp", item.laddr.port))
    return [{"proto": proto, "port": port} for proto, port in sorted(found)]


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


def _temperature_c() -> float | None:
    """Of the hottest sensor."""
    import psutil

    return max((item.current for group in psutil.sensors_temperatures().values() for item in group), default=None)
