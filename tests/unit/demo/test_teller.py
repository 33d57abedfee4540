"""The teller stops at the first step that fails, and says so in data."""

import json
from pathlib import Path

from rich.console import Console

from firmware_sim.demo.step import Step, StepFailed, require
from firmware_sim.demo.teller import summary_table, tell, write_summary


def quiet() -> Console:
    return Console(quiet=True)


def good(stage: list[str]) -> str:
    stage.append("good")
    return "seen [it]"


def bad(stage: list[str]) -> str:
    require(not stage, "the camera let a stranger in")
    return "never"


def test_steps_are_told_in_order_and_what_was_seen_is_kept():
    stage: list[str] = []
    told = tell([Step("one", good), Step("two", good)], stage, quiet())
    assert [(one.name, one.ok, one.seen) for one in told] == [("one", True, "seen [it]"), ("two", True, "seen [it]")]
    assert stage == ["good", "good"]


def test_the_first_failure_ends_the_story_with_one_line(tmp_path: Path):
    stage: list[str] = []
    steps = [Step("one", good), Step("two", bad), Step("three", good)]
    told = tell(steps, stage, quiet())
    assert len(told) == 2
    assert told[-1].seen == "the camera let a stranger in"
    write_summary(tmp_path / "summary.json", told, len(steps), {"boot_s": 1.0})
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["ok"] is False
    assert [step["ok"] for step in summary["steps"]] == [True, False]


def test_a_story_told_to_its_end_is_ok(tmp_path: Path):
    told = tell([Step("one", good)], [], quiet())
    write_summary(tmp_path / "summary.json", told, 1, {})
    assert json.loads((tmp_path / "summary.json").read_text())["ok"] is True
    assert summary_table(told, [("boot", "1 s")]).row_count == 3


def test_a_story_cut_short_is_not_ok(tmp_path: Path):
    told = tell([Step("one", good)], [], quiet())
    write_summary(tmp_path / "summary.json", told, 2, {})
    assert json.loads((tmp_path / "summary.json").read_text())["ok"] is False


def test_a_failure_without_words_is_named_by_its_kind():
    def silent(stage: None) -> str:
        raise OSError

    assert tell([Step("one", silent)], None, quiet())[0].seen == "OSError"
    assert issubclass(StepFailed, Exception)
