"""The installer's tool against real camera processes: found, claimed, handed over, and safe to run again."""

import json
import signal
import subprocess

import pytest

from firmware_sim.netns import FRONT_ADDRESS
from tests.contract.camera.clients import Browser

PASSWORD_FIELDS = ("user", "password")


def claims(unit):
    return [request for _, request in unit.agent.asked if request["op"] == "claim"]


def signs_in(unit, account):
    reply = Browser(unit.process).post("/api/login", {name: account[name] for name in PASSWORD_FIELDS})
    return reply.status == 200


def test_cameras_on_the_segment_are_found_and_claimed_each_with_its_own_password(make_units, tool):
    units = make_units(3, address="0.0.0.0", discovery=3702)
    units[2].agent.claim("somebody", "somebody else was here")

    listed = json.loads(tool.run("discover", "--seconds", "2", "--json").stdout)
    assert [(one["serial"], one["state"], one["model"]) for one in listed] == [
        (units[0].serial, "unclaimed", "kawa-1"), (units[1].serial, "unclaimed", "kawa-1"), ("", "claimed", "kawa-1"),
    ]  # fmt: skip
    table = tool.run("discover", "--seconds", "2", LANG="ja_JP.UTF-8").stdout
    assert "未設定" in table
    assert units[0].serial in table

    codes = "serial,code\n" + "".join(f"{unit.serial},{unit.code}\n" for unit in units[:2])
    (tool.folder / "codes.csv").write_text(codes)
    done = tool.run("claim", "site.handover", "--codes", "codes.csv", "--to", "office.pub", "--seconds", "2")
    assert "2 of 2 cameras are claimed" in done.stdout
    assert "claimed by somebody else" in done.stdout

    accounts = tool.accounts()
    assert sorted(one["serial"] for one in accounts) == [unit.serial for unit in units[:2]]
    assert len({one["password"] for one in accounts}) == 2
    for unit in units[:2]:
        (account,) = [one for one in accounts if one["serial"] == unit.serial]
        assert (account["state"], signs_in(unit, account)) == ("claimed", True)
    written = (tool.folder / "site.handover").read_text() + done.stdout + done.stderr
    for secret in [one["password"] for one in accounts] + [unit.code for unit in units]:
        assert secret not in written
    assert (tool.folder / "site.handover").stat().st_mode & 0o777 == 0o600


def test_a_wrong_code_is_never_sent_and_the_others_are_claimed(make_units, tool):
    units = make_units(3)
    units[1].code = "A" * 16
    results = tool.claim(units, status=1)
    assert [results[unit.serial]["code"] for unit in units] == ["claimed", "not_proved", "claimed"]
    assert (claims(units[1]), units[1].agent.state) == ([], "unclaimed")
    assert [one["serial"] for one in sorted(tool.accounts(), key=lambda one: one["serial"])] == [
        units[0].serial, units[2].serial,
    ]  # fmt: skip


def test_running_it_again_claims_what_is_left_and_changes_nothing_else(make_units, tool):
    units = make_units(2)
    first = tool.claim(units[:1])
    assert first[units[0].serial]["code"] == "claimed"
    before = tool.accounts()

    second = tool.claim(units)
    assert [second[unit.serial]["code"] for unit in units] == ["already", "claimed"]
    assert [one for one in tool.accounts() if one["serial"] == units[0].serial] == before
    assert len(claims(units[0])) == 1


def test_a_label_without_a_camera_and_a_camera_without_a_label_are_told(make_units, tool):
    units = make_units(2)
    (tool.folder / "codes.csv").write_text(f"{units[0].serial},{units[0].code}\nKW1-999999,{'B' * 16}\n")
    where = [part for unit in units for part in ("--address", unit.where)]
    done = tool.run("claim", "f", "--codes", "codes.csv", "--to", "office.pub", *where, "--json", status=1)
    results = {one["serial"]: one["code"] for one in json.loads(done.stdout)["cameras"]}
    assert results == {units[0].serial: "claimed", units[1].serial: "no_code", "KW1-999999": "missing"}


def test_codes_are_asked_for_one_by_one_and_mistakes_again(make_units, tool):
    units = make_units(2)
    where = [part for unit in units for part in ("--address", unit.where)]
    done = tool.run(
        "claim", "site.handover", "--ask", "--to", "office.pub", *where, "--json",
        typed=f"too short\n{units[0].code.lower()}\n\n", status=1,
    )  # fmt: skip
    results = {one["serial"]: one["code"] for one in json.loads(done.stdout)["cameras"]}
    assert results == {units[0].serial: "claimed", units[1].serial: "no_code"}


@pytest.mark.parametrize("camera_has_taken_it", [False, True])
def test_the_laptop_dies_between_the_file_and_the_claim(make_units, tool, camera_has_taken_it):
    (unit,) = make_units(1)
    running: list[subprocess.Popen] = []

    def die() -> None:
        running[0].send_signal(signal.SIGKILL)
        running[0].wait()
        unit.agent.before_claim = lambda: None
        if not camera_has_taken_it:
            raise ConnectionError("the claim has got lost as well")

    unit.agent.before_claim = die
    (tool.folder / "codes.csv").write_text(f"{unit.serial},{unit.code}\n")
    arguments = ["claim", "site.handover", "--codes", "codes.csv", "--to", "office.pub", "--address", unit.where]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running.append(subprocess.Popen(tool.command(*arguments), cwd=tool.folder, env=tool.environment(), **quiet))
    assert running[0].wait(60) == -signal.SIGKILL
    (account,) = tool.accounts()
    assert account["state"] == "planned"

    if camera_has_taken_it:
        assert tool.claim([unit], status=1)[unit.serial]["code"] == "unconfirmed"
        assert signs_in(unit, account)
        unit.agent.settled = False
        done = tool.run("handover", "check", "site.handover", "--key", "office", status=1)
        assert "still proving" in done.stderr
        assert tool.accounts()[0]["state"] == "planned"
        unit.agent.settled = True
        tool.run("handover", "check", "site.handover", "--key", "office")
        assert [(one["state"], one["password"]) for one in tool.accounts()] == [("claimed", account["password"])]
        assert tool.claim([unit])[unit.serial]["code"] == "already"
    else:
        assert tool.claim([unit])[unit.serial]["code"] == "claimed"
        (now,) = tool.accounts()
        assert (now["state"], signs_in(unit, now)) == ("claimed", True)


def test_a_password_that_the_camera_has_not_is_not_confirmed(make_units, tool):
    (unit,) = make_units(1)
    unit.agent.refuse_claim = {"code": "busy", "detail": "not proved"}
    assert tool.claim([unit], status=1)[unit.serial]["code"] == "refused"
    unit.agent.claim("admin", "set by somebody else")
    done = tool.run("handover", "check", "site.handover", "--key", "office", status=1)
    assert "not the camera's password" in done.stderr
    assert tool.accounts()[0]["state"] == "planned"


def test_under_a_passphrase(make_units, tool):
    units = make_units(1)
    (tool.folder / "words").write_text("four lanterns by the river\n")
    (tool.folder / "short").write_text("river\n")
    (tool.folder / "other").write_text("five lanterns by the river\n")
    assert "at least 15" in tool.run("claim", "x", "--ask", "--passphrase-file", "short", status=1).stderr
    tool.claim(units, "--passphrase-file", "words", to="")
    before = (tool.folder / "site.handover").read_bytes()
    for other in (("--passphrase-file", "other"), ("--to", "office.pub")):
        done = tool.run("claim", "site.handover", "--codes", "codes.csv", *other, "--address", units[0].where, status=1)
        assert "somebody else, or under another passphrase" in done.stderr
    tool.run("handover", "decrypt", "site.handover", "--passphrase-file", "words", "--out", "plain.csv")
    assert (tool.folder / "plain.csv").stat().st_mode & 0o777 == 0o600
    assert units[0].agent.users["admin"][1] in (tool.folder / "plain.csv").read_text()
    done = tool.run("handover", "decrypt", "site.handover", "--passphrase-file", "other", "--print", status=1)
    assert (done.stdout, "does not open" in done.stderr) == ("", True)
    assert (tool.folder / "site.handover").read_bytes() == before


def test_the_file_is_listed_without_a_key_and_opened_on_demand_alone(make_units, tool):
    units = make_units(1)
    tool.claim(units)
    shown = tool.run("handover", "show", "site.handover").stdout
    password = units[0].agent.users["admin"][1]
    assert [text in shown for text in (units[0].serial, "claimed", password)] == [True, True, False]
    listed = json.loads(tool.run("handover", "show", "site.handover", "--json").stdout)
    assert [one["serial"] for one in listed] == [units[0].serial]
    tool.run("handover", "decrypt", "site.handover", "--key", "office", status=1)
    tool.run("handover", "decrypt", "site.handover", "--print", status=1)
    tool.run("handover", "keygen", "other")
    for key in ("other", "office.pub", "codes.csv", "nowhere"):
        done = tool.run("handover", "decrypt", "site.handover", "--key", key, "--print", status=1)
        assert (password in done.stdout + done.stderr, done.stderr.count("\n")) == (False, 1)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["claim", "f", "--to", "office.pub"], 1),
        (["claim", "f", "--ask"], 1),
        (["claim", "f", "--ask", "--to", "office"], 1),
        (["claim", "f", "--ask", "--to", "office.pub", "--user", "Röot"], 1),
        (["claim", "f", "--codes", "nowhere", "--to", "office.pub"], 1),
        (["claim", "office.pub", "--ask", "--to", "office.pub"], 1),
        (["claim", "f", "--ask", "--to", "office.pub", "--address", "10.0.0.0/8"], 1),
        (["claim", "f", "--ask", "--to", "office.pub", "--parallel", "99"], 2),
        (["handover", "keygen", "office"], 1),
        (["handover", "show", "office.pub"], 1),
        (["--lang", "fr", "discover"], 2),
        ([], 2),
    ],
)
def test_a_wrong_call_says_in_one_line_what_is_missing(tool, arguments, status):
    done = tool.run(*arguments, status=status)
    assert "Traceback" not in done.stderr
    if status == 1:
        assert done.stderr.removeprefix("Looking for cameras …\n").count("\n") == 1


def test_an_address_where_nobody_is_or_something_else(make_units, tool):
    (unit,) = make_units(1)
    stranger = f"127.0.0.1:{unit.process.ports['rtsps']}"
    done = tool.run("discover", "--address", "127.0.0.1:1", "--address", stranger, "--json")
    assert json.loads(done.stdout) == []
    assert json.loads(tool.run("discover", "--address", unit.where, "--json").stdout)[0]["serial"] == unit.serial


def test_a_camera_with_two_addresses_is_claimed_once(make_units, tool):
    (unit,) = make_units(1, address="0.0.0.0")
    (tool.folder / "codes.csv").write_text(f"{unit.serial},{unit.code}\n")
    both = ["--address", unit.where, "--address", unit.where.replace("127.0.0.1", FRONT_ADDRESS)]
    done = tool.run("claim", "site.handover", "--codes", "codes.csv", "--to", "office.pub", *both, "--json")
    assert [one["code"] for one in json.loads(done.stdout)["cameras"]] == ["claimed"]
    assert len(claims(unit)) == 1
