"""Rollouts on a real database, with the director replaced by a list of what was assigned."""

import pytest
from sqlalchemy import select

from tests.unit.server.conftest import NOW
from update_server.db.models import Device, Release, Rollout, RolloutDevice, UpdateEvent
from update_server.errors import BadInput, Conflict
from update_server.rollouts import service, store

SILENT_S = 3600


class World:
    """A rollout service, its fleet, and the director's point of view."""

    def __init__(self, database):
        self.database, self.now, self.broken = database, NOW, set()
        self.unready = set()  # versions for which something is still being prepared
        self.rollouts = service.Rollouts(self.assign, ready=self.ready)

    def ready(self, _session, version, release, _now):
        assert release.version == "1.1.0"
        return version not in self.unready

    def assign(self, session, device, release, now, *, install_now=False):
        if release is not None and device.id in self.broken:
            raise Conflict("not for this camera")
        device.assigned_version = release.version if release else None
        device.install_now = install_now

    def create(self, phases="1,3,100%", **options):
        with self.database.write() as session:
            release = session.get_one(Release, ("1.1.0", "kawa-1"))
            row = self.rollouts.create(
                session, release, phases=phases, silent_after_s=SILENT_S, now=self.now, **options
            )
            return row.id

    def assigned(self):
        with self.database.read() as session:
            return sorted(session.scalars(select(Device.id).where(Device.assigned_version == "1.1.0")))

    def report(self, device_id, event, *, version="1.1.0", runs=None, code="", until_at=None, tick=True):
        with self.database.write() as session:
            device = session.get_one(Device, device_id)
            device.version = runs or device.version
            line = UpdateEvent(
                device_id=device_id, at=self.now, received_at=self.now, event=event, from_version="1.0.0",
                to_version=version, code=code, detail="", slot="b",
                until_at=until_at,
            )  # fmt: skip
            self.rollouts.reported(session, device, line, self.now)
        if tick:
            self.tick()

    def commit(self, device_id):
        self.report(device_id, "committed", runs="1.1.0")

    def tick(self, seconds=0):
        self.now += seconds
        with self.database.write() as session:
            self.rollouts.tick(session, self.now)

    def act(self, verb):
        with self.database.write() as session:
            self.rollouts.act(session, session.get_one(Rollout, 1), verb, "tester", self.now)

    def state(self):
        with self.database.read() as session:
            row = session.get_one(Rollout, 1)
            return row.state, row.phase

    def part(self, device_id):
        with self.database.read() as session:
            return session.get_one(RolloutDevice, (1, device_id)).state

    def reason(self):
        with self.database.read() as session:
            return session.get_one(Rollout, 1).reason


@pytest.fixture
def world(fleet):
    return World(fleet)


def test_a_rollout_goes_through_its_phases_and_completes(world):
    world.create()
    assert len(world.assigned()) == 1
    world.commit(world.assigned()[0])
    assert len(world.assigned()) == 3
    for device in world.assigned():
        world.commit(device)
    assert len(world.assigned()) == 10
    for device in world.assigned():
        world.commit(device)
    assert world.state() == ("complete", 2)


def test_the_canary_is_a_camera_that_is_online(world):
    world.create()
    assert world.assigned() != [f"{0:026d}"]


def test_a_commit_counts_only_when_the_camera_itself_reports_the_version(world):
    world.create()
    (canary,) = world.assigned()
    world.report(canary, "committed")
    assert (world.part(canary), len(world.assigned())) == ("assigned", 1)
    world.report(canary, "started", runs="1.1.0")
    assert (world.part(canary), len(world.assigned())) == ("committed", 3)


def test_the_version_alone_is_no_commit(world):
    world.create()
    (canary,) = world.assigned()
    world.report(canary, "installed", runs="1.1.0")
    assert world.part(canary) == "assigned"


@pytest.mark.parametrize("event", ["rolled_back", "refused", "failed"])
def test_a_failed_canary_pauses_and_is_not_assigned_again(world, event):
    world.create()
    (canary,) = world.assigned()
    world.report(canary, event, code="health")
    assert world.state() == ("paused", 0)
    assert world.assigned() == []
    assert world.reason() == "failed cameras: 1 by phase 1 (allowed: 0)"
    world.act("resume")
    assert world.state() == ("running", 1)
    assert canary not in world.assigned()
    assert world.part(canary) == "failed"


def test_a_report_about_another_version_changes_nothing(world):
    world.create()
    (canary,) = world.assigned()
    world.report(canary, "rolled_back", version="9.9.9")
    assert (world.state(), world.assigned()) == (("running", 0), [canary])


def test_the_last_phase_allows_some_failures(world):
    world.create("100%", failure_percent=20)
    devices = world.assigned()
    world.report(devices[0], "failed")
    world.report(devices[1], "failed")
    assert world.state() == ("running", 0)
    world.report(devices[2], "failed")
    assert world.state() == ("paused", 0)


def test_silence_is_no_failure_and_no_success(world):
    world.create("3,100%")
    world.tick(SILENT_S - 1)
    assert world.state() == ("running", 0)
    world.tick(1)
    assert world.state() == ("paused", 0)
    assert world.reason() == "no camera of phase 1 has answered in time (3 silent)"


def test_a_silent_camera_does_not_hold_up_the_others(world):
    world.create("3,100%")
    world.commit(world.assigned()[0])
    world.tick(SILENT_S)
    assert world.state() == ("running", 1)


def test_a_pause_takes_back_what_is_not_installed_and_resume_gives_it_again(world):
    world.create("3,100%")
    before = world.assigned()
    world.act("pause")
    assert (world.state(), world.assigned()) == (("paused", 0), [])
    world.tick(10)
    assert world.assigned() == []
    world.act("resume")
    assert (world.state(), world.assigned()) == (("running", 0), before)


def test_a_failure_that_is_reported_during_a_pause_is_not_forgotten(world):
    world.create("3,100%")
    late = world.assigned()[0]
    world.act("pause")
    world.report(late, "rolled_back")
    world.act("resume")
    assert late not in world.assigned()


@pytest.mark.parametrize("verb", ["pause", "abort"])
def test_what_was_reported_and_not_drawn_conclusions_from_counts_when_people_stop_it(world, verb):
    """Nothing is advanced any more then: who has failed would be told to install it for ever."""
    world.create("100%", failure_percent=100)
    failed, done, under_way, *_ = world.assigned()
    world.report(failed, "refused", tick=False)
    world.report(done, "committed", runs="1.1.0", tick=False)
    world.act(verb)
    world.tick()
    assert world.assigned() == [done]
    assert [world.part(one) for one in (failed, done, under_way)] == ["failed", "committed", "waiting"]


def test_an_abort_is_final(world):
    world.create()
    world.act("abort")
    assert (world.state()[0], world.assigned()) == ("aborted", [])
    for verb in ("pause", "resume", "abort"):
        with pytest.raises(Conflict):
            world.act(verb)
    with pytest.raises(BadInput):
        world.act("explode")


def test_cameras_that_already_run_the_release_count_as_done(world):
    with world.database.write() as session:
        for device in session.scalars(select(Device)):
            device.version = "1.1.0"
    world.create()
    assert world.state()[0] == "complete"


def test_two_rollouts_to_the_same_cameras_are_refused(world):
    world.create()
    with pytest.raises(Conflict):
        world.create()


def test_without_a_camera_that_fits_there_is_no_rollout(world):
    with pytest.raises(Conflict):
        world.create(group="nowhere")


def test_a_camera_that_cannot_be_assigned_counts_as_failed(world):
    world.broken = {f"{n:026d}" for n in range(10)}
    world.create()
    assert world.state() == ("paused", 0)


def test_large_phases_are_assigned_in_batches(world):
    world.rollouts = service.Rollouts(world.assign, batch=4)
    world.create("100%")
    assert len(world.assigned()) == 4
    world.tick()
    assert len(world.assigned()) == 8
    world.tick()
    assert len(world.assigned()) == 10


def test_counts_add_up_to_the_fleet(world):
    world.create("3,100%")
    with world.database.read() as session:
        counts = store.counts(session, session.get_one(Rollout, 1), world.now)
    assert [count.total for count in counts] == [3, 7]


def test_a_rollout_that_says_now_says_it_to_each_of_its_cameras(world):
    world.create(phases="100%", install_now=True)
    with world.database.read() as session:
        assert {device.install_now for device in session.scalars(select(Device))} == {True}
    world.act("abort")
    with world.database.read() as session:
        assert {device.install_now for device in session.scalars(select(Device))} == {False}


def test_a_camera_that_waits_for_its_window_is_not_silent(world):
    world.create(phases="1,100%")
    camera = world.assigned()[0]
    world.report(camera, "waiting", code="window", until_at=world.now + 3 * SILENT_S)
    world.tick(SILENT_S + 1)
    assert world.state() == ("running", 0)
    world.tick(3 * SILENT_S)
    assert world.state() == ("paused", 0), "its window has passed, and nothing was heard"
    assert "silent" in world.reason()


def test_no_camera_holds_a_rollout_up_for_ever_by_saying_that_it_waits(world):
    world.create(phases="1,100%")
    world.report(world.assigned()[0], "waiting", code="window", until_at=2**40)
    world.tick(service.MAX_WAIT_S + SILENT_S + 1)
    assert world.state() == ("paused", 0)


def test_nor_by_saying_so_again_and_again(world):
    world.create(phases="1,100%")
    camera = world.assigned()[0]
    for _ in range(4):
        world.report(camera, "waiting", code="window", until_at=2**40)
        world.tick(service.MAX_WAIT_S // 2)
    assert world.state() == ("paused", 0)


def test_cameras_wait_for_what_is_prepared_for_their_version_and_the_others_go_on(fleet):
    world = World(fleet)
    with fleet.write() as session:
        for number in (3, 4):
            session.get_one(Device, f"{number:026d}").version = "0.9.0"
    world.unready = {"0.9.0"}
    number = world.create(phases="100%")
    assert len(world.assigned()) == 8
    with fleet.write() as session:
        started_at = session.get_one(Rollout, number).changed_at
        world.rollouts.tick(session, NOW + 100)
        assert session.get_one(Rollout, number).changed_at == started_at  # to wait is no change
    assert len(world.assigned()) == 8
    world.unready = set()
    with fleet.write() as session:
        world.rollouts.tick(session, NOW + 200)
    assert len(world.assigned()) == 10
