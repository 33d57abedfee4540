"""The certificate is renewed in time, by proven time alone, and wherever the power fails one of two is good."""

import pytest

from agent.core import clock
from agent.core.renewal import RETRY_LEAST_S
from agent.formats import envelope, utc
from agent.formats.json import dump
from firmware_sim.world import certificates
from firmware_sim.world.network import ABSENT, ALWAYS, DAY_S, RESET, Fault
from firmware_sim.world.power import OUTCOMES
from firmware_sim.world.store import MemoryStore
from tests.scenario.owners import Second, on, status
from tests.scenario.sweep import sweep

PLACE, BESIDE = "identity/certificate.pem", "identity/renewed-certificate.pem"
LIFE_DAYS, DUE_DAYS = 90, 68  # on the 68th day every camera is due: 60 days, and at most a twelfth of 90 more
FOREVER = Fault(RESET, "/tuf/", 0, ALWAYS)


def aged(stage, days, seed=0):
    """The idle camera with a certificate that was given `days` ago; without power."""
    world = stage.world_with_seed(seed)
    now = int(world.clock.now_s)
    device, begin = certificates.holder(world.documents.content[PLACE]), now - days * DAY_S
    world.documents.content[PLACE] = certificates.make(device, begin, begin, begin + LIFE_DAYS * DAY_S)
    world.server.certificate_s = LIFE_DAYS * DAY_S
    return world


def given(world, name=PLACE):
    """When the certificate of that name was given; 0 if there is none."""
    return certificates.serial(world.documents.content.get(name))


def renewed(world):
    """Whether the newest certificate that the server has given is in place, and nothing beside it."""
    return (
        world.server.issued != [] and given(world) == world.server.issued[-1] and BESIDE not in world.documents.content
    )


def online(world):
    return status(world)["link"] == "up"


def test_a_young_certificate_is_left_alone(stage):
    world = aged(stage, 59)
    before = world.documents.content[PLACE]
    on(world)
    world.run_for(7200)
    assert world.server.issued == []
    assert world.documents.content[PLACE] == before
    assert status(world)["certificate"]["problem"] == ""


def test_from_two_thirds_of_its_life_on_it_is_renewed_and_the_server_sees_until_when(stage):
    world = aged(stage, DUE_DAYS)
    key = world.documents.content["identity/tls.key.pem"]
    on(world)
    device = world.device_id()
    world.run_until(lambda: renewed(world))
    world.run_for(200)
    assert online(world)
    assert len(world.server.issued) == 1
    assert certificates.holder(world.documents.content[PLACE]) == device == world.device_id()
    assert world.documents.content["identity/tls.key.pem"] == key
    ends_at = world.server.issued[0] + LIFE_DAYS * DAY_S
    assert status(world)["certificate"] == {"ends": utc.render(ends_at), "problem": ""}
    assert envelope.parse(world.broker.on("/up/telemetry")[-1]).body["samples"][-1]["certificate_ends_at"] == ends_at
    world.run_for(7200)
    assert len(world.server.issued) == 1


def test_a_camera_that_stays_on_renews_when_the_day_comes(stage):
    world = aged(stage, 50)
    on(world)
    world.clock.advance(18 * DAY_S)
    world.run_until(lambda: renewed(world))


@pytest.mark.parametrize("year", [-50, -1, 5, 60])
def test_a_wall_clock_that_somebody_sets_changes_nothing(stage, year):
    for days, count in ((50, 0), (DUE_DAYS, 1)):
        world = aged(stage, days)
        world.clock.skew_s, world.clock.settable = year * 365 * DAY_S, False
        world.server.certificate = (100 * 365 * DAY_S, 100 * 365 * DAY_S)  # this is not about the server's own
        on(world)
        world.run_for(7200)
        assert len(world.server.issued) == count, days


# --- the power


def usable(world):
    """Whatever is in place is a certificate of this camera that is good now, and so is what lies beside it."""
    for name in (PLACE, BESIDE):
        body = world.documents.content.get(name)
        if body is not None or name == PLACE:
            assert certificates.fits(body, int(world.clock.now_s)), name
            assert certificates.holder(body), name


def test_a_cut_at_every_operation_leaves_one_of_two_good_and_the_renewal_goes_on(stage):
    seen = set()

    def story(world):
        usable(world)
        if world.agent is None:
            seen.add((given(world) in world.server.issued, BESIDE in world.documents.content))
            on(world)
        world.run_until(lambda: renewed(world) and online(world))

    def check(world, _cut):
        usable(world)
        assert len(world.server.issued) <= 2, "the one that was given is used, once it is stored"

    swept = sweep(lambda seed: aged(stage, DUE_DAYS, seed), story, check)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert {f"store {BESIDE}", f"store {PLACE}", f"delete {BESIDE}"} <= set(swept.operations)
    assert seen == {(False, False), (False, True), (True, True), (True, False)}


def test_control_a_renewal_in_place_is_caught(stage):
    """As people write it: the old certificate goes, the new one comes."""

    def naive(world):
        usable(world)
        world.power.restore()
        store, now = MemoryStore(world.documents), int(world.clock.now_s)
        store.delete(PLACE)
        store.write(
            PLACE, world.server.certify(certificates.holder(world.documents.content.get(PLACE)) or "x" * 26, now)
        )

    swept = sweep(lambda seed: aged(stage, DUE_DAYS, seed), naive, lambda world, _: usable(world))
    assert swept.failures


# --- what goes wrong


def test_a_certificate_that_the_broker_does_not_take_goes_and_the_old_one_stays(stage):
    world = aged(stage, DUE_DAYS)
    before = world.documents.content[PLACE]
    world.broker.distrusts_since = int(world.clock.now_s)
    on(world)
    world.run_until(lambda: world.server.issued != [] and BESIDE in world.documents.content)
    world.run_until(lambda: BESIDE not in world.documents.content)
    world.run_until(lambda: online(world), 200)
    assert world.documents.content[PLACE] == before
    assert status(world)["certificate"]["problem"] == "the broker does not take the new certificate"
    assert (
        "camward-agent: the certificate is not renewed: the broker does not take the new certificate" in world.console
    )
    world.run_for(3 * DAY_S)
    assert world.documents.content[PLACE] == before
    assert 2 <= len(world.server.issued) < 3 * 20, "it asks again, but not all the time"
    world.broker.distrusts_since = certificates.END_S
    world.run_until(lambda: renewed(world) and online(world))
    assert status(world)["certificate"]["problem"] == ""


def test_a_broker_that_goes_away_while_the_new_one_is_tried_costs_no_certificate(stage):
    """Nobody refused it: with the old one there is no session either, until the broker is back much later."""
    world = aged(stage, DUE_DAYS)
    world.broker.distrusts_since = int(world.clock.now_s)  # so that the moment is not missed
    on(world)
    world.run_until(lambda: BESIDE in world.documents.content)
    world.broker.down, world.broker.distrusts_since = True, certificates.END_S
    (new,) = world.server.issued
    world.run_for(900)
    assert (given(world, BESIDE), given(world) != new) == (new, True)
    world.broker.down = False
    world.run_until(lambda: renewed(world) and online(world))
    assert world.server.issued == [new]


def test_a_broker_that_is_away_costs_no_certificate(stage):
    world = aged(stage, DUE_DAYS)
    world.broker.down = True
    on(world)
    world.run_for(DAY_S)
    assert len(world.server.issued) == 1
    assert given(world, BESIDE) == world.server.issued[0]
    assert given(world) != world.server.issued[0]
    world.broker.down = False
    world.run_until(lambda: renewed(world) and online(world))
    assert len(world.server.issued) == 1


def test_a_server_that_is_away_is_asked_again_and_again_but_not_all_the_time(stage):
    world = aged(stage, DUE_DAYS)
    world.server.down = True
    on(world)
    said = "camward-agent: the certificate is not renewed: unavailable: connection refused"
    world.run_for(2 * DAY_S)
    tries = world.console.count(said)
    assert 2 <= tries < 2 * DAY_S / RETRY_LEAST_S / 10
    assert online(world), "with the old one"
    world.server.down = False
    world.run_until(lambda: renewed(world) and online(world))


def test_a_camera_that_is_denied_gets_none_and_says_so(stage):
    world = aged(stage, DUE_DAYS)
    before = world.documents.content[PLACE]
    world.server.denied.add(certificates.holder(before))
    on(world)
    world.run_for(DAY_S)
    assert (world.server.issued, world.documents.content[PLACE]) == ([], before)
    assert "403" in status(world)["certificate"]["problem"]
    world.server.denied.clear()
    world.run_until(lambda: renewed(world))


def test_a_certificate_that_ends_no_later_is_not_taken(stage):
    world = aged(stage, DUE_DAYS)
    world.server.certificate_s = 10 * DAY_S
    before = world.documents.content[PLACE]
    on(world)
    world.run_for(7200)
    assert world.server.issued
    assert (world.documents.content[PLACE], BESIDE in world.documents.content) == (before, False)
    assert "no later" in status(world)["certificate"]["problem"]


# --- after the end (docs/adr/0030)


def hung_in_a_warehouse(stage, days):
    """Its certificate has ended since, and no proof of the time has reached it: what asks for a certificate fails."""
    world = aged(stage, 10)
    world.clock.advance(days * DAY_S)
    world.server.fail(FOREVER)
    return world


def test_a_camera_that_hung_in_a_warehouse_learns_the_time_and_renews(stage):
    world = hung_in_a_warehouse(stage, 300)
    on(world)
    assert not online(world)
    world.run_for(300)
    assert world.server.issued == [], "as far as it knows, its certificate is good"
    world.run_until(lambda: renewed(world) and online(world))
    assert len(world.server.issued) == 1
    assert world.clock.monotonic_s() < 1800


def test_a_cut_at_every_operation_of_that_as_well(stage):
    def story(world):
        if world.agent is None:
            on(world)
        world.run_until(lambda: renewed(world) and online(world))

    def check(world, _cut):
        usable(world)

    swept = sweep(lambda seed: hung_in_a_warehouse(stage, 300), story, check)
    assert swept.failures == []
    assert f"store {PLACE}" in swept.operations


def test_after_the_grace_it_needs_a_token(stage):
    world = hung_in_a_warehouse(stage, 90 + 366)
    before = world.documents.content[PLACE]
    on(world)
    world.run_for(DAY_S)
    assert (world.server.issued, world.documents.content[PLACE]) == ([], before)
    assert "401" in status(world)["certificate"]["problem"]


def test_without_a_receipt_it_waits_and_asks_nobody_for_a_certificate(stage):
    world = hung_in_a_warehouse(stage, 300)
    world.server.fail(Fault(ABSENT, "/device/v1/time/", 0, ALWAYS))
    on(world)
    world.run_for(DAY_S)
    assert world.server.issued == []
    world.server.heal()
    world.run_until(lambda: renewed(world) and online(world))


def test_a_thief_who_moves_the_time_floor_does_not_cut_a_camera_off_from_its_server(stage):
    """By the floor every certificate has ended. The session waits for a new root; the rest must go on until then."""
    world = aged(stage, 10)
    world.documents.content["clock/floor.json"] = clock.encode(int(world.clock.now_s) + 30 * 365 * DAY_S)
    on(world)
    for _ in range(4):
        world.run_for(DAY_S)
        assert given(world) == world.server.issued[-1]
    assert 4 <= len(world.server.issued) < 80


def test_a_transfer_leaves_no_renewal_of_the_former_operator_behind(stage):
    world = aged(stage, 10)
    second = Second(stage, world)
    world.documents.content[BESIDE] = world.documents.content[PLACE]
    world.documents.content["handover/transfer.json"] = dump({"v": 1, "token": second.token, "version": "1.0.0"})
    on(world)
    assert BESIDE not in world.documents.content
