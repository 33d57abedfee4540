"""Power cuts at random moments of real updates, for as long as you like: `make soak CUTS=n`; SEED=s repeats a run."""

import os
import secrets
from collections.abc import Callable, Iterator

import pytest

from firmware_sim.image.provision import Device
from tests.emulated.cuts import ENROLLED, UNDER_WAY, get_under_way, one_round
from tests.emulated.fleet import Fleet, enrolled

CUTS = int(os.environ.get("CUTS", "20"))
SEED = os.environ.get("SEED") or secrets.token_hex(4)
MOST_IN_A_ROUND = 4
"""Ten boots in a row that end without a word are taken for bad firmware."""


@pytest.fixture(scope="module")
def fleet(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with enrolled(camera_of, tmp_path_factory.mktemp("fleet")) as found:
        get_under_way(found)
        yield found


def rounds() -> list[int]:
    """How many cuts each round makes: one, two, three, four, one ..., `CUTS` together."""
    found: list[int] = []
    while sum(found) < CUTS:
        found.append(min(len(found) % MOST_IN_A_ROUND + 1, CUTS - sum(found)))
    return found


@pytest.mark.parametrize(("number", "cuts"), list(enumerate(rounds())))
def test_an_update_completes_in_spite_of_power_cuts_at_any_moment(
    fleet: Fleet, number: int, cuts: int, capsys: pytest.CaptureFixture[str]
):
    """Every other round begins with the order, so that the looks into the repositories are cut as well."""
    seen = one_round(fleet, SEED, cuts, number, UNDER_WAY if number % 2 else ENROLLED)
    with capsys.disabled():
        for cut in seen:
            print(f"\nSEED={SEED} round {number}: {cut}", end="", flush=True)
    assert len(seen) == cuts
