"""Passwords are tried on what the files of accounts hold: few at a time, each once, and all in the end."""

import itertools
from hashlib import sha1

import pytest

from agent.app import audit_state, auditing
from agent.core.deny_list import DenyList
from agent.formats import base64
from firmware_sim.world import factory
from firmware_sim.world.world import TICK_S
from tests.scenario.test_claims import on
from tests.scenario.test_foreign_accounts import FILES, KEY, ROOT_KEYS, USERS, alarms, camera, kept, look, weak_world
from tests.scenario.test_system_logins import OTHER, OTHERS_PASSWORD, set_user

__all__ = ["camera", "kept"]

TRIES = factory.deny_list(()).count()


def test_a_hash_of_a_password_that_botnets_try_is_found_by_its_own_hash(camera):
    world = weak_world(camera)
    assert look(world) == set()
    world.run_for(60)
    assert {one[2] for one in world.account_files.tried} == {"viewer"}, "what is nobody's comes before the owner's own"
    world.run_for(3540)
    assert [(one["code"], one["account"]) for one in world.admin("accounts")["found"]] == [
        ("default_password", "viewer")
    ]
    assert [alarm["found"][0]["code"] for alarm in alarms(world)] == ["default_password"]


def test_the_last_password_of_the_list_is_found(camera):
    last = DenyList.some(factory.deny_list(()), "viewer", TRIES - 1, 1)[0]
    world = weak_world(camera, last)
    world.run_for(2 * 3600)
    assert {one[0] for one in look(world)} == {"default_password"}


def test_a_hash_that_no_known_password_fits_is_tried_once_and_never_again(camera):
    world = weak_world(camera, "Nobody tries this one")
    world.run_for(3 * 3600)
    tried = [one[3] for one in world.account_files.tried if one[2] == "viewer"]
    assert len(tried) == world.agent._auditing._denied().count()
    assert len(set(tried)) >= len(tried) - 1, "viewer is on the list as well"
    assert look(world) == set()


def test_the_tries_are_few_and_far_between(camera):
    """The bound, counted: no two tries of an expensive hash within a second, and a fiftieth of the time at most."""
    world = weak_world(camera, "Nobody tries this one")
    world.account_files.cost_s = 0.5
    begin = world.clock.monotonic_s()
    world.run_for(6 * 3600)
    at = [one[0] for one in world.account_files.tried if one[1] == "crypt"]
    assert len(at) > 500, "it does get on"
    assert min(two - one for one, two in itertools.pairwise(at)) >= 50 * 0.5
    assert 0.5 * len(at) <= (world.clock.monotonic_s() - begin) / 50


def test_where_a_try_costs_nothing_there_is_one_a_second(camera):
    world = weak_world(camera, "Nobody tries this one")
    world.run_for(1800)
    at = [one[0] for one in world.account_files.tried if one[1] == "crypt"]
    assert len(at) > 600
    assert min(two - one for one, two in itertools.pairwise(at)) >= 1.0 - TICK_S


def test_restarts_do_not_begin_anew(camera):
    """A camera that restarts every ten minutes comes to the end of the list all the same."""
    world = weak_world(camera, DenyList.some(factory.deny_list(()), "viewer", TRIES - 1, 1)[0])
    tried = []
    for _ in range(8):
        world.run_for(600)
        tried += [one[3] for one in world.account_files.tried if one[2] == "viewer"]
        if any(one[0] == "default_password" for one in look(world)):
            break
        world.power_cut()
        on(world)
    else:
        pytest.fail("it never came to the end")
    assert len(tried) - len(set(tried)) <= 8 * auditing.SAVE_EVERY, "at most the unsaved ones are tried twice"


def test_nothing_is_tried_while_something_is_installed(camera):
    world = weak_world(camera)
    world.agent._auditing._calm = lambda: False
    world.run_for(3600)
    assert world.account_files.tried == []
    world.agent._auditing._calm = lambda: True
    world.run_for(3600)
    assert {one[0] for one in look(world)} == {"default_password"}


def test_without_a_crypt_the_rest_is_still_looked_at(camera):
    world = weak_world(camera)
    world.account_files.hashless = True
    world.run_for(2 * 3600)
    world.files[ROOT_KEYS] = KEY
    assert look(world) == {("keys", ROOT_KEYS, "", None)}
    world.account_files.hashless = False
    world.run_for(2 * 3600)
    assert {one[0] for one in look(world)} == {"default_password", "keys"}


def test_a_password_of_the_owners_that_came_onto_the_list_is_found_in_every_store(kept):
    world = kept.copy(4)
    on(world)
    assert set_user(world, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    world.agent._auditing._denied = lambda: DenyList([OTHERS_PASSWORD], ())
    world.run_for(4 * 3600)
    stores = ("credentials/digest.json", "credentials/shadow.json", "credentials/web.json")
    found = {one for one in look(world) if one[1].startswith("credentials/")}
    assert found == {("default_password", store, OTHER, None) for store in stores}, "told, and nobody is locked out"
    assert world.console_files.enter(OTHER, OTHERS_PASSWORD) == "in"


def test_lines_without_end_hide_neither_the_owners_hashes_nor_what_was_found_nor_that_some_are_left(camera):
    """More hashes than are tried, of a program that may write its file: they come after the others, and are counted."""
    world = weak_world(camera)
    world.run_for(2 * 3600)
    assert {one[0] for one in look(world)} == {"default_password"}
    lines = [
        b"u%d:{SHA}%s\n" % (number, base64.encode(sha1(b"%d" % number).digest()).encode()) for number in range(510)
    ]
    world.files[USERS] += b"".join(lines[:-3])
    world.accounts = {"policy": "report", "files": FILES}
    found = world.admin("accounts")
    assert ("default_password", "viewer") in {(one["code"], one["account"]) for one in found["found"]}
    world.run_for(6 * 3600)
    found = world.admin("accounts")
    assert ("default_password", "viewer") in {(one["code"], one["account"]) for one in found["found"]}
    tried = world.agent._auditing._trials
    assert {one.how for one in tried} >= {"argon2", "ha1_md5", "ha1_sha256"}, "the owner's own"
    assert found["untried"] >= 507 - audit_state.MAX_TRIALS
