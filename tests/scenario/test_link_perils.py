"""Hours and weeks of a camera that one thing in a hundred goes wrong for: nothing is lost, doubled, or disordered."""

import pytest

from agent.app.outgoing import Outgoing
from agent.core.outbox import GONE
from tests.scenario.perils import HOUR_S, PERILS, Perils

SEEDS = ("1", "2", "3")
LIFE_S = 12 * HOUR_S
OUTAGE_S = 3 * 7 * 24 * HOUR_S
SELDOM_S = 2 * HOUR_S  # between two alarms in an outage, at most: the ingest takes 500 of them in a day


@pytest.fixture
def perils(stage, database, tmp_path, monkeypatch):
    return lambda seed, **how: Perils(stage, database, tmp_path / "sealing", seed, monkeypatch, **how)


@pytest.mark.parametrize("seed", SEEDS)
def test_half_a_day_of_faults_loses_doubles_and_disorders_nothing(perils, seed):
    life = perils(seed)
    life.live(LIFE_S)
    assert set(life.broker.happened) >= PERILS - {"receipt lost", "receipt doubled"}, "the seed spares the camera"
    life.heal()
    life.all_there()
    assert len(life.kept) > 300
    assert life.restarts > 0


def test_a_storage_that_fails_for_a_while_loses_and_doubles_nothing_that_was_taken_in(perils):
    life = perils("storage", storage_fails=True)
    life.live(LIFE_S)
    assert life.broker.happened["storage fails"] > 5
    life.heal()
    life.all_there()
    assert life.alarms > len([lane for lane, _, _ in life.kept if lane == "alarm"]), "no alarm met the failing storage"


def test_three_weeks_without_a_link_lose_no_alarm_and_no_evidence(perils):
    life = perils("weeks")
    life.broker.down, life.broker.outage_s = True, OUTAGE_S
    life.live(OUTAGE_S, SELDOM_S)
    assert life.arrivals == 0
    assert life.restarts > 0
    life.heal()
    life.all_there()
    assert len([lane for lane, _, _ in life.kept if lane == "paper"]) >= OUTAGE_S // (24 * HOUR_S)


def test_a_camera_that_trusts_the_broker_alone_is_caught(perils, monkeypatch):
    monkeypatch.setattr(Outgoing, "acknowledged", lambda outgoing, number: outgoing._mark(number, GONE, GONE) is None)
    life = perils("1")
    life.live(LIFE_S)
    life.heal()
    with pytest.raises(AssertionError, match="never arrived"):
        life.all_there()


def test_a_broker_that_gives_messages_on_in_another_order_is_caught(perils):
    life = perils("1")
    life.broker.disorders = True
    life.live(2 * HOUR_S)
    life.heal()
    with pytest.raises(AssertionError, match="in another order"):
        life.all_there()
