"""What the Linux adapter measures of the machine it runs on."""

import os
import socket
from pathlib import Path

import pytest

from agent.adapters.linux.sensors import LinuxSensors, listeners

MEASURED = {"uptime_s", "rss_bytes", "mem_available_bytes", "disk_free_bytes", "listeners_count"}


def sensors(folder: Path) -> LinuxSensors:
    return LinuxSensors(folder, (), folder / "web" / "cert.pem", lambda: [])


def bound(kind: socket.SocketKind, address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    made.bind((address, 0))
    if kind is socket.SOCK_STREAM:
        made.listen()
    return made


def test_telemetry_is_measured_and_the_load_from_the_second_time_on(tmp_path: Path):
    measured = sensors(tmp_path)
    first, second = measured.telemetry(), measured.telemetry()
    assert first.keys() - {"temperature_c"} == MEASURED
    assert second.keys() - {"temperature_c"} == MEASURED | {"cpu_percent"}
    assert all(value >= 0 for value in second.values())
    assert 10_000_000 < second["rss_bytes"] < 4_000_000_000
    assert second["disk_free_bytes"] <= os.statvfs(tmp_path).f_bfree * os.statvfs(tmp_path).f_frsize


def test_a_listener_is_what_the_network_can_reach():
    outside = [bound(kind, "0.0.0.0") for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    inside = [bound(kind, "127.0.0.1") for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    connected = bound(socket.SOCK_DGRAM, "0.0.0.0")
    connected.connect(("127.0.0.1", 9))
    try:
        found = {(item["proto"], item["port"]) for item in listeners()}
        tcp, udp = (made.getsockname()[1] for made in outside)
        assert {("tcp", tcp), ("udp", udp)} <= found
        hidden = {(kind, made.getsockname()[1]) for kind, made in zip(("tcp", "udp"), inside, strict=True)}
        assert not (hidden | {("udp", connected.getsockname()[1])}) & found
    finally:
        for made in (*outside, *inside, connected):
            made.close()


def test_mounts_and_storage_are_facts(tmp_path: Path):
    (tmp_path / "open").write_text("")
    (tmp_path / "open").chmod(0o644)
    facts = sensors(tmp_path).facts()
    assert isinstance(facts["mounts"]["root_read_only"], bool)
    assert facts["storage_permissions"] == {"checked": 1, "wrong": [f"{tmp_path}/open: mode 644"]}


@pytest.mark.parametrize(
    ("upper", "lower", "expected"),
    [
        (("crypt", ""), ("integrity", "0 115936 -"), (True, True)),
        (("crypt", ""), ("linear", ""), (True, False)),
        (("crypt", ""), None, (True, False)),
        (("linear", ""), ("integrity", "0 8 -"), (False, False)),
        (None, None, (False, False)),
    ],
)
def test_encryption_is_what_the_kernels_tables_say(tmp_path: Path, monkeypatch, upper, lower, expected):
    """An encrypted device that lies on anything but dm-integrity is not called authenticated."""
    data = tmp_path.stat().st_dev
    tables = {data: upper, data + 1: lower}
    monkeypatch.setattr("agent.adapters.linux.sensors.target", tables.get)
    monkeypatch.setattr("agent.adapters.linux.sensors.below", lambda device: [device + 1])
    fact = sensors(tmp_path)._encryption()
    assert (fact["encrypted"], fact["authenticated"]) == expected
