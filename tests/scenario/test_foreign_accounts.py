"""Accounts that nobody should have: found, told once, locked where they can be, and told again when they are gone."""

import json

import pytest

from agent.app import auditing
from agent.app.audit_state import DOCUMENT
from agent.formats import envelope
from firmware_sim.world.console import BASE_PASSWD, BASE_SHADOW
from firmware_sim.world.people import USER, claim, enrol, login, request
from firmware_sim.world.world import World
from tests.scenario.test_claims import on
from tests.scenario.test_system_logins import OTHERS_PASSWORD, set_user, with_logins

USERS = "/data/web/users"
HA1 = "/data/web/digest"
CLEAR = "/data/web/clear"
ROOT_KEYS = "/root/.ssh/authorized_keys"
HOME_KEYS = "/run/.ssh/authorized_keys"
KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB thief@example\n"
FILES = [
    {"path": USERS, "kind": "htpasswd", "declared": ["viewer"]},
    {"path": HA1, "kind": "htdigest"},
    {"path": CLEAR, "kind": "plain", "declared": ["viewer"]},
]


def accounts(policy="lock"):
    return {"policy": policy, "files": FILES}


@pytest.fixture(scope="module")
def kept(stage):
    """A claimed and enrolled camera with system logins, on which everything is as it should be; without power."""
    world = with_logins(stage.fresh())
    world.accounts = accounts()
    on(world)
    enrol(world, stage.operator, claim(world)["grant"])
    world.run_for(6 * 3600)
    assert alarms(world) == []
    world.power_cut()
    return world


@pytest.fixture
def camera(kept):
    return kept.copy(1)


def look(world: World):
    """Have root ask for a look; findings as (code, file, account, locked)."""
    return {(one["code"], one["path"], one["account"], one["locked"]) for one in world.admin("accounts")["found"]}


def started(world: World, policy="lock") -> World:
    world.accounts = accounts(policy)
    on(world)
    return world


def alarms(world: World):
    payloads = {(found.boot, found.seq): found for found in map(envelope.parse, world.broker.on("/up/alarm"))}
    return [found.body for found in payloads.values()]


def crypt(world: World, password: str) -> bytes:
    return world.console_files.crypt(password).encode()


def intrude(world: World, passwd: bytes = b"", shadow: bytes = b"") -> None:
    """Somebody who is root adds lines to the files in memory."""
    world.console_files.passwd += passwd
    world.console_files.shadow += shadow


def test_a_camera_as_it_left_the_factory_has_nothing_to_tell(camera):
    assert look(started(camera)) == set()
    assert (
        camera.admin("accounts")["checked"] == 6
    )  # the manufacturer's two twice, the owner in passwd and in our stores


def weak_world(camera, password="xc3511", policy="report"):
    world = started(camera, policy)
    world.files[USERS] = b"viewer:" + crypt(world, password) + b"\n"
    return world


FINDINGS = {
    "a second root": (b"toor:x:0:0::/:/bin/sh\n", b"toor:*:::::::\n", {("uid_zero", "/etc/passwd", "toor")}),
    "root twice": (b"root:x:0:0::/:/bin/sh\n", b"", {("uid_zero", "/etc/passwd", "root")}),
    "a root by an id that wraps": (b"w:x:4294967296:0::/:/bin/sh\n", b"", {("uid_zero", "/etc/passwd", "w")}),
    "nobody's account": (b"eve:x:5:5::/:/bin/false\n", b"", {("unknown_account", "/etc/passwd", "eve")}),
    "an account without a password": (b"", b"eve::::::::\n", {("empty_password", "/etc/shadow", "eve")}),
    "in passwd as well": (b"eve::5:5::/:/bin/sh\n", b"", {("empty_password", "/etc/passwd", "eve")}),
    "one with a shell": (b"eve:x:5:5::/:/bin/sh\n", b"eve:@:::::::\n", {("usable_account", "/etc/shadow", "eve")}),
    "a line behind the manufacturer's": (b"", b"camera:@:::::::\n", {("account_twice", "/etc/shadow", "camera")}),
    "another id for the owner": (b"OWNER:x:0:0::/:/bin/sh\n", b"", {("altered_account", "/etc/passwd", USER)}),
    "another hash for the owner": (b"", b"OWNER:@:::::::\n", {("altered_account", "/etc/shadow", USER)}),
    "a line that is none": (b"\xff\xfe:x:0:0::/:/bin/sh\n", b"", {("malformed_line", "/etc/passwd", "")}),
    "a line of too few fields": (b"eve:x:0\n", b"", {("malformed_line", "/etc/passwd", "")}),
}  # fmt: skip


@pytest.mark.parametrize("policy", ["report", "lock"])
@pytest.mark.parametrize("name", FINDINGS)
def test_each_kind_of_account_in_memory_is_found_and_locked(camera, name, policy):
    world = started(camera, policy)
    passwd, shadow, expected = FINDINGS[name]
    before = (world.console_files.passwd, world.console_files.shadow)
    fill = {b"OWNER": USER.encode(), b"@": crypt(world, "Some long words of nobody's")}
    for mark, text in fill.items():
        passwd, shadow = passwd.replace(mark, text), shadow.replace(mark, text)
    intrude(world, passwd, shadow)
    found = look(world)
    done = True if policy == "lock" else None
    assert {(*one, done) for one in expected} <= found
    after = (world.console_files.passwd, world.console_files.shadow)
    if policy == "report":
        assert after == (before[0] + passwd, before[1] + shadow), "reporting changes nothing"
        assert look(world) == found
    else:
        assert after == before
        assert look(world) == set()
    assert USER in world.agent._console.shown


@pytest.mark.parametrize("hashed", [b"$6$rounds=999999999$a$b", b"$y$jFT$a$b", b"$2b$31$abc", b"$9$a$b", b"rubbish"])
def test_a_hash_that_could_take_hours_or_is_of_no_known_kind_is_told_and_never_tried(camera, hashed):
    world = started(camera)
    world.files[USERS] = b"viewer:" + hashed + b"\n"
    world.run_for(3600)
    assert look(world) == {("untested_hash", USERS, "viewer", None)}
    assert [one for one in world.account_files.tried if one[2] == "viewer"] == []


@pytest.mark.parametrize("path", [ROOT_KEYS, HOME_KEYS, "/etc/dropbear/authorized_keys"])
def test_keys_are_found_wherever_ssh_would_look_for_them(camera, path):
    world = started(camera)
    world.files[path] = b"# nobody's\n\n" + KEY
    locked = path == HOME_KEYS
    assert look(world) == {("keys", path, "", locked)}
    assert (world.files[path] == b"# nobody's\n\n#" + KEY) is locked
    assert (look(world) == set()) is locked


def test_a_file_without_a_key_lets_nobody_in(camera):
    world = started(camera)
    world.files[ROOT_KEYS] = b"# none\n\n"
    assert look(world) == set()


def test_accounts_in_the_manufacturers_other_files_are_found_and_locked(camera):
    world = started(camera)
    good = crypt(world, "Nobody tries this one")
    world.files[USERS] = b"viewer:" + good + b"\neve:" + good + b"\nadmin:\n"
    world.files[HA1] = b"eve:camera:" + b"0" * 32 + b"\n"
    world.files[CLEAR] = b"viewer:Nobody tries this one either\neve:Nor this one of all\n"
    assert look(world) == {
        ("empty_password", USERS, "admin", True), ("unknown_account", USERS, "admin", True),
        ("unknown_account", USERS, "eve", True), ("unknown_account", HA1, "eve", True),
        ("unknown_account", CLEAR, "eve", True),
    }  # fmt: skip
    assert world.files[USERS] == b"viewer:" + good + b"\neve:!" + good + b"\nadmin:!\n"
    assert world.files[HA1] == b"eve:camera:!" + b"0" * 32 + b"\n"
    assert world.files[CLEAR] == b"viewer:Nobody tries this one either\n"
    assert look(world) == set()


def test_a_password_in_the_clear_that_everybody_tries_is_found_at_once(camera):
    world = started(camera)
    world.files[CLEAR] = b"viewer:Admin1234\n"
    assert look(world) == {("default_password", CLEAR, "viewer", True)}
    assert world.files[CLEAR] == b""


def test_what_lies_on_a_file_system_that_cannot_be_written_is_told_as_such(camera):
    world = started(camera)
    world.account_files.read_only = True
    world.files[USERS] = b"admin:\n"
    assert ("empty_password", USERS, "admin", False) in look(world)
    assert world.files[USERS] == b"admin:\n"


def test_an_account_that_the_manufacturer_left_open_is_for_the_manufacturer_to_mend(camera):
    world = started(camera)
    weak = crypt(world, "xc3511")
    world.console_files.base_files = (BASE_PASSWD, BASE_SHADOW.replace(b"root:*", b"root:" + weak))
    world.agent._console.refresh()
    assert world.console_files.passwd == b"", "nobody is let in at all meanwhile"
    assert look(world) == set(), "root's shell is none: the password alone is tried"
    world.run_for(4 * 3600)
    assert look(world) == {("default_password", "manufacturer:shadow", "root", False)}


@pytest.mark.parametrize("status", ["loop", "not_a_file", "too_large", "changing", "denied"])
@pytest.mark.parametrize("path", ["/etc/shadow", USERS, ROOT_KEYS])
def test_a_file_that_cannot_be_looked_into_is_told_and_hides_nothing_else(camera, status, path):
    world = started(camera)
    world.files[path] = status
    world.files[CLEAR] = b"eve:Nobody tries this one at all\n"
    assert {("unreadable_file", path, status, None), ("unknown_account", CLEAR, "eve", True)} <= look(world)


def test_a_file_without_end_is_no_reason_to_read_it(camera):
    world = started(camera)
    world.files[USERS] = b"viewer:*\n" * 100_000
    world.files[HA1] = b"\n" * 1000
    assert look(world) == {("unreadable_file", USERS, "too_large", None), ("unreadable_file", HA1, "too_large", None)}


def test_many_findings_are_cut_at_the_least_bad(camera):
    world = started(camera, "report")
    rows = [b"u%03d:x:5:5::/:/bin/false\n" % number for number in range(200)]
    intrude(world, b"".join(rows) + b"toor:x:0:0::/:/bin/sh\n")
    found = look(world)
    assert len(found) == 64
    assert ("uid_zero", "/etc/passwd", "toor", None) in found
    status = world.ask("web", request("device", grant=login(world)["grant"]))["accounts"]
    assert (status["count"], len(status["found"])) == (64, auditing.MAX_SHOWN)


# Telling


def test_it_is_told_once_and_told_when_it_is_over(camera):
    world = started(camera, "report")
    world.files[ROOT_KEYS] = KEY
    world.run_for(9000)
    assert [alarm["code"] for alarm in alarms(world)] == ["accounts_found"]
    assert alarms(world)[0]["found"] == [{"code": "keys", "path": ROOT_KEYS, "account": "", "locked": None}]
    world.power_cut()
    on(world)
    world.run_for(9000)
    assert len(alarms(world)) == 1, "nor after a restart"
    del world.files[ROOT_KEYS]
    world.run_for(9000)
    assert [alarm["code"] for alarm in alarms(world)] == ["accounts_found", "accounts_mended"]
    assert alarms(world)[1]["clears"] == "accounts_found"
    world.files[ROOT_KEYS] = KEY
    world.run_for(9000)
    assert [alarm["code"] for alarm in alarms(world)][2:] == ["accounts_found"]


def test_a_camera_without_an_operator_tells_its_page_and_later_its_operator(stage):
    world = with_logins(stage.fresh())
    on(world)
    grant = claim(world)["grant"]
    world.files[ROOT_KEYS] = KEY
    assert look(world) == {("keys", ROOT_KEYS, "", False)}
    assert world.ask("web", request("device", grant=grant))["accounts"]["count"] == 1
    enrol(world, stage.operator, grant)
    world.run_for(2 * 3600)
    assert [alarm["code"] for alarm in alarms(world)] == ["accounts_found"]


def test_the_page_tells_administrators_and_nobody_else(camera):
    world = started(camera)
    world.files[ROOT_KEYS] = KEY
    look(world)
    assert set_user(world, user="hana", role="viewer", password=OTHERS_PASSWORD)["ok"]
    assert world.ask("web", request("device", grant=login(world)["grant"]))["accounts"]["found"][0]["code"] == "keys"
    reply = world.ask("web", request("login", user="hana", password=OTHERS_PASSWORD))
    told = world.ask("web", request("device", grant=reply["grant"]))
    assert told["ok"]
    assert "accounts" not in told


def test_evidence_has_the_findings_and_an_open_account_fails(camera):
    world = started(camera, "report")
    world.sensors.found = {"system_accounts": {"checked": 2, "usable": []}}
    world.files[CLEAR] = b"viewer:admin\n"
    look(world)
    world.admin("evidence")
    report = json.loads(world.scratch.content["evidence.json"])
    found = [{"code": "default_password", "path": CLEAR, "account": "viewer", "locked": None}]
    assert report["facts"]["foreign_accounts"] == {"checked": 7, "untried": 0, "found": found}
    row = next(one for one in report["findings"] if one["criterion"] == "S1.1-02")
    assert (row["verdict"], "viewer in " + CLEAR in row["reason"]) == ("FAIL", True)
    world.files[CLEAR] = b"viewer:Nobody tries this one\n"
    look(world)
    world.admin("evidence")
    report = json.loads(world.scratch.content["evidence.json"])
    assert next(one for one in report["findings"] if one["criterion"] == "S1.1-02")["verdict"] == "PASS"


def test_no_message_holds_a_password_or_a_hash(camera):
    world = weak_world(camera)
    world.files[CLEAR] = b"viewer:vizxv\n"
    world.run_for(2 * 3600)
    told = json.dumps([alarms(world), world.admin("accounts"), world.console])
    for secret in ("xc3511", "vizxv", "$y$"):
        assert secret not in told


def test_a_damaged_state_is_tried_and_told_again(camera):
    world = weak_world(camera)
    world.run_for(3600)
    world.power_cut()
    world.documents.content[DOCUMENT] = b'{"v":2,"sealed":"AAAA"}'
    on(world)
    world.run_for(2 * 3600)
    assert [alarm["code"] for alarm in alarms(world)] == ["accounts_found", "accounts_found"]


def test_the_state_at_rest_is_sealed(camera):
    world = weak_world(camera)
    world.run_for(3600)
    assert list(json.loads(world.documents.content[DOCUMENT])) in (["v", "sealed"], ["sealed", "v"])


def test_a_line_that_cannot_be_read_leaves_its_file_alone(camera):
    world = started(camera)
    world.files[USERS] = b"no colon\nviewer:*\n"
    world.account_files.lock = None  # whoever called it would fail
    assert look(world) == {("malformed_line", USERS, "", False)}


def test_nothing_is_said_twice_and_evidence_is_not_collected_again(camera):
    world = started(camera, "report")
    world.agent._auditing._enrolled = False
    world.files[ROOT_KEYS] = KEY
    world.run_for(4 * 3600)
    assert [line for line in world.console if "account:" in line] == ["camward-agent: account: keys " + ROOT_KEYS]
