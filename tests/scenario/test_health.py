"""The health checks that a manufacturer can declare: each one fails for its own reason alone, and says which."""

import pytest

from agent.app import tickets
from agent.app.digest import response, secret
from agent.app.health import CALL_S
from agent.core.slots import RECORDED_FAILURES
from firmware_sim.world import people
from tests.scenario.looks import events, reports, running, settled

EVERYTHING = {
    "deadline_s": 60,
    "checks": [
        {"check": "answers", "service": "web"},
        {"check": "answers", "service": "onvif"},
        {"check": "plays", "service": "rtsp", "deadline_s": 120},
        {"check": "server", "deadline_s": 180},
        {"check": "watchdog"},
    ],
}


@pytest.fixture
def world(stage):
    """A camera whose manufacturer declares every check, with an update waiting."""
    made = stage.world("1.1.0")
    made.health = EVERYTHING
    made.power_on()
    return made


def to_the_trial(world):
    world.run_until(lambda: world.boots[-1].on_trial)


def test_a_system_that_passes_everything_is_committed(world):
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(60)
    assert events(world) == ["started", "installed", "committed"]
    assert len(world.boots) == 2


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda world: world.dead_services.add("web"), "no answer from web"),
        (lambda world: world.dead_services.update(("web", "onvif")), "no answer from onvif, web"),
        (lambda world: world.dead_services.add("rtsp"), "no picture from rtsp"),
        (lambda world: world.frozen_streams.add("rtsp"), "no picture from rtsp"),
        (lambda world: setattr(world.broker, "down", True), "the server is not reached"),
        (lambda world: setattr(world, "broken_watchdog", True), "the watchdog is not fed"),
    ],
)
def test_each_check_fails_for_its_reason_and_the_report_names_it(world, break_it, said):
    world.run_until(lambda: len(world.boots) == 1 and world.agent._updating.state.phase == "armed")
    break_it(world)
    world.run_until(lambda: running(world) == "1.0.0" and len(world.boots) == 2 + RECORDED_FAILURES)
    world.broker.down = False
    world.run_until(lambda: "rolled_back" in events(world))
    assert reports(world)[-1].detail == "3 health checks failed, the last: " + said


def test_a_check_may_fail_until_its_deadline(world):
    to_the_trial(world)
    world.frozen_streams.add("rtsp")
    world.run_for(100)  # beyond the others' deadline
    world.frozen_streams.clear()
    world.run_until(lambda: settled(world, "1.1.0"))
    assert len(world.boots) == 2


@pytest.mark.parametrize(
    ("service", "said"), [("web", "no answer from web"), ("rtsp", "no picture from rtsp")], ids=["answers", "plays"]
)
def test_a_check_that_never_ends_fails_after_its_deadline(world, service, said):
    """Not even the adapter's own bounds hold."""
    world.run_until(lambda: len(world.boots) == 1 and world.agent._updating.state.phase == "armed")
    world.hung_services.add(service)
    to_the_trial(world)
    world.run_for(CALL_S - 30)
    assert len(world.boots) == 2, "it was judged before a call may take so long"
    world.run_until(lambda: running(world) == "1.0.0" and len(world.boots) == 2 + RECORDED_FAILURES)
    world.run_until(lambda: "rolled_back" in events(world))
    assert reports(world)[-1].detail == "3 health checks failed, the last: " + said


def test_in_an_ordinary_boot_such_a_check_is_told_and_made_again(stage):
    world = stage.world()
    world.health = EVERYTHING
    world.hung_services.add("onvif")
    world.power_on()
    world.run_for(4.5 * CALL_S)
    said = [line for line in world.console if line == "camward-agent: not healthy: no answer from onvif"]
    assert len(said) == 4
    assert world.admin("status")["health"] == "unhealthy"
    assert len(world.boots) == 1
    world.hung_services.clear()
    world.run_for(300)
    assert world.admin("status")["health"] == "healthy"


def test_a_server_that_was_not_reached_before_the_update_either_is_excused(world):
    world.run_until(lambda: world.agent._updating.state.phase == "installing")
    world.broker.down = True
    world.run_until(lambda: settled(world, "1.1.0"))
    assert len(world.boots) == 2


def test_an_ordinary_boot_without_a_server_is_healthy(stage):
    world = stage.world()
    world.health = EVERYTHING
    world.broker.down = world.server.down = True
    world.power_on()
    world.run_for(300)
    assert world.admin("status")["health"] == "healthy"


def test_an_unclaimed_camera_shows_nobody_a_picture_and_is_healthy(stage):
    world = stage.fresh()
    world.health = EVERYTHING
    world.frozen_streams.add("rtsp")
    world.power_on()
    world.run_for(300)
    assert world.admin("status")["health"] == "healthy"


# --- the ticket is no back door


class Probe:
    """Someone who knows a ticket, or a part of it, and asks as the camera would on their behalf."""

    def __init__(self, world):
        self.world = world
        self.ticket = world.agent._health._tickets.issue("rtsp", "127.9.8.7")

    def ask(self, method="DESCRIBE", service="rtsp", **changed):
        found = {"source": self.ticket.source, "user": self.ticket.user, "password": self.ticket.password} | changed
        challenge = self.world.ask(service, people.request("nonce", source=found["source"]))
        given = {"realm": challenge["realm"], "nonce": challenge["nonce"], "uri": "/", "algorithm": "SHA-256"}
        ha1 = secret("SHA-256", found["user"], found["password"])
        counted = ("00000001", "0a4f113b", "auth")
        answer = response("SHA-256", ha1, method, "/", challenge["nonce"], counted)
        given |= {"nc": counted[0], "cnonce": counted[1], "qop": counted[2], "method": method, "response": answer}
        request = people.request("digest", user=found["user"], source=found["source"], **given)
        return self.world.ask(service, request)


@pytest.fixture
def probe(stage):
    world = stage.world()
    world.power_on()
    world.run_for(60)
    return Probe(world)


def test_the_ticket_opens_one_play_for_a_viewer_and_its_grant_opens_nothing(probe):
    for method in tickets.METHODS:
        reply = probe.ask(method)
        assert (reply["ok"], reply["role"]) == (True, "viewer")
        assert probe.world.ask("rtsp", people.request("device", grant=reply["grant"]))["code"] == "denied"
        assert probe.ask(method)["ok"] is False, "a request was let in twice"


@pytest.mark.parametrize(
    "changed",
    [
        {"service": "web"},
        {"service": "onvif"},
        {"source": "127.9.8.6"},
        {"source": "192.0.2.7"},
        {"user": "probe-0"},
        {"password": "x"},
        {"method": "GET"},
        {"method": "TEARDOWN"},
    ],
    ids=str,
)
def test_with_anything_else_it_opens_nothing(probe, changed):
    assert probe.ask(**changed)["ok"] is False


def test_a_wrong_answer_ends_it(probe):
    assert probe.ask(password="x")["ok"] is False
    assert probe.ask()["ok"] is False


def test_it_lives_for_seconds_only(probe):
    assert probe.ask("DESCRIBE")["ok"] is True
    probe.world.run_for(tickets.TICKET_LIFE_S + 1)
    assert probe.ask("SETUP")["ok"] is False


def test_the_next_one_and_the_end_of_the_probe_end_it(probe):
    probe.world.agent._health._tickets.issue("rtsp", "127.1.1.1")
    assert probe.ask()["ok"] is False
    probe = Probe(probe.world)
    probe.world.agent._health._tickets.withdraw()
    assert probe.ask()["ok"] is False


def test_its_password_is_no_login(probe):
    """Only what a stream's player sends is answered; not the web page's form."""
    ticket = probe.ticket
    given = people.request("login", user=ticket.user, password=ticket.password, source=ticket.source)
    assert probe.world.ask("rtsp", given)["code"] == "denied"
