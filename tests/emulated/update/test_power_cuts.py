"""Twenty power cuts at random moments of a real update, in three rounds; `make soak CUTS=500` makes more.

SEED=s repeats the moments of a run; the seed is printed.
"""

import os
import secrets

import pytest

from tests.emulated.cuts import STAGES, get_under_way, one_round
from tests.emulated.fleet import Fleet

SEED = os.environ.get("SEED") or secrets.token_hex(4)
CUTS = (7, 7, 6)
"""In each round; ten boots in a row that end without a word are taken for bad firmware."""


@pytest.fixture(scope="module")
def under_way(fleet: Fleet) -> Fleet:
    get_under_way(fleet)
    return fleet


@pytest.mark.parametrize("number", range(len(CUTS)))
def test_an_update_completes_in_spite_of_power_cuts_at_any_moment(
    under_way: Fleet, number: int, capsys: pytest.CaptureFixture[str]
):
    seen = one_round(under_way, f"{SEED}-{number}", CUTS[number])
    with capsys.disabled():
        for cut in seen:
            print(f"\nSEED={SEED} round {number}: {cut}", end="", flush=True)
    assert len(seen) == CUTS[number]
    assert {cut.stage for cut in seen} <= {stage.name for stage in STAGES}
