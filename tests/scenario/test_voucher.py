"""The factory voucher: the first enrolment without a person, once in a camera's life, and for this camera alone."""

import pytest

from agent.core import clock
from agent.formats import voucher as voucher_format
from firmware_sim.world import factory, people
from firmware_sim.world.people import PASSWORD, USER, claim, login, request
from firmware_sim.world.power import OUTCOMES
from firmware_sim.world.repository import DAY_S, signed_file
from tests.scenario.looks import running, settled
from tests.scenario.makers import RealSigner
from tests.scenario.owners import FIRST, SECOND, Second, administrator, on, owner, restarted, state, status
from tests.scenario.stage import NOW
from tests.scenario.sweep import sweep
from tests.scenario.test_claims import OUT, everywhere

VOUCHER = "factory/voucher.json"


def voucher(stage, text, serial=factory.SERIAL, life_s=30 * DAY_S, signers=None):
    part = voucher_format.signed_part(serial, text, NOW + life_s)
    return signed_file(part, stage.operator.image.signers["targets"][:2] if signers is None else signers)


@pytest.fixture
def vouched(stage):
    """A camera out of its box, off, with a voucher for the first operator."""
    return make(stage)


def make(stage, seed=0, **changes):
    world = stage.fresh(seed=seed)
    text = people.prepare_enrolment(world, stage.operator)
    world.documents.content[VOUCHER] = voucher(stage, text, **changes)
    return world


def test_a_camera_with_a_voucher_enrols_by_itself_and_stays_unclaimed(vouched):
    on(vouched)
    vouched.run_until(lambda: owner(vouched) == FIRST)
    assert state(vouched) == "unclaimed"
    assert everywhere(vouched, USER, PASSWORD) <= OUT
    assert VOUCHER not in vouched.documents.content, "it serves once"
    assert claim(vouched)["ok"]
    assert claim(vouched)["code"] == "denied"


def test_its_operator_updates_it_before_anybody_has_claimed_it(vouched, stage):
    stage.release("9.0.0")
    on(vouched)
    vouched.run_until(lambda: owner(vouched) == FIRST)
    operator = stage.operator.copy()
    operator.adopt(vouched.device_id())
    operator.set_time(int(vouched.clock.now_s))
    operator.assign("9.0.0")
    vouched.server.files.update(operator.files)
    vouched.server.receipts, vouched.broker.takes = operator.receipt, operator.taken
    vouched.admin("check")
    vouched.run_until(lambda: settled(vouched, "9.0.0"))
    assert running(vouched) == "9.0.0"
    assert state(vouched) == "unclaimed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"serial": "KW1-000002"}, "wrong_device"),
        ({"signers": []}, "forged_voucher"),
        ({"signers": [RealSigner("thief"), RealSigner("thief")]}, "forged_voucher"),
        ({"life_s": 0}, "expired_voucher"),
    ],
    ids=["of another camera", "unsigned", "signed by a thief", "expired"],
)
def test_a_voucher_that_does_not_count_enrols_nothing(stage, changes, code):
    world = make(stage, **changes)
    on(world)
    world.run_for(900)
    assert owner(world) == ""
    assert code in status(world)["enrolment"]["problem"]
    assert world.server.enrolled == {}


def test_the_keys_of_a_stolen_server_make_no_voucher(stage):
    """Its director's keys and the online keys of the image repository, all at once, and one offline key on top."""
    image, director = stage.operator.image.signers, stage.operator.director.signers
    stolen = [
        *image["snapshot"],
        *image["timestamp"],
        *director["targets"],
        *director["snapshot"],
        *director["timestamp"],
    ]
    world = make(stage, signers=[*stolen, image["targets"][0]])
    on(world)
    world.run_for(900)
    assert "forged_voucher" in status(world)["enrolment"]["problem"]
    assert world.server.enrolled == {}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\x00", b"{}"])
def test_a_damaged_voucher_stops_nothing_else(stage, body):
    world = stage.fresh()
    world.documents.content[VOUCHER] = body
    on(world)
    assert "voucher" in status(world)["enrolment"]["problem"]
    text = people.prepare_enrolment(world, stage.operator)
    assert world.ask("web", request("enrol", grant=claim(world)["grant"], token=text))["ok"]
    world.run_until(lambda: owner(world) == FIRST)


def test_a_clock_set_back_does_not_revive_a_voucher(stage):
    """The time floor, kept over the erase of everything else, decides."""
    world = make(stage, life_s=3600)
    world.documents.content["clock/floor.json"] = clock.encode(NOW + 7200)
    world.clock.skew_s = -10 * 365 * DAY_S
    on(world)
    world.run_for(60)
    assert "expired_voucher" in status(world)["enrolment"]["problem"]


def test_the_voucher_is_judged_by_the_newest_root_the_camera_knows(stage):
    """After a rotation in the image repository, the retired targets keys make no voucher any more."""
    image = stage.operator.image.copy()
    retired = list(image.signers["targets"])
    image.signers["targets"] = [RealSigner(f"new {n}") for n in range(3)]
    image.publish_root()
    for signers, enrols in ((retired[:2], False), (image.signers["targets"][:2], True)):
        world = make(stage, signers=signers)
        world.documents.content["trust/image/root.json"] = image.files["2.root.json"]
        on(world)
        world.run_for(60)
        assert (owner(world) == FIRST) is enrols


def test_a_person_with_a_token_goes_before_a_voucher_whose_server_is_dead(vouched, stage):
    second = Second(stage, vouched)
    vouched.server.down = True
    on(vouched)
    vouched.run_for(600)
    assert status(vouched)["enrolment"]["phase"] == "certifying"
    grant = claim(vouched)["grant"]
    assert vouched.ask("web", request("enrol", grant=grant, token=second.token))["ok"]
    vouched.run_until(lambda: owner(vouched) == SECOND)
    assert VOUCHER not in vouched.documents.content
    vouched.server.down = False
    vouched.run_for(3600)
    assert (owner(vouched), vouched.server.enrolled) == (SECOND, {})


@pytest.mark.parametrize("op", ["disown", "erase"])
def test_a_sold_camera_does_not_go_back_to_its_first_operator(vouched, op):
    body = vouched.documents.content[VOUCHER]
    on(vouched)
    vouched.run_until(lambda: owner(vouched) == FIRST)
    claim(vouched)
    administrator(vouched, op)
    restarted(vouched)
    vouched.run_for(3600)
    vouched.restart()
    vouched.run_for(3600)
    assert owner(vouched) == ""
    assert VOUCHER not in vouched.documents.content
    assert body not in vouched.documents.content.values()


@pytest.mark.parametrize("op", ["disown", "erase"])
def test_a_voucher_that_was_never_used_goes_as_well(vouched, op):
    """The buyer's camera must not enrol with the seller's operator the first time it sees a network."""
    vouched.server.down = True
    on(vouched)
    claim(vouched)
    assert administrator(vouched, op)["ok"]
    restarted(vouched)
    vouched.server.down = False
    vouched.run_for(3600)
    assert (owner(vouched), vouched.server.enrolled) == ("", {})
    assert VOUCHER not in vouched.documents.content


def test_a_voucher_whose_token_was_refused_can_be_thrown_away(vouched):
    vouched.server.secrets[people.TOKEN_ID] = "another"
    on(vouched)
    claim(vouched)
    vouched.run_for(60)
    assert "refuses" in status(vouched)["enrolment"]["problem"]
    assert administrator(vouched, "disown")["ok"]
    restarted(vouched)
    assert VOUCHER not in vouched.documents.content


def test_a_voucher_put_onto_an_enrolled_camera_is_not_even_looked_at(stage):
    world = stage.world()
    second = Second(stage, world)
    world.documents.content[VOUCHER] = voucher(stage, second.token)
    on(world)
    world.run_for(900)
    assert owner(world) == FIRST
    assert second.server.enrolled == {}
    login(world)


def test_a_cut_at_every_operation_of_the_first_enrolment_is_survived(stage):
    def story(world):
        if world.agent is None:
            on(world)
        world.run_until(lambda: owner(world) == FIRST)

    def check(world, _cut):
        assert owner(world) == FIRST
        assert len(world.server.enrolled) == 1
        assert VOUCHER not in world.documents.content
        assert state(world) == "unclaimed"

    swept = sweep(lambda seed: make(stage, seed), story, check)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert f"delete {VOUCHER}" in swept.operations
