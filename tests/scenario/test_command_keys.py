"""What a camera does when keys are changed, and what a thief of the command key gets until they are."""

import json

import pytest

from agent.core import commands as core
from agent.formats import envelope
from tests.scenario.makers import RealSigner
from tests.scenario.owners import on
from tests.scenario.stage import SMALL, Stage
from tests.scenario.test_commands import RECORD, deliver, done, looks, now, refused, told


@pytest.fixture(scope="module")
def stage():
    return Stage(SMALL, commands=(1, 3))


@pytest.fixture
def camera(stage):
    world = stage.world()
    on(world)
    world.run_for(60)
    return world


def test_a_change_of_the_peoples_keys_is_answered_again_when_its_answer_got_lost(stage, camera):
    keys = {"authority_keys": [RealSigner(name).public_pem for name in ("n1", "n2")]}
    body = stage.operator.command("change_keys", 1, now(camera), keys)
    deliver(camera, body)
    deliver(camera, body)
    assert told(camera) == [done(1, "change_keys")] * 2


def test_where_a_command_key_stays_what_it_has_signed_before_is_not_followed_again(stage, camera):
    operator = stage.operator
    (stays,) = operator.command_signers
    body = operator.command("check", 5, now(camera))
    deliver(camera, body)
    keys = [stays.public_pem, RealSigner("another").public_pem]
    deliver(camera, operator.command("change_keys", 1, now(camera), {"command_keys": keys}))
    before = looks(camera)
    deliver(camera, operator.command("check", 4, now(camera)))
    deliver(camera, body)
    assert looks(camera) == before
    assert told(camera)[2:] == [refused("replayed", 4, "check"), done(5, "check")]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"operator": "x"}, {"ca": "no certificate"}, {"authority_keys": ["a"]}, {"director_root": "{}"}],
)
def test_keys_that_make_no_record_change_nothing(stage, camera, arguments):
    before = camera.documents.content[RECORD]
    deliver(camera, stage.operator.command("change_keys", 1, now(camera), arguments))
    assert camera.documents.content[RECORD] == before
    assert told(camera) == [refused("arguments", 1, "change_keys")]
    deliver(camera, stage.operator.command("check", 1, now(camera)))
    assert told(camera)[-1] == done(1, "check")


def test_a_thief_of_the_command_key_makes_the_camera_write_and_tell_in_bounds_and_remember_nothing(stage, camera):
    for number in range(1, 200):
        body = stage.operator.command("check", number, now(camera))
        deliver(camera, body, 1)
        deliver(camera, body, 1)
    assert len(told(camera)) <= 2 * (core.BURST + 400 / core.READ_EVERY_S)
    assert len(camera.agent._commanding._patience._next) <= 2


def test_what_is_stored_and_told_of_a_stranger_is_nothing_that_the_stranger_said(stage, camera):
    thief = stage.operator.copy()
    thief.command_signers = [RealSigner("thief")]
    body = thief.command("hello-from-the-thief", 123456, now(camera))
    deliver(camera, body)
    said = json.dumps([envelope.parse(payload).body for payload in camera.broker.on("/up/report")])
    assert "hello" not in said
    assert "123456" not in said
