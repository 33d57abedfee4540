"""What agent/boot makes of a verified slot: mounts, kernel settings, supervision, watchdog, a quiet console.

One camera's life, told in order: looked at, its power cut, bitten by its watchdog, its data partition destroyed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.formats.boot_record import FRESH
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.machine import Machine
from tests.emulated.boot_helpers import BOOT_S, PROMPT, UP, Disk, image, ready, record_of, starts, wait, without_agent

COMMITTED_A = FRESH.replace(generation=7, rollback_index=1)
HARD = {"nosuid", "nodev", "noexec"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    disk = Disk(tmp_path_factory.mktemp("lab"), without_agent(), COMMITTED_A)
    with disk.machine(shell=True) as machine:
        wait(machine, UP)
        yield machine


def ask(machine: Machine, command: str) -> str:
    status, text = machine.shell(command, Deadline(BOOT_S))
    assert status == 0, text
    return text.strip()


def mounts(machine: Machine) -> dict[str, tuple[str, set[str]]]:
    """Type and options by mount point."""
    found = {}
    for line in ask(machine, "cat /proc/mounts").splitlines():
        _, place, kind, options, *_ = line.split()
        found[place] = (kind, set(options.split(",")))
    return found


def test_the_root_is_the_verified_one_and_read_only(lab: Machine):
    kind, options = mounts(lab)["/"]
    assert kind == "erofs"
    assert {"ro", "nosuid", "nodev"} <= options
    assert "verity" in ask(
        lab, "busybox cat /sys/block/dm-1/dm/uuid /sys/block/dm-1/dm/name; /usr/sbin/dmsetup table root"
    )


def test_whatever_can_be_written_cannot_be_executed_and_has_no_privileges(lab: Machine):
    found = mounts(lab)
    assert {"/data", "/run", "/tmp"} <= set(found)
    for place, (kind, options) in found.items():
        if "rw" in options and kind != "devtmpfs":
            needed = HARD - {"nodev"} if kind == "devpts" else HARD  # a terminal is a device
            assert options >= needed, place
    assert found["/dev"][1] >= {"nosuid", "noexec"}
    assert found["/data"][0] == "ext4"
    assert any(option.startswith("hidepid=") and option != "hidepid=0" for option in found["/proc"][1])


def test_a_program_on_the_data_partition_does_not_run(lab: Machine):
    status, text = lab.shell("busybox cp /usr/bin/busybox /data/x; chmod 755 /data/x; /data/x true", Deadline(BOOT_S))
    assert status != 0
    assert "denied" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel/modules_disabled", "1"),
        ("kernel/sysrq", "0"),
        ("kernel/panic_on_oops", "1"),
        ("kernel/panic", "1"),
        ("kernel/dmesg_restrict", "1"),
        ("kernel/kexec_load_disabled", "1"),
        ("net/ipv4/conf/all/accept_redirects", "0"),
        ("net/ipv4/tcp_timestamps", "0"),
    ],
)
def test_kernel_settings(lab: Machine, name: str, value: str):
    assert ask(lab, f"cat /proc/sys/{name}") == value


def test_the_start_leaves_out_what_it_need_not_do(lab: Machine):
    # docs/adr/0024: a kernel that calls these something else would do them again, and not say so.
    said = ask(lab, "busybox dmesg")
    for call in ("load_system_certificate_list", "jent_mod_init"):
        assert f"initcall {call} blacklisted" in said
    assert "alg: self-tests disabled" in said


def test_nothing_reads_from_the_serial_console(lab: Machine):
    lab.console.send("\nroot\n\necho $((6*7))-answer\n\x03echo $((6*7))-answer\n")
    ask(lab, "echo the end of it >/dev/console")
    text = lab.console.wait_for("the end of it", Deadline(BOOT_S), unless=(PROMPT,))
    assert "42-answer" not in text
    assert "login:" not in lab.console.text()


def test_init_starts_a_service_again(lab: Machine):
    find = "busybox ps -o pid,args | grep [f]irmware_sim.camera | head -n 1 | busybox awk '{print $1}'"

    def camera() -> str:
        return ask(lab, find)

    wait_until(lambda: camera() != "", Deadline(BOOT_S), "the camera application runs")
    first = camera()
    ask(lab, f"kill -9 {first}")
    wait_until(lambda: camera() not in ("", first), Deadline(BOOT_S), "it runs again")


def test_the_shadow_file_lets_nobody_in_and_the_camera_has_its_own_user(lab: Machine):
    assert all(line.split(":")[1] == "*" for line in ask(lab, "cat /etc/shadow").splitlines())
    assert "camera:x:900:900:" in ask(lab, "cat /etc/passwd")
    assert ask(lab, "busybox stat -c '%a %u %g' /run/camward/login") == "750 0 900"


def test_an_unclean_data_partition_is_replayed_and_keeps_what_was_synced(lab: Machine):
    ask(lab, "echo kept >/data/kept; sync; echo cut >/data/cut")
    lab.power_cut()
    lab.power_on()
    wait(lab, UP, "does not mount")
    assert ask(lab, "cat /data/kept") == "kept"


def test_the_watchdog_is_there_is_not_fed_by_default_and_bites(lab: Machine):
    assert ask(lab, "cat /sys/class/watchdog/watchdog0/identity") == "Software Watchdog"
    assert ask(lab, "cat /sys/class/watchdog/watchdog0/state") == "inactive"
    assert ask(lab, "cat /sys/class/watchdog/watchdog0/nowayout") == "1"
    assert ask(lab, "cat /sys/class/watchdog/watchdog0/timeout") == "60"
    # Opened with 3 s and fed every 600 s.
    ask(lab, "busybox watchdog -T 3 -t 600 /dev/watchdog")
    wait(lab, "U-Boot 20")


def test_a_data_partition_that_does_not_mount_gives_a_marked_stand_in(lab: Machine):
    layout = without_agent().layout
    lab.power_cut()
    lab.write_disk(layout.data_offset, bytes(65536))
    lab.console.skip()
    lab.power_on()
    text = wait(lab, UP)
    assert "the data partition does not mount; the camera is locked" in text
    assert mounts(lab)["/data"] == ("tmpfs", mounts(lab)["/data"][1])
    ask(lab, "[ -e /data/camward/DAMAGED ] && [ -e /run/camward/data-damaged ]")
    assert ready("a") in text
    assert record_of(lab, without_agent()).active == "a"


def test_an_agent_that_keeps_ending_on_trial_restarts_the_camera_into_the_old_slot(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(trial="b", left=10, fails=2))
    disk.slot("b", without_agent())
    with disk.machine() as machine:
        starts(machine, "b")
        wait(machine, "the agent started five times in a minute on trial; restarting")
        starts(machine, "a")
