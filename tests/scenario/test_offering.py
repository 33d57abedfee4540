"""A camera without an operator announces the manufacturer's releases, and installs them when an administrator says."""

from json import loads

import pytest

from agent.app.bringing import NoOrder, NoUse
from agent.app.ordering import NothingNew, NotNow
from agent.formats.bundle import BundleGone, NoRoom
from agent.formats.errors import Rejected
from firmware_sim.world import people
from firmware_sim.world.firmware import DEAD_SERVICES, build
from firmware_sim.world.network import ALWAYS, FLIP, STALL, Fault
from firmware_sim.world.repository import make_release
from tests.scenario.bundles import PUBLIC, bring, installed, lonely, make, publish, unmoved
from tests.scenario.looks import blocks_from, journalled, phase
from tests.scenario.stage import Stage
from tests.scenario.test_installing import BLOCKS, GEOMETRY, new_blocks

SECOND_PASSWORD = "Mizube no tori 42 tobitatsu"
SLOW = 4096
"""Bytes in a second: the journal is written several times."""
LOOK_S = 4200
"""Longer than the longest wait for a look."""


@pytest.fixture
def stage() -> Stage:
    """Of its own: these tests publish releases, and each repository has one list of them."""
    return Stage()


def offer(world) -> dict:
    return world.admin("status")["offer"]


def shown(world) -> dict | None:
    """The announcement as the camera's page reads it."""
    grant = people.login(world)["grant"]
    path = world.ask("web", people.request("offer", grant=grant))["path"]
    return loads(world.scratch.content[path.rpartition("/")[2]]) if path else None


def request(op: str, grant: str, more: dict) -> dict:
    return people.request(op, **more) if "ticket" in more else people.request(op, grant=grant, **more)


def click(world, version: str) -> dict:
    return world.ask("web", people.request("install", grant=people.login(world)["grant"], version=version))


def announced(stage, world, version: str = "1.1.0", **how) -> None:
    stage.release(version, **how)
    publish(stage, world)
    world.run_for(LOOK_S)
    assert offer(world)["version"] == version, offer(world)


def test_a_release_is_announced_with_its_severity_and_notes_and_installs_with_one_click(stage):
    world = lonely(stage, PUBLIC)
    announced(stage, world)
    about = shown(world)
    assert about["version"] == "1.1.0"
    assert about["severity"] == "high"
    assert about["notes"] == {"en": "A release of the simulated world.", "ja": "シミュレーションのリリースです。"}
    world.run_for(3 * LOOK_S)
    assert phase(world) == "idle"  # never by itself
    assert click(world, "1.1.0")["ok"]
    world.run_until(lambda: installed(world, "1.1.0"))
    assert world.record().active == "b"
    assert world.server.exchanges == []  # nobody else was asked
    world.run_for(LOOK_S)
    assert offer(world) == {"problem": ""}
    assert shown(world) is None
    assert "update/source.json" not in world.documents.content


def test_the_newest_of_several_is_announced_and_what_is_for_others_is_not(stage):
    world = lonely(stage, PUBLIC)
    for version in ("1.1.0", "1.10.0", "1.9.0"):
        stage.release(version)
    for version, about in (("3.0.0", {"model": "kawa-2"}), ("4.0.0", {"hardware": "b"})):
        stage.operator.add(make_release(build(stage.geometry, version, 1), version, 1, **about))
    stage.operator.add(make_release(build(stage.geometry, "5.0.0", 0), "5.0.0", 0))
    publish(stage, world)
    world.run_for(LOOK_S)
    assert offer(world)["version"] == "1.10.0"


def test_a_click_is_for_what_was_shown(stage):
    world = lonely(stage, PUBLIC)
    announced(stage, world)
    assert click(world, "1.2.0")["code"] == "bad_request"
    stage.release("1.2.0")
    publish(stage, world)
    assert click(world, "1.1.0")["ok"]
    world.run_until(lambda: installed(world, "1.1.0"))


def test_only_an_administrator_may_order(stage):
    world = lonely(stage, PUBLIC)
    announced(stage, world)
    administrator = people.login(world)["grant"]
    for role in ("operator", "viewer"):
        made = people.request("set_user", grant=administrator, user=role, role=role, password=SECOND_PASSWORD)
        assert world.ask("web", made)["ok"]
        asked = people.request("login", user=role, password=SECOND_PASSWORD)
        grant = world.ask("web", asked)["grant"]
        for op, more in (
            ("install", {"version": "1.1.0"}),
            ("upload", {"length": "5000"}),
            ("install_bundle", {"ticket": grant}),
        ):
            assert world.ask("web", request(op, grant, more))["code"] == "denied"
        assert world.ask("web", people.request("offer", grant=grant))["path"]  # everybody may know
    for op, more in (("install", {"version": "1.1.0"}), ("offer", {}), ("upload", {"length": "5000"})):
        assert world.ask("web", people.request(op, grant="none", **more))["code"] == "denied"
    assert phase(world) == "idle"


@pytest.mark.parametrize(("severity", "by_itself"), [("critical", True), ("high", False)])
def test_critical_releases_install_by_themselves_where_the_manufacturer_says_so(stage, severity, by_itself):
    world = lonely(stage, {**PUBLIC, "automatic": "critical"})
    published = make_release(build(stage.geometry, "1.1.0", 1), "1.1.0", 1)
    stage.operator.add(published.replace(release=published.release.replace(severity=severity)))
    publish(stage, world)
    world.run_for(2 * LOOK_S)
    assert installed(world, "1.1.0") == by_itself


def test_nobody_looks_before_the_claim_or_with_an_operator(stage):
    unclaimed = stage.fresh()
    unclaimed.releases = PUBLIC
    unclaimed.power_on()
    stage.release("1.1.0")
    publish(stage, unclaimed)
    unclaimed.run_for(3 * LOOK_S)
    assert unclaimed.public.exchanges == []
    enrolled = stage.world()
    enrolled.releases = PUBLIC
    enrolled.power_on()
    publish(stage, enrolled)
    enrolled.run_for(3 * LOOK_S)
    assert enrolled.public.exchanges == []
    assert offer(enrolled) == {"problem": ""}
    assert not click(enrolled, "1.1.0")["ok"]


def test_an_announcement_goes_when_an_operator_comes(stage):
    world = lonely(stage, PUBLIC)
    announced(stage, world)
    people.enrol(world, stage.operator, people.login(world)["grant"])
    assert offer(world) == {"problem": ""}
    assert shown(world) is None
    assert not click(world, "1.1.0")["ok"]


def test_a_download_goes_on_after_a_power_cut_and_fetches_no_block_twice_that_the_journal_names():
    stage = Stage(GEOMETRY)
    world = lonely(stage, PUBLIC, max_bytes_per_s=SLOW)
    announced(stage, world)
    assert click(world, "1.1.0")["ok"]
    world.run_until(lambda: len(set(new_blocks(GEOMETRY)) & journalled(world)) > 10)
    world.power_cut()
    kept, cut = journalled(world), len(world.public.exchanges)
    assert kept < set(range(BLOCKS)), "it was cut too late"
    world.power_on()
    world.run_until(lambda: installed(world, "1.1.0"))
    again = blocks_from(world.public, cut)
    assert again == [block for block in new_blocks(GEOMETRY) if block not in kept]
    before = blocks_from(world.public)[: -len(again)]
    assert before == new_blocks(GEOMETRY)[: len(before)]


def test_a_silent_repository_is_said_and_what_was_announced_stays(stage):
    world = lonely(stage, PUBLIC)
    announced(stage, world)
    world.public.down = True
    world.run_for(LOOK_S)
    found = offer(world)
    assert found["version"] == "1.1.0"
    assert "connection refused" in found["problem"]


def tampered_targets(stage, world):
    world.public.fail(Fault(FLIP, f"{stage.operator.image.versions['targets']}.targets.json", 40, ALWAYS))


def unsigned(stage, world):
    thief = stage.operator.copy()
    thief.image.thresholds["targets"] = 1
    thief.set_time(int(world.clock.now_s))
    thief.image.publish()
    thief.serve()
    world.public.files.update({name: body for name, body in thief.files.items() if "/image/" in name})


def expired(stage, world):
    world.clock.advance(8 * 86400)


@pytest.mark.parametrize(
    ("attack", "code"),
    [(tampered_targets, "mix_and_match"), (unsigned, "arbitrary_software"), (expired, "freeze")],
)
def test_what_is_refused_is_said_by_name_and_changes_nothing(stage, attack, code):
    world = lonely(stage, PUBLIC)
    stage.release("1.1.0")
    publish(stage, world)
    attack(stage, world)
    before = {name: value for name, value in unmoved(world).items() if not name.startswith("trust/image")}
    world.run_for(LOOK_S)
    assert offer(world)["problem"].startswith(code + ":")
    assert "version" not in offer(world)
    after = {name: value for name, value in unmoved(world).items() if not name.startswith("trust/image")}
    assert after == before
    world.public.heal()
    for role in ("targets", "snapshot", "timestamp"):
        stage.operator.image.versions[role] += 10  # past what the thief has signed
    publish(stage, world)
    world.run_for(LOOK_S)
    assert offer(world)["version"] == "1.1.0"
    assert click(world, "1.1.0")["ok"]
    world.run_until(lambda: installed(world, "1.1.0"))


def test_a_version_that_failed_here_is_not_announced_again_until_a_newer_one_is(stage):
    world = lonely(stage, PUBLIC)
    announced(stage, world, behaviour=DEAD_SERVICES)
    assert click(world, "1.1.0")["ok"]
    world.run_until(lambda: phase(world) == "idle" and len(world.boots) > 2, 60000)
    assert world.boots[-1].version == "1.0.0"
    world.run_for(LOOK_S)
    assert "failed on this camera before" in offer(world)["problem"]
    stage.release("1.2.0")
    publish(stage, world)
    world.run_for(LOOK_S)
    assert offer(world)["version"] == "1.2.0"


def test_a_bundle_takes_the_place_of_a_download_that_does_not_come(stage):
    world = lonely(stage, PUBLIC)
    announced(stage, world)
    world.public.fail(Fault(STALL, ".slot", 0, ALWAYS))
    assert click(world, "1.1.0")["ok"]
    world.run_until(lambda: phase(world) == "installing")
    assert bring(world, make(stage.operator, "1.1.0"))["ok"]
    world.run_until(lambda: installed(world, "1.1.0"))


def test_check_on_the_console_looks_now(stage):
    world = lonely(stage, PUBLIC)
    stage.release("1.1.0")
    publish(stage, world)
    assert world.admin("check")["ok"]
    world.run_until(lambda: "version" in offer(world))
    assert world.admin("install")["ok"]
    world.run_until(lambda: installed(world, "1.1.0"))


def test_errors_of_orders_have_names():
    named = (NoOrder, NoUse, NothingNew, NotNow, BundleGone, NoRoom)
    assert all(issubclass(one, Rejected) for one in named)
    assert len({one.code for one in named}) == len(named)
