"""A proxy by a signed command: used from then on, or dropped again where no server is reached by it."""

import json

import pytest

from agent.app.commanding import DOCUMENT, Commanding
from agent.app.proxying import BEFORE, MAX_RESTARTS, PROXY, TRY_S
from tests.scenario.looks import settled
from tests.scenario.owners import on
from tests.scenario.stage import SMALL, Stage
from tests.scenario.sweep import sweep
from tests.scenario.test_commands import RECORD, again, deliver, done, kept, now, refused, told
from tests.scenario.test_health import EVERYTHING

SAID = {"proxy": {"host": "proxy.example", "port": 3128}}
OTHER = b'{"v":1,"proxy":{"host":"site.example","port":8080,"login_file":"/data/login"}}'


@pytest.fixture(scope="module")
def stage():
    return Stage(SMALL, commands=(1, 3))


@pytest.fixture
def camera(stage):
    world = stage.world()
    on(world)
    world.run_for(60)
    return world


def stands(world):
    return world.documents.content.get(PROXY)


def order(stage, camera, said=SAID, seq=1, seconds=30):
    deliver(camera, stage.operator.command("settings", seq, now(camera), said), seconds)


def test_a_proxy_by_which_a_session_stands_stays(stage, camera):
    order(stage, camera)
    assert told(camera) == [done(1, "settings")]
    assert json.loads(stands(camera)) == {"v": 1} | SAID
    assert camera.admin("status")["link"] == "up"
    camera.run_for(2 * TRY_S)
    assert json.loads(stands(camera)) == {"v": 1} | SAID
    assert BEFORE not in camera.documents.content
    order(stage, camera, {"proxy": None}, seq=2)
    assert json.loads(stands(camera)) == {"v": 1, "proxy": None}
    assert told(camera)[-1] == done(2, "settings")


@pytest.mark.parametrize("before", [None, OTHER])
def test_one_by_which_no_server_is_reached_is_dropped_again_and_that_is_told(stage, camera, before):
    if before is not None:
        camera.documents.content[PROXY] = before
    records = {name: body for name, body in kept(camera).items() if name.startswith("ownership/")}
    order(stage, camera, seconds=0)
    camera.broker.down = True
    camera.run_for(TRY_S - 60)
    assert json.loads(stands(camera)) == {"v": 1} | SAID, "not before its time"
    camera.run_for(120)
    assert stands(camera) == before
    assert BEFORE not in camera.documents.content
    camera.broker.down = False
    camera.run_for(60)
    assert told(camera) == [refused("failed", 1, "settings")]
    assert records.items() <= kept(camera).items()


@pytest.mark.parametrize("stale", [True, False])
def test_a_session_of_before_whose_up_was_still_on_its_way_proves_nothing(stage, camera, stale):
    """The control: one that comes up afterwards does."""
    camera.documents.content[PROXY] = OTHER
    camera.link.deliver(
        f"camward/1/{camera.device_id()}/down/command", stage.operator.command("settings", 1, now(camera), SAID)
    )
    camera.broker.down = True
    camera.run_until(lambda: stands(camera) != OTHER)
    if stale:
        camera.link.events.insert(0, ("up",))
    else:
        camera.broker.down = False
    camera.run_for(10)
    assert (BEFORE in camera.documents.content) is stale
    camera.run_for(TRY_S)
    assert (stands(camera) == OTHER) is stale
    camera.broker.down = False
    camera.run_for(60)
    assert told(camera) == [refused("failed", 1, "settings") if stale else done(1, "settings")]


def test_one_that_leads_nowhere_waits_for_a_trial_boot_and_does_not_roll_it_back(stage):
    world = stage.world("1.1.0")
    world.health = EVERYTHING  # a session with the server among it
    world.power_on()
    world.run_until(lambda: world.boots[-1].on_trial and world.agent is not None)
    order(stage, world, seconds=0)
    tried = []

    def ended():
        world.broker.down = stands(world) is not None
        if world.broker.down and not tried:
            tried.append(settled(world, "1.1.0"))
        return refused("failed", 1, "settings") in told(world)

    world.run_until(ended)
    assert (tried, [one.version for one in world.boots]) == ([True], ["1.0.0", "1.1.0"])
    assert stands(world) is None
    assert settled(world, "1.1.0")


def test_a_restart_in_between_goes_on_with_the_trial_and_what_was_before_is_not_forgotten(stage, camera):
    camera.documents.content[PROXY] = OTHER
    order(stage, camera, seconds=0)
    camera.broker.down = True
    camera.run_for(60)
    camera.restart()
    camera.run_for(60)
    assert json.loads(stands(camera)) == {"v": 1} | SAID
    camera.run_for(TRY_S + 60)
    assert stands(camera) == OTHER
    camera.broker.down = False
    camera.run_for(60)
    assert told(camera) == [refused("failed", 1, "settings")]


@pytest.mark.parametrize("before", [None, OTHER])
@pytest.mark.parametrize("rotten", [DOCUMENT, BEFORE, None])
def test_a_trial_whose_command_is_lost_in_a_restart_ends_with_what_was_before(stage, camera, before, rotten):
    """The control: where nothing is lost, it goes on. Without what was put aside there is the manufacturer's proxy."""
    if before is not None:
        camera.documents.content[PROXY] = before
    order(stage, camera, seconds=0)
    camera.broker.down = True
    camera.run_for(60)
    camera.power_cut()
    if rotten is not None:
        camera.documents.content[rotten] = b"{"
    if rotten == BEFORE:
        camera.documents.content.pop(DOCUMENT)
    on(camera)
    camera.run_for(60)
    if rotten is None:
        assert json.loads(stands(camera)) == {"v": 1} | SAID
        return
    assert stands(camera) == (None if rotten == BEFORE else before)
    assert BEFORE not in camera.documents.content
    camera.broker.down = False
    camera.run_for(120)
    assert camera.admin("status")["link"] == "up"


def test_what_the_site_says_after_a_trial_stays_over_a_restart(stage, camera):
    order(stage, camera)
    camera.documents.content[PROXY] = OTHER
    camera.restart()
    camera.run_for(60)
    assert stands(camera) == OTHER


@pytest.mark.parametrize("broken", ["", BEFORE])
def test_a_command_that_finds_no_calm_after_a_restart_leaves_nothing_put_aside(stage, camera, monkeypatch, broken):
    """Or a later start would put what was before over what the site has said since."""
    camera.documents.content[PROXY] = OTHER
    order(stage, camera, seconds=0)
    camera.broker.down = True
    camera.run_for(60)
    monkeypatch.setattr(Commanding, "_is_calm", lambda _: False)
    camera.restart()
    camera.run_for(60)
    camera.documents.broken_folder = broken
    camera.broker.down = False
    camera.run_until(lambda: refused("busy", 1, "settings") in told(camera))
    camera.run_for(1)
    assert (stands(camera), BEFORE in camera.documents.content) == (OTHER, bool(broken))
    camera.documents.broken_folder = ""
    camera.restart()
    camera.run_for(60)
    assert (stands(camera), BEFORE in camera.documents.content) == (OTHER, False)
    assert camera.admin("status")["link"] == "up"


def test_the_end_of_a_trial_that_cannot_be_noted_is_no_end_yet(stage, camera):
    """Or what was put aside would be put back, over a proxy that has been proven, at the next start."""
    order(stage, camera, seconds=0)
    camera.run_until(lambda: stands(camera) is not None)
    camera.documents.broken_folder = BEFORE
    camera.run_for(60)
    assert (camera.admin("status")["link"], told(camera)) == ("up", [])
    camera.documents.broken_folder = ""
    camera.run_for(60)
    assert told(camera) == [done(1, "settings")]
    assert BEFORE not in camera.documents.content


def test_a_camera_that_restarts_again_and_again_gives_up_what_it_tries(stage, camera):
    camera.documents.content[PROXY] = OTHER
    order(stage, camera, seconds=0)
    camera.broker.down = True
    for _ in range(MAX_RESTARTS):
        camera.run_for(TRY_S / 2)
        camera.restart()
        camera.run_for(60)
        assert json.loads(stands(camera)) == {"v": 1} | SAID
    camera.restart()
    camera.run_for(60)
    assert stands(camera) == OTHER
    assert BEFORE not in camera.documents.content
    camera.broker.down = False
    camera.run_for(60)
    assert told(camera) == [refused("failed", 1, "settings")]


def test_a_record_that_rots_in_a_trial_does_not_leave_the_proxy(stage, camera):
    camera.documents.content[PROXY] = OTHER
    camera.documents.content[RECORD] = b"{"
    order(stage, camera, seconds=0)
    camera.run_for(TRY_S + 60)
    assert stands(camera) == OTHER
    assert BEFORE not in camera.documents.content


def test_a_version_on_trial_has_the_proxy_of_before_until_it_is_committed(stage):
    """A trial of a proxy in whose midst an update restarts the camera."""
    world = stage.world()
    world.health = EVERYTHING
    world.documents.content[PROXY] = OTHER
    on(world)
    world.run_for(60)
    stage.assign(world, "1.1.0")
    order(stage, world, seconds=0)
    world.run_until(lambda: stands(world) != OTHER)
    world.agent._updating.check_now()

    def ended():
        world.broker.down = stands(world) != OTHER
        return refused("failed", 1, "settings") in told(world)

    world.run_until(lambda: ended() or world.boots[-1].on_trial)
    assert world.boots[-1].on_trial, "in the midst of the proxy's trial"
    world.run_until(ended)
    assert settled(world, "1.1.0")
    assert [one.version for one in world.boots] == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize(
    "said",
    [
        {"proxy": "proxy.example"}, {"proxy": {"host": "a b", "port": 1}}, {"proxy": {"host": "a", "port": 0}},
        {"proxy": {"host": "a", "port": 1, "login_file": "/etc/shadow"}}, SAID | {"line": "wired"},
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_and_nothing_changes(stage, camera, said):
    order(stage, camera, said)
    assert told(camera) == [refused("arguments", 1, "settings")]
    assert stands(camera) is None


def test_a_cut_at_every_operation_of_a_trial_ends_with_the_new_proxy_and_nothing_put_aside(stage):
    def check(world, _cut):
        world.run_for(120)
        assert json.loads(stands(world)) == {"v": 1} | SAID
        assert world.admin("status")["link"] == "up"

    swept = sweep(stage.world_with_seed, lambda world: again(world, stage, "settings", 1, SAID), check)
    assert swept.failures == []
    assert {f"store {BEFORE}", f"store {PROXY}"} <= set(swept.operations)


def test_a_cut_at_every_operation_of_a_trial_that_fails_ends_with_what_was_before(stage):
    def story(world):
        """From the order on nobody answers; the order was stored before the first cut that matters here."""
        if not hasattr(world, "ordered"):
            world.documents.content[PROXY] = OTHER
            world.ordered = stage.operator.command("settings", 1, now(world), SAID)
            on(world)
            world.run_for(60)
            deliver(world, world.ordered, 0)
        if world.agent is None:
            on(world)
        world.broker.down = True
        world.run_for(TRY_S + 300)

    def check(world, _cut):
        world.run_for(TRY_S + 300)  # a cut before the end was noted has it tried once more
        assert stands(world) == OTHER
        world.broker.down = False
        world.run_for(120)
        assert world.admin("status")["link"] == "up"

    swept = sweep(lambda _: stage.world_with_seed(7), story, check)  # looks for updates fall into the same places
    assert swept.failures == []
    assert {f"store {BEFORE}", f"store {PROXY}", f"delete {BEFORE}"} <= {one.during for one in swept.cuts}
