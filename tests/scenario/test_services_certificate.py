"""What the camera's services show to recorders: issued by the owner's CA, renewed in time, whatever the server does."""

from agent.formats import utc
from firmware_sim.world import certificates
from firmware_sim.world.network import DAY_S
from tests.scenario.owners import Second, administrator, login, on, request, restarted, status
from tests.scenario.test_renewal import DUE_DAYS, LIFE_DAYS

ISSUED = "web/issued/services.pem"


def given(world):
    """When the issued certificate was given; 0 without one."""
    return certificates.serial(world.documents.content.get(ISSUED))


def aged(stage, days):
    """The idle camera whose services' certificate was given `days` ago; the identity's own is young."""
    world = stage.world()
    now = int(world.clock.now_s)
    begin = now - days * DAY_S
    device = certificates.holder(world.documents.content["identity/certificate.pem"])
    world.documents.content[ISSUED] = certificates.make(device, begin, begin, begin + LIFE_DAYS * DAY_S)
    return world


def test_a_camera_with_an_owner_has_one_at_once_and_keeps_it(stage):
    world = stage.world()
    before = given(world)
    assert before > 0
    on(world)
    world.run_for(7200)
    assert given(world) == before
    assert world.server.services_issued == []
    ends_at = before + world.server.certificate_s
    assert status(world)["services_certificate"] == {"ends": utc.render(ends_at), "problem": ""}


def test_it_is_renewed_from_two_thirds_of_its_life_on(stage):
    young, due = aged(stage, 59), aged(stage, DUE_DAYS)
    for world in (young, due):
        on(world)
        world.run_for(1800)
    assert young.server.services_issued == []
    assert len(due.server.services_issued) == 1
    assert given(due) == due.server.services_issued[0]


def test_a_clock_that_somebody_sets_renews_nothing(stage):
    world = aged(stage, 1)
    world.clock.skew_s = 400 * DAY_S
    on(world)
    world.run_for(3600)
    assert world.server.services_issued == []


def test_a_server_that_has_none_costs_nothing_but_seldom_questions(stage):
    world = stage.world()
    del world.documents.content[ISSUED]
    world.server.down = True
    on(world)
    world.run_for(6 * 3600)
    assert given(world) == 0
    assert status(world)["services_certificate"]["problem"] == "unavailable: connection refused"
    assert status(world)["link"] == "up"
    world.server.down = False
    world.run_for(DAY_S)
    assert given(world) > 0
    assert status(world)["services_certificate"]["problem"] == ""


def test_a_denied_camera_gets_none(stage):
    world = aged(stage, DUE_DAYS)
    before = given(world)
    world.server.denied.add(certificates.holder(world.documents.content["identity/certificate.pem"]))
    on(world)
    world.run_for(1800)
    assert world.server.services_issued == []
    assert given(world) == before
    assert "403" in status(world)["services_certificate"]["problem"]


def test_a_damaged_one_is_replaced(stage):
    world = stage.world()
    world.documents.content[ISSUED] = b"damaged"
    on(world)
    world.run_for(60)
    assert given(world) == world.server.services_issued[0]


def test_the_next_owners_ca_issues_another_one(stage):
    world = stage.world()
    second = Second(stage, world)
    on(world)
    before = given(world)
    administrator(world, "disown")
    restarted(world)
    assert given(world) == 0, "the former owner's"
    assert world.ask("web", request("enrol", grant=login(world)["grant"], token=second.token))["ok"]
    world.run_until(lambda: second.server.services_issued != [])
    world.run_for(60)
    assert given(world) == second.server.services_issued[0] != before
    assert certificates.holder(world.documents.content[ISSUED]) == world.device_id()
