"""Time in the device's check, and the director's word that an older release may be installed."""

from typing import Any

import pytest

from agent.core.clock import Time
from agent.core.trust import Check
from agent.formats.delivery import PLAIN, Delivery
from agent.formats.errors import FormatError, Rejected
from tests.repositories import NOW, World, make_release, moment


@pytest.fixture
def world() -> World:
    return World()


def refused(world: World, code: str) -> None:
    """Run a check that must be refused with this code."""
    with pytest.raises(Rejected) as caught:
        world.run()
    assert caught.value.code == code, caught.value


def drive(world: World, check: Check) -> None:
    while (request := check.wants()) is not None:
        body = world.answer(request)
        if body is None:
            check.absent()
        else:
            check.feed(body)


# Time


@pytest.mark.parametrize("time", [Time(0, NOW, 0), Time(0, 0, NOW), Time(NOW, 0, 0)])
def test_each_source_alone_tells_that_metadata_has_expired(world: World, time: Time) -> None:
    world.offer(make_release())
    world.director.timestamp.expires = moment(NOW)
    world.issue(NOW - 86400)
    world.director.next_timestamp()
    with pytest.raises(Rejected) as caught:
        world.run(time=time)
    assert caught.value.code == "freeze"


PUSHED = Time(NOW, NOW + 86400 * 300, NOW - 86400 * 100)
"""The time floor after a thief of the director's timestamp key has pushed it."""


def rotate_director(world: World, role: str = "timestamp", issued_at: str | None = None) -> None:
    """A new director root that replaces a key of a role; both roots' keys sign it."""
    director = world.director
    if issued_at is not None:
        director.root.unrecognized_fields["x-camward-issued-at"] = issued_at
    before = list(director.signers["root"])
    director.replace_key(role)
    director.next_root(extra=tuple(signer for signer in before if signer not in director.signers["root"]))
    director.next()


def test_pushed_floor_freezes_everything_until_the_key_is_revoked(world: World) -> None:
    made = world.offer(make_release())
    with pytest.raises(Rejected) as caught:
        world.run(time=PUSHED)
    assert caught.value.code == "freeze"
    rotate_director(world, issued_at="2027-01-15T08:00:00Z")
    check = world.run(time=PUSHED)
    assert check.outcome == made
    assert check.floor_reset_to == NOW
    assert check.issued_at == NOW


@pytest.mark.parametrize("role", ["targets", "snapshot", "root"])
def test_other_keys_do_not_reset_the_floor(world: World, role: str) -> None:
    world.offer(make_release())
    rotate_director(world, role, "2027-01-15T08:00:00Z")
    with pytest.raises(Rejected) as caught:
        world.run(time=PUSHED)
    assert caught.value.code == "freeze"
    assert "-director/timestamp" not in world.events
    check = world.run()
    assert check.floor_reset_to is None


def test_a_key_that_joins_does_not_reset_the_floor(world: World) -> None:
    world.director.add_key("timestamp")
    world.director.next_root()
    world.director.next()
    assert world.run().floor_reset_to is None


def test_a_new_image_root_does_not_reset_the_floor(world: World) -> None:
    world.offer(make_release())
    world.image.replace_key("timestamp")
    world.image.next_root()
    world.image.next()
    assert world.run().floor_reset_to is None
    assert "image/root" in world.events


def test_floor_is_reset_in_the_step_that_accepts_the_root(world: World) -> None:
    rotate_director(world, issued_at="2027-01-15T08:00:00Z")
    check = world.check(time=PUSHED)
    check.feed(world.director.files["timestamp.json"])
    assert check.floor_reset_to is None
    assert check.accepted() == []
    check.feed(world.director.files["2.root.json"])
    assert check.floor_reset_to == NOW
    assert check.accepted() == [("director/root", world.director.files["2.root.json"])]


@pytest.mark.parametrize("issued_at", [None, "2026-01-01T00:00:00Z"])
def test_floor_never_falls_below_the_build_time(world: World, issued_at: str | None) -> None:
    rotate_director(world, issued_at=issued_at)
    assert world.run(time=PUSHED).floor_reset_to == PUSHED.built_at


def test_later_roots_of_the_chain_raise_the_floor_again(world: World) -> None:
    rotate_director(world, issued_at="2026-10-15T08:00:00Z")
    rotate_director(world, "targets", "2027-01-15T08:00:00Z")
    rotate_director(world, "targets", "2027-01-01T00:00:00Z")
    assert world.run(time=PUSHED).floor_reset_to == NOW


def test_root_issued_after_its_own_expiry_is_malformed(world: World) -> None:
    rotate_director(world, issued_at="2028-01-16T00:00:00Z")
    before = world.stored["director"]["root"]
    with pytest.raises(FormatError):
        world.run(time=PUSHED)
    assert world.stored["director"]["root"] == before


def test_wall_clock_still_counts_after_a_reset(world: World) -> None:
    rotate_director(world, issued_at="2027-01-15T08:00:00Z")
    with pytest.raises(Rejected) as caught:
        world.run(time=PUSHED.replace(wall_at=PUSHED.proven_at))
    assert caught.value.code == "freeze"


def test_floor_reset_is_known_when_the_check_fails_afterwards(world: World) -> None:
    """Told beside the accepted root, whatever becomes of the rest: the root is walked only once."""
    rotate_director(world, issued_at="2027-01-15T08:00:00Z")
    world.director.signers["timestamp"].clear()
    world.director.publish_timestamp()
    check = world.check(time=PUSHED)
    with pytest.raises(Rejected):
        drive(world, check)
    assert check.floor_reset_to == NOW
    assert [name for name, _ in check.accepted()] == ["director/root"]


# Older releases


@pytest.mark.parametrize(
    ("flag", "code"), [(True, ""), (False, "rollback"), (None, "rollback"), (1, "format"), ("true", "format")]
)
def test_older_release_needs_the_directors_word(world: World, flag: object, code: str) -> None:
    made = world.add_release(make_release("0.9.0"))
    if flag is not None:
        world.director.targets.unrecognized_fields["x-camward-allow-older"] = flag
    world.assign(made)
    if code:
        refused(world, code)
    else:
        assert world.run().outcome == made


def test_word_of_the_image_repository_or_another_role_is_not_the_directors(world: World) -> None:
    for signed in (world.image.targets, world.director.timestamp, world.director.snapshot, world.director.root):
        signed.unrecognized_fields["x-camward-allow-older"] = True
    world.director.next_root()
    world.offer(make_release("0.9.0"))
    refused(world, "rollback")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"security_epoch": 0}, "epoch_rollback"),
        ({"model": "kawa-2"}, "wrong_model"),
        ({"hardware": ("b",)}, "wrong_hardware"),
    ],
)
def test_older_release_must_fit_all_the_same(world: World, changes: dict[str, Any], code: str) -> None:
    world.director.targets.unrecognized_fields["x-camward-allow-older"] = True
    world.offer(make_release("0.9.0", **changes))
    refused(world, code)


def test_running_release_is_no_news_even_where_older_ones_are_allowed(world: World) -> None:
    world.director.targets.unrecognized_fields["x-camward-allow-older"] = True
    world.offer(make_release("1.0.0"))
    assert world.run().outcome is None


def test_older_release_that_the_image_repository_does_not_have(world: World) -> None:
    world.director.targets.unrecognized_fields["x-camward-allow-older"] = True
    world.assign(make_release("0.9.0"))
    refused(world, "arbitrary_software")


# How it may be fetched: the director's word as well


def test_delivery_of_the_director_is_handed_on(world: World) -> None:
    made = world.add_release(make_release())
    world.director.targets.unrecognized_fields["x-camward-delivery"] = {"v": 1, "install": "now"}
    world.assign(made)
    check = world.run()
    assert check.outcome == made
    assert check.delivery == Delivery(True, (), None)


def test_without_one_it_is_plain(world: World) -> None:
    world.offer(make_release())
    assert world.run().delivery == PLAIN


def test_malformed_delivery_is_refused(world: World) -> None:
    world.director.targets.unrecognized_fields["x-camward-delivery"] = {"v": 2}
    world.offer(make_release())
    refused(world, "format")
