"""The machine itself, with Debian's bare U-Boot for a guest: it needs no firmware image."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.hardware import Forward, Hardware
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.snapshots import Snapshots
from firmware_sim.qemu.tether import spawn

ROOT = Path(__file__).resolve().parents[2]
UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
DISK_BYTES = 8 << 20
BOOT_S = 120.0


@pytest.fixture
def hardware(tmp_path: Path) -> Hardware:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"")
    os.truncate(disk, DISK_BYTES)
    return Hardware(firmware=UBOOT, disk=disk)


@pytest.fixture
def machine(hardware: Hardware) -> Iterator[Machine]:
    with Machine(hardware, watchdog_s=300.0) as made:
        yield made


def prompt(machine: Machine) -> None:
    """Stop the bare U-Boot at its prompt (the product's cannot be stopped)."""
    machine.console.wait_for("Hit any key", Deadline(BOOT_S))
    machine.console.send("\n")
    machine.console.wait_for("=> ", Deadline(BOOT_S))


def ask(machine: Machine, command: str) -> str:
    machine.console.send(command + "\n")
    machine.console.wait_for("\n", Deadline(BOOT_S))
    return machine.console.wait_for("=> ", Deadline(BOOT_S))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_machine_is_off_until_switched_on_and_paused_until_then(machine: Machine):
    assert not machine.is_on()
    machine.plug_in()
    assert machine.monitor.execute("query-status")["running"] is False
    assert machine.console.text() == ""
    machine.power_on()
    assert "U-Boot" in machine.console.wait_for("U-Boot", Deadline(BOOT_S))


def test_a_power_cut_keeps_what_u_boot_wrote_and_forgets_what_it_had_in_memory(machine: Machine):
    machine.power_on()
    prompt(machine)
    ask(machine, "setenv colour green")
    ask(machine, "mw.b 0x42000000 0x5a 0x200; virtio write 0x42000000 8 1")
    pid, port = machine.pid, machine.port(443)
    machine.power_cut()
    assert not machine.is_on()
    assert not alive(pid)
    assert machine.read_disk(8 * 512, 512) == b"Z" * 512
    machine.power_on()
    prompt(machine)
    assert "green" not in ask(machine, "echo colour is $colour")
    ask(machine, "mw.b 0x42000000 0 0x200; virtio read 0x42000000 8 1")
    assert "5a5a5a5a" in ask(machine, "md.l 0x42000000 1")
    assert machine.port(443) == port


def test_reset_starts_u_boot_again_in_the_same_process(machine: Machine):
    machine.power_on()
    prompt(machine)
    pid, before = machine.pid, machine.resets()
    machine.reset()
    prompt(machine)
    assert machine.pid == pid
    assert machine.resets() > before


def test_a_snapshot_restores_memory_and_disk(machine: Machine):
    machine.power_on()
    prompt(machine)
    ask(machine, "setenv colour green")
    machine.save("green")
    ask(machine, "setenv colour red; mw.b 0x42000000 0x5a 0x200; virtio write 0x42000000 8 1")
    assert machine.read_disk(8 * 512, 512) == b"Z" * 512
    machine.load("green")
    machine.console.skip()
    assert "colour is green" in ask(machine, "echo colour is $colour")
    assert machine.read_disk(8 * 512, 512) == bytes(512)


def test_a_kept_snapshot_starts_another_machine_and_the_way_there_is_gone_once_only(hardware: Hardware, tmp_path: Path):
    snapshots = Snapshots(tmp_path / "snapshots")
    visits = []

    def reach(fresh: Machine) -> None:
        visits.append(fresh)
        prompt(fresh)
        ask(fresh, "setenv colour blue")

    for _ in range(2):
        with snapshots.machine(hardware, "blue", reach) as machine:
            assert "colour is blue" in ask(machine, "echo colour is $colour")
            ask(machine, "setenv colour spoilt")
    assert len(visits) == 1


def test_a_snapshot_of_another_machine_is_not_taken(hardware: Hardware, tmp_path: Path):
    snapshots = Snapshots(tmp_path / "snapshots")
    with Machine(hardware) as machine:
        machine.power_on()
        prompt(machine)
        snapshots.keep(machine, "here")
    assert snapshots.find(hardware, "here") is not None
    assert Snapshots(tmp_path / "snapshots", max_age_s=-1.0).find(hardware, "here") is None
    assert hardware.disk is not None
    hardware.disk.write_bytes(b"\1" * DISK_BYTES)
    assert snapshots.find(hardware, "here") is None


IN_VAIN_S = 3.0
"""An answer takes milliseconds; on a busy machine, some tenths of a second."""


def test_pulling_the_cable_stops_packets_and_plugging_it_in_lets_them_through(machine: Machine, tmp_path: Path):
    machine.power_on()
    prompt(machine)
    assert "bound to address 10.0.2.15" in ask(machine, "setenv autoload no; dhcp")
    with machine.capture(tmp_path / "wire.pcap") as pcap:
        assert "is alive" in ask(machine, "ping 10.0.2.2")
        seen = pcap.stat().st_size
        machine.link(up=False)
        machine.console.send("ping 10.0.2.2\n")
        with pytest.raises(MachineError, match="in vain for 'is alive'"):
            machine.console.wait_for("is alive", Deadline(IN_VAIN_S))
        machine.console.send("\x03")  # U-Boot would compute on for ten seconds
        assert "is alive" not in machine.console.wait_for("=> ", Deadline(BOOT_S))
        machine.link(up=True)
        assert "is alive" in ask(machine, "ping 10.0.2.2")
    assert seen > 24  # more than a pcap's header
    after = pcap.stat().st_size
    ask(machine, "ping 10.0.2.2")
    assert pcap.stat().st_size == after


def test_a_forward_is_a_way_in_on_loopback_only(machine: Machine):
    machine.plug_in()
    # QEMU accepts for the guest; nobody answers there, but the way in is open.
    with socket.create_connection(("127.0.0.1", machine.port(443)), timeout=10):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("198.51.100.1", machine.port(443)), timeout=10).close()


def test_a_taken_port_is_named_and_leaves_nothing_behind(hardware: Hardware):
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        with Machine(hardware, forwards=(Forward(443, port),)) as machine:
            with pytest.raises(MachineError, match=str(port)) as caught:
                machine.power_on()
            assert caught.value.code == "port_taken"
            assert not machine.is_on()


def test_a_missing_part_or_tool_is_named(hardware: Hardware, tmp_path: Path):
    with pytest.raises(MachineError) as caught:
        Machine(Hardware(firmware=tmp_path / "no.bin"))
    assert caught.value.code == "missing_file"
    with pytest.raises(MachineError, match="qemu-none") as caught:
        Machine(Hardware(firmware=UBOOT, qemu="qemu-none"))
    assert caught.value.code == "missing_tool"


def test_qemu_arguments_that_it_does_not_know_are_reported_in_its_words(hardware: Hardware):
    with Machine(Hardware(firmware=UBOOT, disk=hardware.disk, extra=("-device", "no-such-device"))) as machine:
        with pytest.raises(MachineError, match="no-such-device") as caught:
            machine.power_on()
        assert caught.value.code == "qemu_failed"


def test_a_marker_that_never_comes_ends_at_the_deadline_with_the_console_quoted(machine: Machine):
    machine.power_on()
    prompt(machine)
    with pytest.raises(MachineError, match="=>") as caught:
        machine.console.wait_for("never printed", Deadline(0.2))
    assert caught.value.code == "deadline"


def test_the_harness_watchdog_ends_a_machine_that_nobody_ends(hardware: Hardware):
    with Machine(hardware, watchdog_s=1.0) as machine:
        machine.power_on()
        wait_until(lambda: not machine.is_on(), Deadline(60.0), "the watchdog")
        with pytest.raises(MachineError, match="watchdog"):
            machine.reset()


def test_closing_leaves_no_process_and_no_file(hardware: Hardware):
    with Machine(hardware) as machine:
        machine.power_on()
        pid, folder = machine.pid, machine.work_dir
        assert folder.is_dir()
    assert not alive(pid)
    assert not folder.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_qemu_dies_with_the_process_that_started_it(hardware: Hardware, how: signal.Signals, tmp_path: Path):
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from firmware_sim.qemu.hardware import Hardware
        from firmware_sim.qemu.machine import Machine
        machine = Machine(Hardware(firmware=Path(sys.argv[1])), work_dir=Path(sys.argv[2]))
        machine.power_on()
        print(machine.pid, flush=True)
        sys.stdin.read()
    """)
    command = [sys.executable, "-c", program, str(UBOOT), str(tmp_path / "machine")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(how)
        parent.wait(timeout=60)
        wait_until(lambda: not alive(pid), Deadline(60.0), "QEMU's end")


def test_a_child_of_a_thread_outlives_the_thread(tmp_path: Path):
    """The kernel takes the forking thread for the parent; ours is one that stays."""
    import threading

    children: list[subprocess.Popen[bytes]] = []
    with (tmp_path / "log").open("wb") as log:
        thread = threading.Thread(target=lambda: children.append(spawn(["sleep", "600"], log=log)))
        thread.start()
        thread.join()
    child = children[0]
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=1.0)
    finally:
        child.kill()
        child.wait()


def test_outside_a_closed_network_a_machine_refuses_to_exist():
    """Control: one default route later the same call fails. It needs a namespace of its own, to be opened."""
    program = textwrap.dedent("""
        import subprocess, sys
        from pathlib import Path
        from firmware_sim.qemu.errors import MachineError
        from firmware_sim.qemu.hardware import Hardware
        from firmware_sim.qemu.machine import Machine
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        Machine(Hardware(firmware=Path(sys.argv[1]))).close()
        subprocess.run(["ip", "route", "add", "default", "dev", "lo"], check=True)
        try:
            Machine(Hardware(firmware=Path(sys.argv[1]))).close()
        except MachineError as error:
            print(error.code, error)
    """)
    new = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    command = [*new, sys.executable, "-c", program, str(UBOOT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.startswith("open_network"), done.stdout + done.stderr
    assert "default route by lo" in done.stdout
