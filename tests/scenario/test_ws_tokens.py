"""WS-UsernameToken on ONVIF: off until an administrator switches it on, with a secret of its own (ADR 0022)."""

import json

import pytest

from agent.app.credentials import RUN_BEFORE_S
from agent.app.ws_tokens import FUTURE_S, MAX_NONCES, PAST_S
from agent.core.lockout import MAX_ACCOUNT_WAIT_S
from agent.formats import base64, utc, ws_token
from firmware_sim.world.people import PASSWORD, USER, login, request
from firmware_sim.world.power import OUTCOMES
from tests.scenario.sweep import sweep
from tests.scenario.test_claims import NEW_PASSWORD, OUT, everywhere, on, state

TOKEN = "credentials/token.json"
OTHER, OTHERS_PASSWORD = "sora", "Yama no ue ni 5 tsu no hoshi"


def start(world):
    """On, and a look at the director has brought a time receipt: the clock is proven."""
    on(world)
    return proven(world)


def proven(world):
    world.run_until(lambda: world.agent._credentials.proven_s() is not None)
    world.run_for(2)
    return world


@pytest.fixture(scope="module")
def idle(stage):
    """An enrolled camera of a maker who has not ruled it out, without power; nobody has it on."""
    world = stage.world()
    world.takes_tokens = True
    start(world)
    world.run_for(60)
    world.power_cut()
    return world


@pytest.fixture(scope="module")
def kept(idle):
    """The same with the token switched on for the administrator: (world without power, token)."""
    world = start(idle.copy(1))
    reply = switch_on(world)
    assert reply["ok"], reply
    world.run_for(60)
    world.power_cut()
    return world, reply["token"]


@pytest.fixture
def world(kept):
    return start(kept[0].copy(2))


def grant(world):
    return login(world, source="192.0.2.99")["grant"]


def switch_on(world, user=USER, password=PASSWORD):
    return world.ask("web", request("token_on", grant=grant(world), user=user, password=password))


def switch_off(world, user=USER):
    return world.ask("web", request("token_off", grant=grant(world), user=user))


def now(world):
    return int(world.clock.now_s)


def enter(world, secret, user=USER, created_at=None, nonce=None, service="onvif", source=None, created=None):
    """One login; the reply. Each comes from a source of its own unless one is named, so that nothing waits."""
    world.attempts = getattr(world, "attempts", 0) + 1
    source = source or f"203.0.113.{world.attempts % 250}"
    nonce = nonce if nonce is not None else b"nonce %d" % world.attempts
    created = created or utc.render(now(world) if created_at is None else created_at)
    asked = request("ws_token", user=user, nonce=base64.encode(nonce), created=created)
    asked["digest"], asked["source"] = ws_token.digest(nonce, created, secret), source
    return world.ask(service, asked)


def code(reply):
    return "ok" if reply["ok"] else reply["code"]


def test_it_is_off_until_it_is_switched_on_and_then_opens_onvif_alone(idle):
    world = start(idle.copy(3))
    assert code(enter(world, PASSWORD)) == "denied"
    assert TOKEN not in world.documents.content
    reply = switch_on(world)
    token = reply["token"]
    assert len(token) == ws_token.SECRET_CHARS
    entered = enter(world, token)
    assert (entered["ok"], entered["role"]) == (True, "administrator")
    for service in ("web", "rtsp"):
        assert code(enter(world, token, service=service)) == "denied"
    assert everywhere(world, USER, token) <= OUT, "it is no password"
    assert everywhere(world, USER, PASSWORD) == {"in"}
    assert code(enter(world, PASSWORD)) == "denied"
    assert token.encode() not in world.documents.content[TOKEN], "it is not stored in the clear"


def test_the_page_that_switches_ones_own_on_and_off_stays_signed_in(world):
    """It shows the secret, once; a session that ended just then would take it along."""
    signed_in = grant(world)
    on_again = world.ask("web", request("token_on", grant=signed_in, user=USER, password=PASSWORD))
    assert on_again["ok"], on_again
    assert world.ask("web", request("users", grant=signed_in))["ok"]
    assert world.ask("web", request("token_off", grant=signed_in, user=USER))["ok"]
    assert world.ask("web", request("users", grant=signed_in))["ok"]


def test_who_may_switch_it_on(world):
    wrong = world.ask("web", request("token_on", grant=grant(world), user=USER, password=NEW_PASSWORD))
    assert wrong["code"] == "denied"
    assert switch_on(world, user="nobody")["code"] == "bad_request"
    made = request("set_user", grant=grant(world), user=OTHER, role="operator", password=OTHERS_PASSWORD)
    assert world.ask("web", made)["ok"]
    theirs = world.ask("web", request("login", user=OTHER, password=OTHERS_PASSWORD))["grant"]
    asked = request("token_on", grant=theirs, user=OTHER, password=OTHERS_PASSWORD)
    assert world.ask("web", asked)["code"] == "denied"
    assert world.ask("web", request("token_off", grant=theirs, user=USER))["code"] == "denied"
    given = switch_on(world, user=OTHER)
    assert enter(world, given["token"], user=OTHER)["role"] == "operator"
    assert code(enter(world, given["token"])) == "denied", "each has their own"
    listed = world.ask("web", request("users", grant=grant(world)))
    assert (listed["ws_token"], {one["name"]: one["token"] for one in listed["users"]}) == (
        True,
        {USER: True, OTHER: True},
    )


def test_the_role_is_the_users_of_today(world):
    made = request("set_user", grant=grant(world), user=OTHER, role="operator", password=OTHERS_PASSWORD)
    assert world.ask("web", made)["ok"]
    token = switch_on(world, user=OTHER)["token"]
    assert world.ask("web", request("set_user", grant=grant(world), user=OTHER, role="viewer"))["ok"]
    assert enter(world, token, user=OTHER)["role"] == "viewer"


def test_switching_off_another_one_a_new_password_and_removal_end_it(kept):
    world, token = start(kept[0].copy(4)), kept[1]
    before = enter(world, token)["grant"]
    assert switch_off(world)["ok"]
    assert code(enter(world, token)) == "denied"
    assert world.ask("onvif", request("users", grant=before))["code"] == "denied"
    assert TOKEN not in world.documents.content
    first, second = switch_on(world)["token"], switch_on(world)["token"]
    assert code(enter(world, first)) == "denied"
    assert code(enter(world, second)) == "ok"
    assert world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))["ok"]
    assert code(enter(world, second)) == "denied"
    assert TOKEN not in world.documents.content


def test_a_removed_user_takes_it_along_and_so_does_an_erase(world):
    made = request("set_user", grant=grant(world), user=OTHER, role="viewer", password=OTHERS_PASSWORD)
    assert world.ask("web", made)["ok"]
    token = switch_on(world, user=OTHER)["token"]
    assert world.ask("web", request("remove_user", grant=grant(world), user=OTHER))["ok"]
    assert world.ask("web", made | {"grant": grant(world)})["ok"]
    assert code(enter(world, token, user=OTHER)) == "denied"
    assert world.ask("web", request("erase", grant=grant(world), password=PASSWORD))["ok"]
    world.run_until(lambda: len(world.boots) > 1 and world.agent is not None)
    world.run_for(5)
    assert state(world) == "unclaimed"
    assert TOKEN not in world.documents.content


# --- Replay


def test_what_was_overheard_opens_nothing_a_second_time(kept):
    world, token = start(kept[0].copy(5)), kept[1]
    created_at = now(world)
    assert code(enter(world, token, nonce=b"once", created_at=created_at)) == "ok"
    for wait_s in (0, 1, PAST_S - 2, 2, 3600):
        world.run_for(wait_s)
        assert code(enter(world, token, nonce=b"once", created_at=created_at)) == "denied", wait_s
    assert code(enter(world, token, nonce=b"twice")) == "ok"


def test_created_lies_near_the_clock_of_the_camera(kept):
    world, token = start(kept[0].copy(6)), kept[1]
    world.run_for(PAST_S + 60)
    for offset_s, wanted in (
        (2 - PAST_S, "ok"),
        (-PAST_S - 2, "denied"),
        (FUTURE_S - 1, "ok"),
        (FUTURE_S + 2, "denied"),
    ):
        assert code(enter(world, token, created_at=now(world) + offset_s)) == wanted, offset_s
    assert code(enter(world, token, created=utc.render(now(world))[:-1] + ".123Z")) == "ok"
    for text in ("", "now", "Z", utc.render(now(world))[:-1], utc.render(now(world))[:-1] + "+00:00"):
        world.run_for(MAX_ACCOUNT_WAIT_S)  # a success ends no stranger's wait
        assert code(enter(world, token, created=text or " ")) == "denied", text
        world.run_for(MAX_ACCOUNT_WAIT_S)
        assert code(enter(world, token)) == "ok", text
    for nonce in (b"", b"x" * 90):
        world.run_for(MAX_ACCOUNT_WAIT_S)
        assert code(enter(world, token, nonce=nonce)) == "denied"


def test_a_restart_refuses_what_was_created_before_it(kept):
    """Whatever clock the client has: nothing that was used before is taken afterwards."""
    world, token = start(kept[0].copy(7)), kept[1]
    world.run_for(60)
    used = [now(world), now(world) + FUTURE_S - 1]
    for created_at in used:
        assert code(enter(world, token, nonce=b"n%d" % created_at, created_at=created_at)) == "ok"
    world.power_cut()
    start(world)
    assert min(used) > now(world) - PAST_S, "the control: still within the window"
    for created_at in used:
        assert code(enter(world, token, nonce=b"n%d" % created_at, created_at=created_at)) == "denied"
    assert code(enter(world, token)) == "ok"


def test_a_receipt_that_somebody_holds_up_brings_back_nothing_from_before_the_restart(kept):
    """The camera takes it for earlier than it is then; what was used before it started is from before it asked."""
    world, token = start(kept[0].copy(13)), kept[1]
    world.run_for(60)
    created_at = now(world)
    assert code(enter(world, token, nonce=b"once", created_at=created_at)) == "ok"
    world.power_cut()
    on_time = world.server.receipts

    def held_up(nonce, at):
        receipt = on_time(nonce, at)
        world.clock.advance(60)
        return receipt

    world.server.receipts = held_up
    start(world)
    assert world.agent._credentials.proven_s() < now(world) - 50, "the control: the camera's clock is behind"
    assert code(enter(world, token, nonce=b"once", created_at=created_at)) == "denied"
    assert code(enter(world, token, created_at=world.agent._credentials.proven_s())) == "ok"


def test_an_agent_that_is_back_at_once_takes_nothing_that_was_made_for_later(kept, monkeypatch):
    """What a clock that is ahead has made was used before a restart that took no time at all."""
    monkeypatch.setattr("firmware_sim.world.world.BOOT_S", 0)
    world, token = start(kept[0].copy(14)), kept[1]
    world.run_for(60)
    created_at = now(world) + FUTURE_S - 1
    assert code(enter(world, token, nonce=b"once", created_at=created_at)) == "ok"
    world.power_cut()
    on(world)
    world.run_until(world.agent._credentials._time.certain)
    assert now(world) < created_at, "the control: it is still in the future"
    for _ in range(RUN_BEFORE_S + 5):
        assert code(enter(world, token, nonce=b"once", created_at=created_at)) in ("busy", "denied")
        world.run_for(1)
    world.run_for(MAX_ACCOUNT_WAIT_S)
    assert code(enter(world, token)) == "ok"


def test_a_time_that_a_new_director_root_has_taken_back_is_proven_no_more(kept):
    world, token = start(kept[0].copy(15)), kept[1]
    time = world.agent._credentials._time
    then = now(world) - 60
    assert code(enter(world, token)) == "ok", "the control"
    time.reset(then)
    assert code(enter(world, token, created_at=then)) == "busy"
    assert code(enter(world, token)) == "busy"


def test_without_a_proven_clock_nothing_is_taken_and_nobody_is_blamed(kept):
    world, token = kept[0].copy(8), kept[1]
    world.server.receipts = None
    on(world)
    world.run_for(900)
    for secret in (token, "wrong"):
        for _ in range(12):
            assert code(enter(world, secret, source="203.0.113.9")) == "busy"
    assert login(world)["ok"], "it was no try"
    assert switch_on(world)["code"] == "clock"
    assert switch_off(world)["ok"], "taking it away needs no clock"
    assert TOKEN not in world.documents.content


def test_when_there_are_too_many_nonces_new_ones_are_refused_and_none_is_forgotten(kept):
    world, token = start(kept[0].copy(9)), kept[1]
    first_at = now(world)
    for number in range(MAX_NONCES):
        assert code(enter(world, token, nonce=b"many %d" % number, created_at=first_at)) == "ok"
    assert code(enter(world, token)) == "busy"
    assert code(enter(world, token, nonce=b"many 0", created_at=first_at)) == "denied"
    made = request("set_user", grant=grant(world), user=OTHER, role="viewer", password=OTHERS_PASSWORD)
    assert world.ask("web", made)["ok"]
    theirs = switch_on(world, user=OTHER)["token"]
    assert code(enter(world, theirs, user=OTHER)) == "ok", "each user's recorder spends its own"
    world.run_for(PAST_S + 2)
    assert code(enter(world, token)) == "ok"


# --- Guessing


def test_wrong_tokens_count_with_all_other_wrong_tries(world):
    found = [code(enter(world, "A" * 20, source="203.0.113.77")) for _ in range(12)]
    assert found[0] == "denied"
    assert found[-1] == "wait"
    other = [code(enter(world, "A" * 20, user="nobody", source="203.0.113.78")) for _ in range(12)]
    assert other == found, "the same answers for who does not exist"
    asked = request("login", user=USER, password=PASSWORD) | {"source": "203.0.113.77"}
    assert code(world.ask("web", asked)) == "wait"


def test_a_service_that_ignores_the_token_stops_the_switch(idle):
    world = start(idle.copy(10))
    opened = world.ports.services.enter

    def entering(service, source, user, password):
        return "in" if service["way"] == "ws_token" else opened(service, source, user, password)

    world.ports.services.enter = entering
    reply = switch_on(world)
    assert (reply["ok"], reply["code"]) == (False, "busy")
    assert "token" not in reply
    assert TOKEN not in world.documents.content
    assert everywhere(world, USER, PASSWORD) == {"in"}


# --- Stores


@pytest.mark.parametrize("damage", ["gone", "rubbish", "anothers"])
def test_a_damaged_store_locks(kept, damage):
    world = kept[0].copy(11)
    content = world.documents.content
    if damage == "gone":
        del content[TOKEN]
    else:
        content[TOKEN] = b"\x00\xff{" if damage == "rubbish" else content["credentials/digest.json"]
    on(world)
    assert state(world) == "locked"
    assert code(enter(world, kept[1])) == "locked"


def test_where_the_maker_rules_it_out_it_is_off_whatever_is_stored(kept):
    world, token = kept[0].copy(12), kept[1]
    world.takes_tokens = False
    on(world)
    assert code(enter(world, token)) == "denied"
    assert TOKEN not in world.documents.content, "the next start takes it away"
    assert switch_on(world)["code"] == "bad_request"
    assert everywhere(world, USER, PASSWORD) == {"in"}


def test_evidence_says_who_has_it_on(world):
    world.admin("evidence")
    world.run_for(120)
    report = json.loads(world.scratch.content["evidence.json"])
    assert report["facts"]["ws_token"] == {"allowed": True, "users": [USER]}


# --- Power cuts


@pytest.mark.parametrize("story_of", ["on", "again", "off", "password"])
def test_a_cut_at_every_operation_leaves_old_or_new_everywhere(idle, kept, story_of):
    seen = set()
    make = (idle if story_of == "on" else kept[0]).copy
    old = [] if story_of == "on" else [kept[1]]

    def story(world):
        start(world)
        if story_of in ("on", "again"):
            reply = switch_on(world)
            assert reply["ok"], reply
        elif story_of == "off":
            assert switch_off(world)["ok"]
        else:
            assert world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))["ok"]
        world.run_for(10)  # the counters are written: cuts go beyond the commit, whatever was written before it

    def check(world, _cut):
        assert "credentials/journal.json" not in world.documents.content
        assert state(world) == "claimed"
        passwords = [one for one in (PASSWORD, NEW_PASSWORD) if everywhere(world, USER, one) == {"in"}]
        assert len(passwords) == 1
        stored = world.agent._accounts.users[USER].token
        kept_token = stored in old
        if stored:  # first, so that no wrong try before it makes it wait
            assert code(enter(world, stored)) == "ok"
        for one in old:
            assert code(enter(world, one)) == ("ok" if kept_token else "denied")
        assert (TOKEN in world.documents.content) is bool(stored)
        if story_of == "password":
            assert kept_token is (passwords == [PASSWORD]), "the token and the password went together"
        seen.add("old" if stored == "".join(old) else "new")

    swept = sweep(make, story, check, after=start)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert seen == {"old", "new"}
    assert any(TOKEN in one for one in swept.operations)
