"""Twenty power cuts at random moments of a real update, in three rounds; `make soak CUTS=500` makes more.

What is checked after each cut, and what once in a round, is said in tests/emulated/cuts.py. SEED=s repeats the moments
of a run; the seed is printed.
"""

import os
import secrets

import pytest

from agent.core import update
from tests.emulated.cuts import ARMED, FIRST_START, INSTALLING, STAGES, TRIED, get_under_way, one_round
from tests.emulated.fleet import Fleet

SEED = os.environ.get("SEED") or secrets.token_hex(4)
CUTS = (7, 7, 6)
"""In each round; ten boots in a row that end without a word are taken for bad firmware."""
WRITING = (update.INSTALLING, update.READING_BACK)


@pytest.fixture(scope="module")
def under_way(fleet: Fleet) -> Fleet:
    get_under_way(fleet)
    return fleet


@pytest.mark.parametrize("number", range(len(CUTS)))
def test_an_update_completes_in_spite_of_power_cuts_at_any_moment(
    under_way: Fleet, number: int, capsys: pytest.CaptureFixture[str]
):
    """In each round some cut leaves a slot half written; two rounds cut a trial, the third as it is handed over."""
    seen = one_round(under_way, SEED, CUTS[number], number)
    with capsys.disabled():
        for cut in seen:
            print(f"\nSEED={SEED} round {number}: {cut}", end="", flush=True)
    assert len(seen) == CUTS[number]
    half = [cut for cut in seen if cut.left == INSTALLING and cut.phase in WRITING and 0 < cut.blocks < cut.out_of]
    assert half, "no cut left a slot half written"
    handed_over = STAGES[FIRST_START[number]]
    (start,) = [cut for cut in seen if cut.stage == handed_over.name]
    assert start.left == TRIED or (start.left == ARMED and handed_over.name == "boot loader"), start
