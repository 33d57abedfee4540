import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.camera.config import ConfigError, RunAs, load_config, parse_config

MINIMAL = {
    "mode": "gated",
    "model": "kawa-1",
    "hardware": "a",
    "version": "1.0.0",
    "listeners": {"https": 443, "rtsps": 322},
    "run_as": {"uid": 900, "gid": 900},
}


def test_a_product_configuration_needs_few_words_and_opens_no_plain_rtsp() -> None:
    config = parse_config(json.dumps(MINIMAL).encode())

    assert config.rtsp_port is None
    assert config.run_as == RunAs(900, 900)
    assert config.login_dir == Path("/run/camward/login")
    assert config.fault is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "open"}, "mode must be gated or ungated"),
        ({"model": ""}, "model must be a text"),
        ({"listeners": {"https": 443}}, "listeners.rtsps must be"),
        ({"listeners": {"https": 70000, "rtsps": 322}}, "listeners.https must be"),
        ({"listeners": {"https": 443, "rtsps": 322, "telnet": 23}}, "unknown setting listeners.telnet"),
        ({"listeners": []}, "listeners must be an object"),
        ({"run_as": {"uid": 0, "gid": 0}}, "run_as.uid must be"),
        ({"run_as": {"uid": 900}}, "run_as.gid must be"),
        ({"link": "river.sock"}, "link must be an absolute path"),
        ({"link": 1}, "link must be an absolute path"),
        ({"frames_per_second": True}, "frames_per_second must be"),
        ({"fault": "maybe"}, "fault must be"),
        ({"hosts": "camera"}, "hosts must be"),
        ({"debug": True}, "unknown setting debug"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(json.dumps({**MINIMAL, **change}).encode())


def test_leaving_the_account_away_is_no_way_to_stay_root() -> None:
    without = {name: value for name, value in MINIMAL.items() if name != "run_as"}

    with pytest.raises(ConfigError, match="run_as must be an object"):
        parse_config(json.dumps(without).encode())
    assert parse_config(json.dumps({**without, "run_as": None}).encode()).run_as is None


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_config(data)


def test_a_missing_or_huge_file_is_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    huge.write_bytes(b" " * 20_000)

    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="longer than"):
        load_config(huge)
