"""The identity gets another key: the old pair is good until the new one has connected, wherever the power fails."""

import pytest

from agent.app import identity
from agent.app.identity import CERTIFICATE, NAME, ROTATED_CERTIFICATE
from agent.app.rotating import ASK_S, FAILED, TRY_S, WAIT_S
from firmware_sim.world import certificates
from firmware_sim.world.power import OUTCOMES
from tests.scenario.owners import on, status
from tests.scenario.stage import SMALL, Stage
from tests.scenario.sweep import sweep
from tests.scenario.test_commands import again, deliver, done, looks, now, refused, told

KEY = "identity/tls.key.pem"
NEW_KEY = "identity/rotated.key.pem"
ACCEPTED = ("accepted", 1, "rotate_identity", "")


@pytest.fixture(scope="module")
def stage():
    return Stage(SMALL, commands=(1, 3))


@pytest.fixture
def camera(stage):
    world = stage.world()
    on(world)
    world.run_for(60)
    return world


def pair(world):
    return world.documents.content[CERTIFICATE], world.documents.content[KEY]


def beside(world):
    return [name for name in (ROTATED_CERTIFICATE, NEW_KEY) if name in world.documents.content]


def order(stage, world, seq=1, seconds=60):
    deliver(world, stage.operator.command("rotate_identity", seq, now(world)), seconds)


def test_another_key_is_made_certified_and_connected_and_the_id_stays(stage, camera):
    before, device = pair(camera), camera.device_id()
    order(stage, camera)
    after = pair(camera)
    assert told(camera) == [ACCEPTED, done(1, "rotate_identity")]
    assert (after[0] != before[0], after[1] != before[1], beside(camera)) == (True, True, [])
    assert camera.server.rekeyed == [camera.ports.keys.ensure("tls")], "what was certified is what is in place"
    assert camera.device_id() == device == certificates.holder(after[0])
    assert identity.device_id(camera.ports.keys.ensure("tls")) != device, "control: the id is not this key's hash"
    assert (status(camera)["link"], camera.link.key) == ("up", "tls")
    camera.restart()
    camera.run_for(60)
    assert (camera.device_id(), pair(camera), status(camera)["link"]) == (device, after, "up")
    before_looks = looks(camera)
    deliver(camera, stage.operator.command("check", 2, now(camera)))
    assert (told(camera)[-1], looks(camera)) == (done(2, "check"), before_looks + 1)


def test_a_second_one_changes_the_key_again_and_the_same_one_is_answered_again(stage, camera):
    body = stage.operator.command("rotate_identity", 1, now(camera))
    deliver(camera, body, 60)
    first = pair(camera)
    deliver(camera, body, 60)
    assert (pair(camera), told(camera)[-1]) == (first, done(1, "rotate_identity"))
    order(stage, camera, 2)
    assert (pair(camera)[1] != first[1], len(camera.server.rekeyed)) == (True, 2)
    assert told(camera)[-1] == done(2, "rotate_identity")


def test_a_broker_that_does_not_take_the_new_one_leaves_the_old_one_in_place(stage, camera):
    before = pair(camera)
    camera.broker.distrusts_since = int(camera.clock.now_s)
    order(stage, camera, seconds=30)
    assert beside(camera) == [ROTATED_CERTIFICATE, NEW_KEY]
    camera.run_for(TRY_S + 60)
    assert (pair(camera), beside(camera), NAME in camera.documents.content) == (before, [], False)
    assert told(camera) == [ACCEPTED, refused(FAILED, 1, "rotate_identity")]
    assert status(camera)["link"] == "up"
    camera.broker.distrusts_since = certificates.END_S
    order(stage, camera, 2)
    assert told(camera)[-1] == done(2, "rotate_identity")


def test_a_server_that_is_away_is_asked_again_and_not_for_ever(stage, camera):
    deliver(camera, stage.operator.command("evidence", 1, now(camera)))  # and the time is proven by now
    camera.server.down = True
    order(stage, camera, 2, seconds=30)
    camera.server.down = False
    camera.run_for(ASK_S + 10)
    assert told(camera)[-1] == done(2, "rotate_identity")
    before = pair(camera)
    camera.server.down = True
    order(stage, camera, 3)
    camera.run_for(WAIT_S + 2 * ASK_S)
    assert (told(camera)[-1], pair(camera), beside(camera)) == (refused(FAILED, 3, "rotate_identity"), before, [])


def test_a_server_that_has_ordered_nothing_certifies_nothing(stage, camera):
    before, camera.server.rekeys = pair(camera), False
    order(stage, camera)
    assert (told(camera)[-1], pair(camera), beside(camera)) == (refused(FAILED, 1, "rotate_identity"), before, [])


def test_what_an_earlier_one_has_left_is_not_used_by_the_next(stage, camera):
    camera.documents.content[ROTATED_CERTIFICATE] = certificates.make(camera.device_id(), 1, 0, 2**31 - 1)
    order(stage, camera)
    assert told(camera)[-1] == done(1, "rotate_identity")
    assert certificates.serial(pair(camera)[0]) > 1


def test_a_cut_at_every_operation_leaves_one_whole_pair_and_the_rotation_goes_on(stage):
    seen = set()

    def story(world):
        try:
            again(world, stage, "rotate_identity", 1)
        finally:
            content = world.documents.content
            seen.add((ROTATED_CERTIFICATE in content, content.get(ROTATED_CERTIFICATE) == content[CERTIFICATE]))

    def check(world, _cut):
        world.run_for(120)
        assert world.ports.keys.ensure("tls") == world.server.rekeyed[-1], "certificate and key are one pair"
        assert certificates.serial(pair(world)[0]) == world.server.issued[-1]
        assert (beside(world), status(world)["link"]) == ([], "up")
        assert world.device_id() == certificates.holder(pair(world)[0])

    swept = sweep(stage.world_with_seed, story, check)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert {f"store {ROTATED_CERTIFICATE}", f"store {CERTIFICATE}", f"store {KEY}"} <= set(swept.operations)
    assert (True, True) in seen, "between the certificate and its key"


def test_control_without_finishing_at_the_start_a_cut_leaves_a_certificate_of_another_key(stage, camera):
    """What the start mends: the new certificate is in place, and its key is not yet."""
    device = camera.device_id()
    new = camera.ports.keys.ensure("rotated")
    made = camera.server.certify(device, int(camera.clock.now_s))
    camera.documents.content[CERTIFICATE] = camera.documents.content[ROTATED_CERTIFICATE] = made
    camera.documents.content[NAME] = identity.encode_name(device, "ab" * 32)
    assert camera.ports.keys.ensure("tls") != new
    camera.power_cut()
    on(camera)
    assert camera.ports.keys.ensure("tls") == new
    assert (camera.device_id(), beside(camera)) == (device, [])
