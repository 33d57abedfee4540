"""The commands: help for everyone, and one clear line for what cannot be done."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_sim.image.cli import app


@pytest.mark.parametrize("command", ["build", "provision", "relock", "micropython"])
def test_every_command_explains_itself(command: str):
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert "--json" in done.output


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["build", "--model", "nope"], "there is no model 'nope' (known models: kawa-1)"),
        (["build", "--version", "1.0"], "'1.0' is no version"),
        (["build", "--version", "01.0.0"], "'01.0.0' is no version"),
        (["build", "--variant", "none"], "no variant 'none'"),
        (["build", "--severity", "odd"], "'odd' is no severity"),
        (["build", "--security-epoch", "-1"], "out of range"),
        (["build", "--fault", "odd"], "no fault 'odd'"),
        (["build", "--boot-key", "3"], "no boot key 3"),
        (["build", "--image-root", "/nonexistent"], "cannot read the image root"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_1(arguments: list[str], what: str):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert what in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"signed": {"_type": "targets"}}'])
def test_an_image_root_that_is_none_is_refused(tmp_path: Path, text: str):
    (tmp_path / "root.json").write_text(text)
    done = CliRunner().invoke(app, ["build", "--image-root", str(tmp_path / "root.json")])
    assert done.exit_code == 1
    assert "root" in done.stderr
