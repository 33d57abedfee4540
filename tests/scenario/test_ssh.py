"""SSH: closed, unless an administrator has opened it; open for one person, one drawn password, and a limited time."""

import json

import pytest

from agent.app.console import Console
from agent.app.ssh import draw
from firmware_sim.world.chance import Chance
from firmware_sim.world.people import PASSWORD, USER, claim, login, request
from tests.scenario.test_claims import NEW_PASSWORD, OUT, everywhere, on, state
from tests.scenario.test_system_logins import NOBODY, OTHER, OTHERS_PASSWORD, SETTINGS, files, let_in, set_user, shell

PORT = 22


@pytest.fixture(scope="module")
def kept(stage):
    """A claimed camera that has an SSH server, without power."""
    world = stage.fresh()
    world.system_logins = {**SETTINGS, "ssh_port": PORT}
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


def ask_open(world, minutes="60", password=PASSWORD):
    return world.ask("web", request("open_ssh", grant=login(world)["grant"], password=password, minutes=minutes))


@pytest.fixture
def opened(world):
    """The world, and the password that was drawn."""
    reply = ask_open(world)
    assert reply["ok"], reply
    assert world.ssh.enter(USER, reply["password"]) == "in"
    return world, reply["password"]


def is_over(world, password):
    """SSH is closed, and the drawn password is nobody's any more."""
    return world.ssh.port == 0 and shell(world, USER, password) != "in"


def test_it_is_closed_before_the_claim_after_it_and_after_a_start(stage, world):
    fresh = stage.fresh()
    fresh.system_logins = {**SETTINGS, "ssh_port": PORT}
    on(fresh)
    assert fresh.ssh.port == 0
    assert fresh.ask("web", request("open_ssh", grant="x", password=PASSWORD, minutes="60"))["code"] == "unclaimed"
    assert world.ssh.port == 0
    assert world.admin("status")["ssh"] == {"open": False}


def test_while_it_is_open_the_drawn_password_is_the_only_one(opened):
    world, password = opened
    assert let_in(world) == {USER: 2000}
    for user, wrong in ((USER, PASSWORD), ("root", password), ("root", "xc3511"), ("admin", "admin"), (USER, "")):
        assert world.ssh.enter(user, wrong) == "refused"
    assert everywhere(world, USER, PASSWORD) == {"in"}, "the other paths go on"
    assert everywhere(world, USER, password) <= OUT, "and know nothing of it"
    status = world.admin("status")["ssh"]
    assert (status["open"], status["user"], status["port"]) == (True, USER, PORT)


def test_other_administrators_passwords_cannot_be_guessed_at_meanwhile(world):
    assert set_user(world, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    assert ask_open(world)["ok"]
    assert let_in(world) == {USER: 2000}
    assert world.ssh.enter(OTHER, OTHERS_PASSWORD) == "refused"
    world.run_for(3600)
    assert let_in(world) == {USER: 2000, OTHER: 2001}


@pytest.mark.parametrize("minutes", ["10", "240"])
def test_it_ends_with_its_time(world, minutes):
    password = ask_open(world, minutes)["password"]
    assert world.ssh.seconds == 60 * int(minutes), "the server knows its end, whatever becomes of the agent"
    world.run_for(60 * int(minutes) - 5)
    assert world.ssh.enter(USER, password) == "in"
    world.run_for(10)
    assert is_over(world, password)
    assert shell(world, USER, PASSWORD) == "in", "the console has its own lines back"


@pytest.mark.parametrize("minutes", ["9", "241", "0", "-60", "", "1e2", "٦٠"])
def test_other_times_are_refused(world, minutes):
    assert ask_open(world, minutes)["code"] == "bad_request"
    assert world.ssh.port == 0


def test_it_takes_the_password_once_more_and_wrong_ones_count(world):
    grant = login(world)["grant"]
    codes = [
        world.ask("web", request("open_ssh", grant=grant, password="wrong", minutes="60"))["code"] for _ in range(8)
    ]
    assert codes[0] == "denied"
    assert codes[-1] == "wait"
    assert world.ssh.port == 0


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_only_administrators_open_or_close_it(opened, role):
    world, password = opened
    world.ask("web", request("close_ssh", grant=login(world)["grant"]))
    assert is_over(world, password)
    assert set_user(world, user=OTHER, role=role, password=OTHERS_PASSWORD)["ok"]
    grant = world.ask("web", request("login", user=OTHER, password=OTHERS_PASSWORD))["grant"]
    reply = world.ask("web", request("open_ssh", grant=grant, password=OTHERS_PASSWORD, minutes="60"))
    assert reply["code"] == "denied"
    assert ask_open(world)["ok"]
    assert world.ask("web", request("close_ssh", grant=grant))["code"] == "denied"
    assert world.ssh.port == PORT


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_others_are_not_told_that_it_is_open_nor_who_the_administrator_is(world, role):
    assert set_user(world, user=OTHER, role=role, password=OTHERS_PASSWORD)["ok"]
    assert ask_open(world)["ok"]
    grant = world.ask("web", request("login", user=OTHER, password=OTHERS_PASSWORD))["grant"]
    told = world.ask("web", request("device", grant=grant))
    assert told["ok"]
    assert "ssh" not in told
    assert f'"{USER}"' not in json.dumps(told)
    assert world.ask("web", request("device", grant=login(world)["grant"]))["ssh"]["open"] is True


def lose_role(world):
    assert set_user(world, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    world.password_now = ask_open(world)["password"]
    assert set_user(world, user=USER, role="viewer")["ok"]


def be_removed(world):
    assert set_user(world, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    world.password_now = ask_open(world)["password"]
    grant = world.ask("web", request("login", user=OTHER, password=OTHERS_PASSWORD))["grant"]
    assert world.ask("web", request("remove_user", grant=grant, user=USER))["ok"]


def change(world):
    assert world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))["ok"]
    assert shell(world, USER, NEW_PASSWORD) == "in"


def be_ordered(world):
    """An order to change passwords has come to shut this one out."""
    world.agent._console.turned_away = lambda account: True
    world.agent._console.refresh()
    assert files(world) == NOBODY


def lock(world):
    world.agent._accounts.lock()
    assert state(world) == "locked"


def erase(world):
    assert world.ask("web", request("erase", grant=login(world)["grant"], password=PASSWORD))["ok"]


def be_closed(world):
    assert world.ask("web", request("close_ssh", grant=login(world)["grant"]))["ok"]


def be_closed_at_the_console(world):
    assert world.admin("close_ssh")["ok"]


ENDS = (lose_role, be_removed, change, be_ordered, lock, erase, be_closed, be_closed_at_the_console)


@pytest.mark.parametrize("end", ENDS, ids=[one.__name__ for one in ENDS])
def test_whatever_changes_who_may_be_let_in_ends_it(opened, end):
    world, password = opened
    end(world)
    assert is_over(world, password)
    assert is_over(world, getattr(world, "password_now", password))


def test_a_power_cut_leaves_it_closed_and_nothing_of_it_behind(opened):
    world, password = opened
    assert not [name for name, body in world.documents.content.items() if password.encode() in body]
    world.power_cut()
    world.power_on()
    world.run_for(1)
    assert is_over(world, password)
    assert shell(world, USER, PASSWORD) == "in"


def test_an_agent_that_starts_ends_what_the_one_before_has_left(kept):
    world = kept.copy(3)
    on(world)
    assert world.ssh.closes == 1


def test_opening_again_draws_again(opened):
    world, password = opened
    again = ask_open(world)["password"]
    assert again != password
    assert world.ssh.enter(USER, password) == "refused"
    assert world.ssh.enter(USER, again) == "in"


def test_root_at_the_console_opens_it_for_an_administrator_alone(world):
    assert world.admin("open_ssh", user=OTHER, minutes="10")["ok"] is False
    reply = world.admin("open_ssh", user=USER, minutes="10")
    assert world.ssh.enter(USER, reply["password"]) == "in"


@pytest.mark.parametrize("fault", ["ssh.broken", "console_files.broken", "console_files.hashless"])
def test_what_cannot_be_opened_stays_closed(world, fault):
    part, name = fault.split(".")
    setattr(getattr(world, part), name, True)
    reply = ask_open(world)
    assert reply["ok"] is False
    assert world.ssh.port == 0
    assert world.admin("status")["ssh"] == {"open": False}
    setattr(getattr(world, part), name, False)
    assert ask_open(world)["ok"]


def test_a_server_that_cannot_be_ended_lets_nobody_in_any_more_and_is_ended_later(opened):
    world, password = opened
    world.ssh.stubborn = True
    be_closed(world)
    assert world.ssh.port == PORT
    assert world.ssh.enter(USER, password) == "refused"
    status = world.admin("status")
    assert (status["ssh"]["open"], "ssh_unended" in status["problems"]) == (True, True)
    world.ssh.stubborn = False
    world.run_for(15)
    assert world.ssh.port == 0


def test_a_change_while_it_is_being_opened_wins(world, monkeypatch):
    """The file changes between the word to the server and its answer."""
    opening, console = world.ssh.open, world.agent._console

    def late(port, seconds):
        console.refresh()
        opening(port, seconds)

    monkeypatch.setattr(world.ssh, "open", late)
    assert ask_open(world)["code"] == "busy"
    assert world.ssh.port == 0


def test_a_camera_without_a_server_has_no_ssh(kept):
    world = kept.copy(4)
    world.system_logins = dict(SETTINGS)
    on(world)
    assert ask_open(world)["detail"] == "this camera has no SSH"
    assert world.ask("web", request("close_ssh", grant=login(world)["grant"]))["ok"] is False
    assert world.admin("status")["ssh"] == {}


def facts(world):
    world.sensors.found = {"tls_listeners": {"tried": [{"service": "", "port": PORT, "tls": False, "version": ""}]}}
    world.admin("evidence")
    return json.loads(world.scratch.content["evidence.json"])["facts"]


def test_evidence_says_whether_it_is_open(opened):
    world, _ = opened
    open_now = facts(world)
    assert open_now["ssh"]["open"] is True
    assert open_now["tls_listeners"]["tried"] == [], "not proved, rather than a port without TLS"
    be_closed(world)
    assert facts(world)["ssh"] == {"open": False}
    assert len(facts(world)["tls_listeners"]["tried"]) == 1, "a port that nobody has opened"


def test_drawn_passwords_have_eighty_bits_and_differ():
    chance = Chance("draw")
    found = {draw(chance.bytes(10)) for _ in range(100)}
    assert len(found) == 100
    assert draw(b"\0" * 10) == "aaaa-aaaa-aaaa-aaaa"
    assert draw(b"\xff" * 10) == "7777-7777-7777-7777"
    assert all(len(one) == 19 for one in found)


def test_the_control_without_the_hook_goes_on(kept, monkeypatch):
    """A console that tells nobody of its changes leaves SSH open: what the tests above would see."""
    world = kept.copy(5)
    on(world)
    assert ask_open(world)["ok"]
    console: Console = world.agent._console
    console.replaced_hook = lambda: None
    change(world)
    assert world.ssh.port == PORT


def test_the_audit_of_accounts_knows_the_drawn_password(world):
    reply = ask_open(world, minutes="240")
    assert reply["ok"], reply
    world.run_for(3 * 3600)  # several looks
    assert world.ssh.enter(USER, reply["password"]) == "in"
    looked = world.admin("accounts")
    assert (looked["found"], looked["checked"] > 0) == ([], True)
    assert world.ssh.enter(USER, reply["password"]) == "in"
