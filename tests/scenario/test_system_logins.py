"""A console, an SSH server, whatever reads passwd and shadow: it lets in the claimed administrators and nobody else."""

import hashlib
import json

import pytest

from agent.app import account_stores as stores
from agent.app.accounts import STATE, Accounts
from agent.formats import shadow
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import BASE_PASSWD, BASE_SHADOW
from firmware_sim.world.people import PASSWORD, USER, claim, login, request
from firmware_sim.world.power import OUTCOMES
from firmware_sim.world.secrets import SECRET, UnsafeDeviceSecret
from firmware_sim.world.store import MemoryStore
from tests.scenario.looks import settled
from tests.scenario.sweep import sweep
from tests.scenario.test_claims import NEW_PASSWORD, OUT, everywhere, on, state

SETTINGS = {"first_uid": 2000, "gid": 2000, "home": "/", "shell": "/bin/sh"}
SHADOW = "credentials/shadow.json"
OTHER, OTHERS_PASSWORD = "sora", "Yama no ue ni 5 tsu no hoshi"
NOBODY = (BASE_PASSWD, BASE_SHADOW)


def with_logins(world):
    world.system_logins = dict(SETTINGS)
    return world


@pytest.fixture(scope="module")
def kept(stage):
    """A claimed camera that keeps system logins, without power."""
    world = with_logins(stage.fresh())
    on(world)
    assert claim(world)["ok"]
    world.run_for(60)
    world.power_cut()
    return world


@pytest.fixture
def world(kept):
    made = kept.copy(1)
    on(made)
    return made


def files(world):
    return world.console_files.passwd, world.console_files.shadow


def shell(world, user, password):
    return world.console_files.enter(user, password)


def let_in(world):
    """Names and user ids of everyone the files let in."""
    hashes = {one.name for one in shadow.parse_shadow(world.console_files.shadow) if not one.lets_nobody_in()}
    return {one.name: one.uid for one in shadow.parse_passwd(world.console_files.passwd) if one.name in hashes}


def set_user(world, **arguments):
    return world.ask("web", request("set_user", grant=login(world)["grant"], **arguments))


def test_before_the_agent_has_run_there_is_nothing_to_log_in_by(kept):
    world = kept.copy(2)
    assert world.agent is None
    on(world)
    before = world.console_files
    assert let_in(world) == {USER: 2000}
    world.power_cut()
    world.power_on()
    assert world.console_files is not before


def test_unclaimed_nobody_logs_in(stage):
    world = with_logins(stage.fresh())
    on(world)
    assert files(world) == NOBODY
    for user, password in ((None, ""), ("root", ""), ("root", "xc3511"), ("admin", "admin"), (USER, PASSWORD)):
        assert shell(world, user, password) == "refused"


def test_the_administrator_logs_in_as_nobody_else(world):
    assert shell(world, USER, PASSWORD) == "in"
    assert shell(world, USER, NEW_PASSWORD) == "refused"
    for user in ("root", "camera", OTHER, "", None):
        assert shell(world, user, PASSWORD) == "refused"
    assert let_in(world) == {USER: 2000}


def test_operators_and_viewers_get_no_shell_and_administrators_of_tomorrow_do(world):
    for name, role in ((OTHER, "operator"), ("hana", "viewer")):
        assert set_user(world, user=name, role=role, password=OTHERS_PASSWORD)["ok"]
        assert shell(world, name, OTHERS_PASSWORD) == "refused"
        assert everywhere(world, name, OTHERS_PASSWORD) == {"in"}
    assert set_user(world, user=OTHER, role="administrator")["ok"]
    assert shell(world, OTHER, OTHERS_PASSWORD) == "in"
    assert let_in(world) == {USER: 2000, OTHER: 2001}
    assert set_user(world, user=OTHER, role="viewer")["ok"]
    assert shell(world, OTHER, OTHERS_PASSWORD) == "refused"
    assert set_user(world, user=OTHER, role="administrator")["ok"]
    assert let_in(world) == {USER: 2000, OTHER: 2001}, "the user id stays"


@pytest.mark.parametrize("name", ["root", "camera", "0", "2000", "7up"])
def test_names_that_the_system_has_or_misreads_get_no_shell(world, name):
    assert set_user(world, user=name, role="administrator", password=OTHERS_PASSWORD)["ok"]
    assert everywhere(world, name, OTHERS_PASSWORD) == {"in"}
    assert shell(world, name, OTHERS_PASSWORD) == "refused"
    assert let_in(world) == {USER: 2000}
    assert [one.name for one in shadow.parse_passwd(world.console_files.passwd) if one.uid == 0] == ["root"]


@pytest.mark.parametrize("name", [SHADOW, "credentials/web.json", "credentials/digest.json", SECRET])
@pytest.mark.parametrize("damage", ["gone", "rubbish"])
def test_with_a_damaged_store_nobody_logs_in(kept, name, damage):
    world = kept.copy(3)
    if damage == "gone":
        del world.documents.content[name]
    else:
        world.documents.content[name] = b"\x00\xff{"
    on(world)
    assert state(world) == "locked"
    assert files(world) == NOBODY
    assert claim(world)["ok"] is False


def test_a_login_program_that_asks_for_no_password_stops_the_claim(stage):
    world = with_logins(stage.fresh())
    on(world)
    world.console_files.opens_for_all = True
    reply = claim(world)
    assert reply["ok"] is False
    assert state(world) == "unclaimed"
    assert files(world) == NOBODY
    world.console_files.opens_for_all = False
    assert claim(world)["ok"]


def test_files_that_cannot_be_written_stop_a_change_and_let_nobody_in(world):
    world.console_files.broken = True
    reply = world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))
    assert reply["ok"] is False
    assert everywhere(world, USER, PASSWORD) == {"in"}
    assert files(world) == (b"", b"")


def test_without_yescrypt_no_password_changes_anywhere(world):
    world.console_files.hashless = True
    reply = world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))
    assert reply["ok"] is False
    assert opens(world) == {PASSWORD}


FACTORY_LINES = (b"root::20000::::::\n", b"root:$1$abcdefgh$irWbblnpmw.5z7wgBnprh0:1::::::\n", b"rubbish\n")


@pytest.mark.parametrize("line", FACTORY_LINES, ids=["empty", "a hash", "rubbish"])
def test_a_factory_password_in_the_manufacturers_own_file_opens_nothing(world, line):
    world.console_files.base_files = (BASE_PASSWD, line)
    reply = world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))
    assert reply["ok"] is False
    assert files(world) == (b"", b"")
    assert everywhere(world, USER, PASSWORD) == {"in"}
    assert "system_logins_unpublished" in world.admin("status")["problems"]


def test_who_has_to_change_the_password_first_gets_no_shell_and_the_other_paths_go_on(world):
    """The hook of an order to change passwords: whose old one is in force is turned away from the console."""
    console, old = world.agent._console, world.agent._accounts.users[USER].phc
    console.turned_away = lambda account: account.phc == old
    console.refresh()
    assert files(world) == NOBODY
    assert everywhere(world, USER, PASSWORD) == {"in"}
    assert world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))["ok"]
    assert opens(world) == {NEW_PASSWORD}


def test_a_removed_user_is_gone_everywhere_and_the_user_id_is_not_given_again(world):
    assert set_user(world, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    theirs = world.ask("web", request("login", user=OTHER, password=OTHERS_PASSWORD))["grant"]
    assert let_in(world) == {USER: 2000, OTHER: 2001}
    assert remove(world, OTHER)["ok"]
    assert let_in(world) == {USER: 2000}
    assert everywhere(world, OTHER, OTHERS_PASSWORD) <= OUT
    assert world.ask("web", request("device", grant=theirs))["code"] == "denied"
    assert set_user(world, user="hana", role="administrator", password=OTHERS_PASSWORD)["ok"]
    assert let_in(world) == {USER: 2000, "hana": 2002}


def test_who_may_not_be_removed_and_by_whom(world):
    assert remove(world, USER)["detail"] == "a camera keeps one administrator"
    assert remove(world, "nobody")["detail"] == "no such user"
    assert set_user(world, user=OTHER, role="operator", password=OTHERS_PASSWORD)["ok"]
    grant = world.ask("web", request("login", user=OTHER, password=OTHERS_PASSWORD))["grant"]
    assert world.ask("web", request("remove_user", grant=grant, user=USER))["code"] == "denied"
    assert opens(world) == {PASSWORD}


def remove(world, user):
    return world.ask("web", request("remove_user", grant=login(world)["grant"], user=user))


def test_an_erase_takes_store_and_secret_along(world):
    before = world.documents.content[SECRET]
    erase = request("erase", grant=login(world)["grant"], password=PASSWORD)
    assert world.ask("web", erase)["ok"]
    assert files(world) == NOBODY, "the restart is two seconds away"
    world.run_until(lambda: len(world.boots) > 1 and world.agent is not None)
    world.run_for(5)
    assert state(world) == "unclaimed"
    assert files(world) == NOBODY
    assert not {SHADOW, SECRET} & set(world.documents.content)
    assert claim(world)["ok"]
    assert world.documents.content[SECRET] != before


# --- Versions with and without


def test_a_version_without_them_forgets_the_store_at_the_next_change(kept):
    world = kept.copy(5)
    world.system_logins = None
    on(world)
    assert world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))["ok"]
    assert SHADOW not in world.documents.content
    assert everywhere(world, USER, NEW_PASSWORD) == {"in"}


def test_a_store_that_a_version_before_left_behind_is_no_word(kept):
    """It knows nothing of the store, changes the password, and gives way to this version again."""
    world = kept.copy(6)
    old = world.documents.content[SHADOW]
    world.system_logins = None
    on(world)
    assert world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))["ok"]
    world.power_cut()
    world.documents.content[SHADOW] = old
    on(with_logins(world))
    assert everywhere(world, USER, NEW_PASSWORD) == {"in"}
    assert files(world) == NOBODY, "the old password opened the console"


def test_administrators_of_before_get_a_shell_with_their_next_password(stage):
    world = with_logins(stage.world())
    on(world)
    assert files(world) == NOBODY
    assert world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))["ok"]
    assert shell(world, USER, NEW_PASSWORD) == "in"


# --- Evidence


def accounts_fact(world, usable):
    """The facts of evidence, and the verdict on default passwords, where these system accounts have a password."""
    world.sensors.found = {"system_accounts": {"checked": 3, "usable": usable}}
    world.admin("evidence")
    world.run_for(60)
    report = json.loads(world.scratch.content["evidence.json"])
    verdict = next(one for one in report["findings"] if one["criterion"] == "S1.1-02")
    return report["facts"], verdict


def test_evidence_tells_claimed_administrators_from_factory_accounts_and_says_what_guards_the_keys(world):
    facts, verdict = accounts_fact(world, [USER])
    assert facts["system_accounts"]["claimed"] == [USER]
    assert verdict["verdict"] == "PASS", verdict
    guards = {"keys": "none", "device_secret": "none"}
    assert facts["key_protection"] == {**guards, "not_resisted": ["the whole storage is read"]}
    _, verdict = accounts_fact(world, ["camera", USER])
    assert (verdict["verdict"], "camera" in verdict["reason"]) == ("FAIL", True)
    world.agent._console.turned_away = lambda account: True
    world.agent._console.refresh()
    assert accounts_fact(world, [USER])[1]["verdict"] == "FAIL"


# --- Power cuts


def opens(world):
    """Which of the two passwords open every path, console included; or the test fails."""
    found = set()
    for password in (PASSWORD, NEW_PASSWORD):
        results = everywhere(world, USER, password) | {shell(world, USER, password)}
        assert len(results) == 1, f"the paths differ: {results}"
        if results == {"in"}:
            found.add(password)
    return found


def test_a_cut_at_every_operation_of_a_change_leaves_old_or_new_everywhere(kept):
    seen = set()

    def story(world):
        on(world)
        assert world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))["ok"]

    def check(world, _cut):
        found = opens(world)
        assert len(found) == 1
        seen.update(found)
        assert let_in(world) == {USER: 2000}

    swept = sweep(kept.copy, story, check, after=on)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert seen == {PASSWORD, NEW_PASSWORD}
    assert f"store {SHADOW}" in swept.operations


def test_a_cut_at_every_operation_of_a_claim_leaves_it_unclaimed_or_claimed(stage):
    states = set()

    def story(world):
        on(world)
        assert claim(world)["ok"]

    def check(world, _cut):
        states.add(state(world))
        if state(world) == "unclaimed":
            assert everywhere(world, USER, PASSWORD) <= OUT
            assert files(world) == NOBODY
            assert claim(world)["ok"]
        assert state(world) == "claimed"
        assert opens(world) == {PASSWORD}

    swept = sweep(lambda seed: with_logins(stage.fresh(seed=seed)), story, check, after=on)
    assert swept.failures == []
    assert states == {"unclaimed", "claimed"}
    assert {f"store {SHADOW}", f"store {SECRET}"} <= set(swept.operations)


@pytest.fixture(scope="module")
def two(kept):
    """As `kept`, with a second administrator."""
    world = kept.copy(7)
    on(world)
    assert set_user(world, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    world.run_for(60)
    world.power_cut()
    return world


def test_a_cut_at_every_operation_of_losing_the_role_leaves_the_shell_or_takes_it(two):
    seen = set()

    def story(world):
        on(world)
        assert set_user(world, user=OTHER, role="viewer")["ok"]

    def check(world, _cut):
        reply = world.ask("web", request("login", user=OTHER, password=OTHERS_PASSWORD))
        seen.add(reply["role"])
        assert shell(world, OTHER, OTHERS_PASSWORD) == ("in" if reply["role"] == "administrator" else "refused")
        assert shell(world, USER, PASSWORD) == "in"

    swept = sweep(two.copy, story, check, after=on)
    assert swept.failures == []
    assert seen == {"administrator", "viewer"}


def test_a_cut_at_every_operation_of_a_removal_leaves_the_user_everywhere_or_nowhere(two):
    seen = set()

    def story(world):
        on(world)
        assert remove(world, OTHER)["ok"]

    def check(world, _cut):
        found = everywhere(world, OTHER, OTHERS_PASSWORD) | {shell(world, OTHER, OTHERS_PASSWORD)}
        assert len(found) == 1, f"the paths differ: {found}"
        seen.update(found)
        assert opens(world) == {PASSWORD}

    swept = sweep(two.copy, story, check, after=on)
    assert swept.failures == []
    assert seen == {"in", "refused"}
    assert f"store {SHADOW}" in swept.operations


def test_a_cut_at_every_operation_of_an_erase_leaves_the_shell_or_takes_it(kept):
    seen = set()

    def story(world):
        on(world)
        assert world.ask("web", request("erase", grant=login(world)["grant"], password=PASSWORD))["ok"]
        world.run_until(lambda: len(world.boots) > 1 and world.agent is not None)

    def check(world, _cut):
        seen.add(state(world))
        if state(world) == "claimed":
            assert opens(world) == {PASSWORD}
        else:
            assert state(world) == "unclaimed"
            assert files(world) == NOBODY
            assert not {SHADOW, SECRET} & set(world.documents.content)

    swept = sweep(kept.copy, story, check, after=on)
    assert swept.failures == []
    assert seen == {"claimed", "unclaimed"}
    assert f"delete {SECRET}" in swept.operations


# --- Stores of a version before


def user_of(documents):
    accounts = Accounts(MemoryStore(documents), UnsafeDeviceSecret(documents, Chance(1)))
    accounts.load(first_boot=False)
    return accounts.users


def made_plain(world):
    """The stores as the version before kept them: HA1 in the clear, no shadow, no secret."""
    world.power.restore()
    content = world.documents.content
    secret = UnsafeDeviceSecret(world.documents, Chance(1))
    content[stores.DIGEST], _ = stores.opened(stores.DIGEST, content[stores.DIGEST], secret)
    told = json.loads(content[STATE])
    told.pop("shadow", None)
    told["digest"] = hashlib.sha256(content[stores.DIGEST]).hexdigest()
    content[STATE] = json.dumps(told).encode()
    content.pop(SHADOW, None)
    content.pop(SECRET, None)
    return world


@pytest.mark.parametrize("logins", [False, True], ids=["alone", "with system logins"])
def test_a_cut_at_every_operation_of_sealing_what_was_plain_locks_nobody_out(stage, logins):
    def make(seed):
        world = made_plain(stage.world_with_seed(seed))
        return with_logins(world) if logins else world

    def check(world, _cut):
        assert everywhere(world, USER, PASSWORD) == {"in"}
        assert json.loads(world.documents.content["credentials/digest.json"])["v"] == 2
        assert "credentials/journal.json" not in world.documents.content

    swept = sweep(make, on, check)
    assert swept.failures == []
    assert f"store {SECRET}" in swept.operations
    assert "delete credentials/journal.json" in swept.operations


def test_stores_are_sealed_when_a_trial_has_been_committed_and_not_before(stage):
    """Rolled back, the version before has to read them."""
    world = stage.world("8.1.0")
    on(world)
    world.run_until(lambda: world.boots[-1].version == "8.1.0")
    world.power_cut()
    made_plain(world)
    world.power_on()
    world.run_for(0.01)
    assert world.boots[-1].version == "8.1.0"
    assert not settled(world, "8.1.0")
    assert json.loads(world.documents.content[stores.DIGEST])["v"] == 1
    assert everywhere(world, USER, PASSWORD) == {"in"}
    world.run_until(lambda: settled(world, "8.1.0"))
    assert json.loads(world.documents.content[stores.DIGEST])["v"] == 2
    assert everywhere(world, USER, PASSWORD) == {"in"}


def test_control_stores_written_one_after_the_other_without_a_journal_are_caught(stage):
    """The same change as people write it: each store atomically, and no way back."""

    def naive(world):
        world.power.restore()
        documents, secret = world.documents, UnsafeDeviceSecret(world.documents, Chance(1))
        digest = stores.digest_document(user_of(documents), secret)
        told = json.loads(documents.content[STATE])
        told["digest"] = hashlib.sha256(digest).hexdigest()
        MemoryStore(documents).write(stores.DIGEST, digest)
        MemoryStore(documents).write(STATE, json.dumps(told).encode())
        on(world)

    def check(world, _cut):
        assert everywhere(world, USER, PASSWORD) == {"in"}

    swept = sweep(lambda seed: made_plain(stage.world_with_seed(seed)), naive, check, after=lambda w: w.agent or on(w))
    assert swept.failures


def test_no_user_id_is_given_twice_whatever_ran_in_between(kept):
    """What a removed user has left running belongs to nobody later, also when a system without system logins ran."""
    world = kept.copy(3)
    on(world)
    for name in (OTHER, "hana"):
        assert set_user(world, user=name, role="administrator", password=OTHERS_PASSWORD)["ok"]
    assert let_in(world) == {USER: 2000, OTHER: 2001, "hana": 2002}
    world.power_cut()

    world.system_logins = None
    on(world)
    assert world.ask("web", request("remove_user", grant=login(world)["grant"], user="hana"))["ok"]
    assert set_user(world, user=OTHER, role="administrator", password=NEW_PASSWORD)["ok"]
    world.power_cut()

    on(with_logins(world))
    assert files(world) == NOBODY
    assert set_user(world, user="umi", role="administrator", password=OTHERS_PASSWORD)["ok"]
    assert set_user(world, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    assert let_in(world) == {"umi": 2003, OTHER: 2004}
