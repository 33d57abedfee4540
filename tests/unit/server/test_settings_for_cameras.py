"""What the settings say about cameras goes into the ownership record of those that enrol from then on."""

import pytest

from agent.formats import ownership
from agent.formats.errors import FormatError
from tests.fuzz import seeds
from update_server.fleet import telemetry
from update_server.fleet.ownership import Ownership
from update_server.settings import Devices


@pytest.fixture
def records(tmp_path):
    made = Ownership(tmp_path)
    made.publish(ownership.parse(seeds.OWNERSHIP))
    return made


def current(records):
    return ownership.parse(records.record(records.current))


def test_other_settings_make_another_record_and_keep_the_one_before(records):
    before, known = records.current, current(records)
    records.offer_settings(Devices(line="wired", check_interval_s=900, telemetry_interval_s=300))
    wanted = known.replace(line="wired", check_interval_s=900, telemetry_interval_s=300)
    assert current(records) == wanted
    assert ownership.parse(records.record(before)) == known


def test_the_same_settings_change_nothing(records):
    records.offer_settings(Devices())
    before = records.current
    records.offer_settings(Devices())
    assert records.current == before


def test_where_there_is_no_record_yet_none_is_made(tmp_path):
    Ownership(tmp_path).offer_settings(Devices())
    assert list(tmp_path.iterdir()) == []


def test_a_record_from_before_there_was_a_choice_is_of_a_mobile_line(records):
    body = records.record(records.current)
    assert b'"line"' not in body
    assert current(records).line == ownership.MOBILE
    assert ownership.encode(current(records)) == body
    wired = ownership.encode(current(records).replace(line=ownership.WIRED))
    assert ownership.parse(wired).line == ownership.WIRED
    with pytest.raises(FormatError):
        ownership.parse(wired.replace(b'"wired"', b'"other"'))


@pytest.mark.parametrize(("line", "interval_s", "silent_s"), [("wired", 300, 900), ("mobile", 300, 3 * 3600)])
def test_a_camera_is_silent_when_three_messages_are_missing_by_its_own_record(records, line, interval_s, silent_s):
    settings = Devices(line="wired", telemetry_interval_s=7)
    own = records.keep(current(records).replace(line=line, telemetry_interval_s=interval_s))
    assert telemetry.silent_after_s(records, own, settings) == silent_s
    assert telemetry.silent_after_s(records, "0" * 64, settings) == 21, "by the settings where the record is gone"
