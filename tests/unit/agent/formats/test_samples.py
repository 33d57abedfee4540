"""Telemetry in CBOR: a few samples in one message, which needs no other one."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.formats import cbor, envelope, json, samples
from agent.formats.errors import FormatError
from agent.formats.messages import MAX_AT, Telemetry

ID = "a" * 26
SCHEMA = Path(__file__).resolve().parents[4] / "docs/schema/telemetry.cddl"
SAMPLE = {
    "at": 1_800_000_000, "version": "1.0.0", "slot": "a", "phase": "idle", "uptime_s": 86_400, "rss_bytes": 65_273_856,
    "mem_available_bytes": 24_330_059_776, "cpu_percent": 12.5, "temperature_c": -3.2, "password_policy": "nist.1",
}  # fmt: skip
KINDS = {name: kind for _, name, kind in samples.MEMBERS}
VALUES = {
    samples.NUMBER: st.integers(0, json.MAX_INTEGER),
    samples.TENTHS: st.integers(-1000, 64_000).map(lambda tenths: tenths / 10),
    samples.TEXT: st.text(max_size=20),
}
ANY = st.fixed_dictionaries(
    {"at": st.integers(0, MAX_AT)}, optional={name: VALUES[kind] for name, kind in KINDS.items() if name != "at"}
)


def message(*found):
    return envelope.Envelope("telemetry", ID, "boot-1", 7, found[-1]["at"], {"samples": list(found)}, b"")


def rows(wire):
    return cbor.parse(wire, samples.MAX_MESSAGE_BYTES)[4]


@given(st.lists(ANY, min_size=1, max_size=8))
def test_what_is_read_is_what_was_written(found):
    assert envelope.parse(envelope.encode(message(*found))) == message(*found)


def test_the_first_is_whole_and_the_others_say_what_has_changed():
    after = SAMPLE | {"at": SAMPLE["at"] + 300, "rss_bytes": SAMPLE["rss_bytes"] - 4096, "cpu_percent": 13.0}
    last = {name: value for name, value in after.items() if name != "temperature_c"} | {"phase": "checking"}
    wire = envelope.encode(message(SAMPLE, after, last))
    assert len(rows(wire)[0]) == len(SAMPLE)
    assert rows(wire)[1:] == [{0: 300, 5: -4096, 12: 5}, {3: "checking", 13: None}]


def test_the_last_sample_says_when_the_message_was_made():
    wire = envelope.encode(message(SAMPLE, SAMPLE | {"at": 5}))
    assert envelope.parse(wire).at == 5


def test_every_member_of_telemetry_has_a_number_of_its_own():
    assert {name for _, name, _ in samples.MEMBERS} == {*Telemetry.FIELDS, "at"}
    assert [number for number, _, _ in samples.MEMBERS] == list(range(len(samples.MEMBERS)))
    assert set(samples.GAUGES) < set(KINDS)


def test_the_schema_says_the_same():
    written = {samples.NUMBER: "number", samples.TENTHS: "tenths", samples.TEXT: "text"}
    sample = SCHEMA.read_text(encoding="utf-8").partition("\nsample = {\n")[2].partition("\n}")[0]
    lines = re.findall(r"^  (\? )?(\d+) => (\w+), +; (\w+)", sample, re.MULTILINE)
    said = [(int(number), name, kind, bool(optional)) for optional, number, kind, name in lines]
    always = ("at", "version", "slot", "phase")
    assert said == [(number, name, written[kind], name not in always) for number, name, kind in samples.MEMBERS]


def test_what_a_newer_camera_says_more_is_left_out():
    source = {0: 2, 1: ID, 2: "b", 3: 1, 4: [{0: 5, 1: "1.0.0", 77: [1]}, {0: 1, 77: 2, "x": None}], 9: "more"}
    assert envelope.parse(cbor.encode(source)).body["samples"] == [
        {"at": 5, "version": "1.0.0"}, {"at": 6, "version": "1.0.0"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {0: 1}, {0: True}, {0: 3}, {1: "a"}, {1: None}, {2: "a b"}, {2: ""}, {3: -1}, {3: True}, {3: "7"}, {4: []},
        {4: None}, {4: [5]}, {4: [{1: "1.0.0"}]}, {4: [{0: -1}]}, {4: [{0: MAX_AT}, {0: 1}]}, {4: [{0: "5"}]},
        {4: [{0: True}]}, {4: [{0: 5, 1: 7}]}, {4: [{0: 5, 5: b"5"}]}, {4: [{0: 5}, {0: None}]},
        {4: [{0: 5}] * (samples.MAX_SAMPLES + 1)}, {4: [{0: 5, 14: "x" * samples.MAX_MESSAGE_BYTES}]},
    ],
    ids=str,
)  # fmt: skip
def test_anything_else_is_refused(change):
    good = {0: 2, 1: ID, 2: "b", 3: 1, 4: [{0: 5}]}
    assert envelope.parse(cbor.encode(good)).at == 5
    with pytest.raises(FormatError):
        envelope.parse(cbor.encode(good | change))


@pytest.mark.parametrize(
    "found",
    [
        [], [SAMPLE] * (samples.MAX_SAMPLES + 1), [SAMPLE | {"rss_bytes": "5"}], [SAMPLE | {"rss_bytes": True}],
        [SAMPLE | {"phase": 5}], [SAMPLE | {"cpu_percent": "5"}], [SAMPLE | {"problems": "x" * 9000}],
    ],
)  # fmt: skip
def test_what_is_no_telemetry_is_not_written(found):
    with pytest.raises(FormatError):
        samples.encode(ID, "b", 1, found)


def test_a_message_of_gauges_alone_is_never_too_long():
    one, other = (dict.fromkeys(samples.GAUGES, 0), dict.fromkeys(samples.GAUGES, json.MAX_INTEGER))
    one["at"], other["at"] = 0, MAX_AT
    one |= {"temperature_c": -100.0, "cpu_percent": 0.0}
    other |= {"temperature_c": 300.0, "cpu_percent": 6400.0}
    assert len(samples.encode(ID, "b" * 64, 2**53 - 1, [one, other] * (samples.MAX_SAMPLES // 2))) < 4096


def test_news_is_what_does_not_change_by_itself():
    for name in KINDS:
        value = 5 if KINDS[name] != samples.TEXT else "x"
        assert samples.is_news(SAMPLE, SAMPLE | {name: value}) == (name not in samples.GAUGES), name
    assert samples.is_news({}, SAMPLE)
    assert samples.is_news(SAMPLE, {name: SAMPLE[name] for name in SAMPLE if name != "password_policy"})
