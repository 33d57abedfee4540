"""The camera's button where the data partition does not mount."""

from types import SimpleNamespace

import pytest

from agent.adapters.linux import admin_commands, data_partition
from agent.adapters.linux.admin_commands import ERASE_JOURNAL
from agent.adapters.linux.data_partition import NoAnswer
from agent.app import handover
from agent.formats import data_area
from tests.unit.agent.adapters.partition_camera import (
    LABEL,
    erasing,
    next_start,
    opened_and_filled,
    put,
)


@pytest.fixture
def button(camera, monkeypatch, tmp_path):
    """The command behind the camera's button, on a camera whose data partition does not mount."""
    layout = SimpleNamespace(encrypted=True, device=str(camera.disk), data=camera.region)
    monkeypatch.setattr(data_partition.config, "parse", lambda body: SimpleNamespace(layout=None))
    monkeypatch.setattr(data_partition, "parse_layout", lambda text: layout)
    monkeypatch.setattr(admin_commands, "Tpm", lambda: camera.chip)
    run, config, command_line = tmp_path / "run", tmp_path / "agent.json", tmp_path / "cmdline"
    run.mkdir()
    config.touch()
    command_line.touch()
    (run / "data-damaged").touch()
    monkeypatch.setattr(admin_commands, "CMDLINE", command_line)
    options = SimpleNamespace(yes=True, run=run, config=config)
    return SimpleNamespace(run=run, press=lambda: admin_commands._erase(options))


def test_the_button_on_a_damaged_partition_has_the_next_start_finish_a_whole_erase(camera, button):
    opened_and_filled(camera)
    assert button.press() == admin_commands.RESTART_NOW
    assert ERASE_JOURNAL in next_start(camera)
    camera.renewed.touch()  # as agent.main_data does
    ports, forgotten = erasing(camera), []
    ports.secret.forget = lambda: forgotten.append("the device's secret")
    assert handover.finish(ports, "1.0.0") == "erase"
    assert forgotten == ["the device's secret"]


def test_the_button_leaves_an_order_that_stands_with_what_it_puts_in(camera, button):
    assert button.press() == admin_commands.RESTART_NOW
    assert next_start(camera) == {**LABEL, "factory/voucher.json": b"a voucher"}


def test_the_button_works_where_both_copies_of_the_state_are_gone(camera, button):
    opened_and_filled(camera)
    for state in data_area.STATES:
        put(camera, state, bytes(512))
    assert button.press() == admin_commands.RESTART_NOW
    assert ERASE_JOURNAL in next_start(camera)


@pytest.mark.parametrize("now", ["answers", "is silent", "has no key", "was never asked in vain"])
def test_the_button_formats_no_sound_partition_whose_key_can_be_read_again(camera, button, capsys, now):
    opened_and_filled(camera)
    camera.chip.fails = True
    with pytest.raises(NoAnswer, match="busy"):
        camera.partition.open()
    if now != "was never asked in vain":
        (button.run / data_partition.UNANSWERED).touch()  # as agent.main_data does
    camera.chip.fails = now == "is silent"
    if now == "has no key":
        camera.chip.held.clear()
    assert button.press() == admin_commands.RESTART_NOW
    sound = now == "answers"
    assert camera.area.state() == (data_area.READY if sound else data_area.NEW)
    assert ("Nothing was erased" in capsys.readouterr().out) == sound
