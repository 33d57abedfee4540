"""The frame of a command, and what `change_keys` may change."""

import json

import pytest

from agent.formats import command, ownership
from agent.formats.errors import FormatError
from tests.fuzz import seeds
from update_server.keyfiles import new_key, public_pem

DEVICE = "a" * 26
PART = command.signed_part(DEVICE, 1, 1000, 2000, command.CHECK, {})
RECORD = ownership.parse(seeds.OWNERSHIP)
KEYS = [public_pem(new_key().public_key()) for _ in range(3)]


def wire(**changes):
    return json.dumps({"signed": PART | changes, "signatures": []}).encode()


def test_a_command_reads_as_it_was_written():
    found = command.parse(wire())
    assert (found.device, found.seq, found.issued_at, found.expires_at, found.name) == (DEVICE, 1, 1000, 2000, "check")
    assert command.parse(json.dumps({"signatures": [], "signed": PART}, indent=4).encode()).digest() == found.digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "voucher"}, {"v": 2}, {"device": "A" * 26}, {"device": "a" * 25}, {"seq": 0}, {"seq": -1},
        {"seq": 2**53}, {"seq": True}, {"issued_at": 0}, {"expires_at": 1000}, {"expires_at": 999},
        {"expires_at": 1001 + command.MAX_VALID_S}, {"command": ""}, {"command": "../x"}, {"command": "x" * 33},
        {"arguments": []}, {"arguments": None}, {"arguments": {"a": 1.5}}, {"more": 1},
        {"arguments": {"a": "x" * 8000}},
    ],
)  # fmt: skip
def test_what_is_malformed_or_unknown_is_no_command(changes):
    with pytest.raises(FormatError):
        command.parse(wire(**changes))


def test_members_beside_what_is_signed_are_refused():
    with pytest.raises(FormatError):
        command.parse(json.dumps({"signed": PART, "signatures": [], "more": 1}).encode())


def test_keys_and_ca_change_and_nothing_else():
    k, a, b = KEYS
    other = {"ca": RECORD.ca.replace("x", "y"), "command_keys": [k], "authority_keys": [a, b], "sealing_key": None}
    changed = command.with_keys(RECORD, other)
    assert changed == RECORD.replace(ca=other["ca"], command_keys=(k,), authority_keys=(a, b), sealing_key=None)
    assert command.with_keys(changed, other) == changed, "done again, it is the same"
    sealing = public_pem(new_key().public_key())
    assert command.with_keys(RECORD, {"sealing_key": sealing}) == RECORD.replace(sealing_key=sealing)


@pytest.mark.parametrize(
    "arguments",
    [
        {}, {"operator": "thief"}, {"director_root": "{}"}, {"server_url": "https://thief"}, {"ca": 1}, {"ca": "x"},
        {"command_keys": KEYS[0]}, {"command_keys": [1]}, {"command_keys": KEYS * 3}, {"authority_keys": KEYS[:1]},
        {"authority_keys": KEYS[:2], "command_keys": KEYS[1:]}, {"sealing_key": 1}, {"sealing_key": "s"},
        {"check_interval_s": 9}, {"command_keys": ["k"]}, {"authority_keys": [*KEYS[:2], "a"]},
        {"authority_keys": [KEYS[0], KEYS[0] + "\n"]},
    ],
)  # fmt: skip
def test_other_members_and_malformed_ones_change_nothing(arguments):
    with pytest.raises(FormatError):
        command.with_keys(RECORD, arguments)


def test_a_record_without_authority_keys_has_the_bytes_that_it_always_had():
    assert b"authority_keys" not in ownership.encode(RECORD)
    both = RECORD.replace(authority_keys=("a", "b"))
    assert ownership.parse(ownership.encode(both)) == both


def test_a_report_reads_as_it_was_written():
    report = command.CommandReport("refused", 0, "", "forged", 7)
    assert command.parse_report(command.report_body(report)) == report
    with pytest.raises(FormatError):
        command.parse_report(command.report_body(report) | {"event": "obeyed"})


@pytest.mark.parametrize(
    "arguments",
    [{"check_interval_s": 60}, {"check_interval_s": 86_400, "telemetry_interval_s": 60, "line": "wired"}],
)
def test_settings_change_intervals_and_line_and_nothing_else(arguments):
    changed = command.with_settings(RECORD, arguments)
    assert changed == RECORD.replace(**arguments)
    assert ownership.parse(ownership.encode(changed)) == changed


@pytest.mark.parametrize(
    "arguments",
    [
        {}, {"operator": "x"}, {"ca": RECORD.ca}, {"command_keys": []}, {"line": "satellite"}, {"line": None},
        {"check_interval_s": 59}, {"check_interval_s": 86_401}, {"telemetry_interval_s": 59},
        {"telemetry_interval_s": "60"}, {"telemetry_interval_s": 60.0}, {"check_interval_s": True},
    ],
)  # fmt: skip
def test_settings_out_of_bounds_change_nothing(arguments):
    with pytest.raises(FormatError):
        command.with_settings(RECORD, arguments)
