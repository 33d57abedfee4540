"""Mirai's whole list and what makers have shipped, on every way into the emulated camera: `make soak PART=credentials`.

`make test` tries a sample the same way (tests/emulated/test_credentials.py). Each pair is tried with the lockout as it
was before the first, and the owner's password is tried beside it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_sim.attacks.spray import Pair, mirai_pairs, spray, vendor_pairs
from firmware_sim.image.provision import Device
from firmware_sim.netns import FRONT_ADDRESS
from firmware_sim.qemu.hardware import Hardware
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from tests.emulated.conftest import Running
from tests.emulated.lab_camera import claimed
from tests.emulated.test_credentials import FACTORY, OWNER, all_refused, falls, owner_alone, ways_into

PAIRS = tuple(dict.fromkeys((*mirai_pairs(), *vendor_pairs())))
CHUNK = 12
"""Pairs with one machine: its watchdog ends it after 25 minutes (WATCHDOG_S)."""
SPRAY_S = 1200.0


def chunks() -> list[tuple[Pair, ...]]:
    """All pairs, some at a time."""
    return [PAIRS[at : at + CHUNK] for at in range(0, len(PAIRS), CHUNK)]


def named(pairs: tuple[Pair, ...]) -> str:
    """The first pair of a chunk."""
    return ":".join(pairs[0])


def said(capsys: pytest.CaptureFixture[str], state: str, pairs: int, tries: int) -> None:
    with capsys.disabled():
        print(f"\n{state}: {pairs} pairs, {tries} tries", end="", flush=True)


def test_nothing_is_left_out():
    assert set(mirai_pairs()) | set(vendor_pairs()) == {pair for pairs in chunks() for pair in pairs}
    assert len(mirai_pairs()) == 61
    assert len(vendor_pairs()) == len(set(vendor_pairs())) > 20
    assert FACTORY in PAIRS
    assert OWNER not in PAIRS


@pytest.mark.parametrize("pairs", chunks(), ids=named)
def test_unclaimed_every_way_refuses_every_pair(
    unclaimed: Callable[[str], Running], pairs: tuple[Pair, ...], capsys: pytest.CaptureFixture[str]
):
    ways = ways_into(unclaimed("lab-1.0.0").machine)
    result = spray(FRONT_ADDRESS, ways, pairs, within_s=SPRAY_S)
    all_refused(result, ways, pairs)
    said(capsys, "unclaimed", len(pairs), len(result.attempts))


@pytest.mark.parametrize("pairs", chunks(), ids=named)
def test_claimed_every_way_refuses_every_pair_and_takes_the_owners(
    camera_of: Callable[[str], Device], tmp_path: Path, pairs: tuple[Pair, ...], capsys: pytest.CaptureFixture[str]
):
    tries = 0
    with claimed(camera_of, tmp_path) as lab:
        ways = ways_into(lab.machine)
        for pair in pairs:
            lab.restore()
            result = spray(FRONT_ADDRESS, ways, [pair, OWNER], within_s=SPRAY_S)
            assert len(result.attempts) == 2 * len(ways)
            owner_alone(result)
            tries += len(result.attempts)
    said(capsys, "claimed", len(pairs), tries)


def test_the_same_attack_gets_into_the_control_on_every_way(
    camera_of: Callable[[str], Device], switch_on: Callable[[Hardware], Machine], capsys: pytest.CaptureFixture[str]
):
    result = falls(switch_on(hardware_of(camera_of("ungated-1.0.0"))), PAIRS, SPRAY_S)
    said(capsys, "control", len(PAIRS), len(result.attempts))
