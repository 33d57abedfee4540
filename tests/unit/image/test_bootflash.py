"""The boot script as U-Boot gets it."""

import re

import pytest

from firmware_sim.image.bootflash import boot_environment, compile_script
from firmware_sim.image.errors import ImageError
from firmware_sim.image.model import load_model


def test_lines_become_one_command_each():
    text = "a=1\n# why\nmain:\n    if test x; then\n        echo y\n    else\n        reset\n    fi\n    done\n"
    assert compile_script(text) == "a=1\nmain=if test x; then echo y; else reset; fi; done\n"


@pytest.mark.parametrize("text", ["    orphan\n", "main:\n    echo @MISSING@\n", "What is this\n"])
def test_a_malformed_script_is_named(text: str):
    with pytest.raises(ImageError, match="line"):
        compile_script(text)


def test_the_products_script_cannot_be_stopped_and_keeps_bootargs_literal():
    lines = dict(line.split("=", 1) for line in boot_environment(load_model("kawa-1")).splitlines())
    assert lines["bootdelay"] == "-2"
    assert lines["bootcmd"].endswith("; reset")
    given = re.findall(r"setenv bootargs ([^;]*);", ";".join(lines.values()) + ";")
    assert len(given) == 4
    assert not any("$" in arguments for arguments in given)
    assert {re.search(r"slot=(.) camward.trial=(.)", arguments).groups() for arguments in given} == {  # type: ignore[union-attr]
        (slot, trial) for slot in "ab" for trial in "01"
    }


def test_nothing_imported_from_the_disk_is_run():
    # The record's variables are never commands: `run` names our own scripts only.
    script = boot_environment(load_model("kawa-1"))
    imported = {"gen", "act", "try", "left", "tries", "ridx"}
    ran = set(re.findall(r"\brun ([^\s;]+)", script))
    assert ran
    assert all(name.startswith("cw_") for name in ran)
    assert not imported & ran
    for names in re.findall(r"env import -c \S+ \S+ ([^;\n]+)", script):
        assert set(names.split()) == imported


def test_every_script_that_is_run_exists():
    script = boot_environment(load_model("kawa-1"))
    names = {line.split("=", 1)[0] for line in script.splitlines()}
    assert set(re.findall(r"\brun (cw_\w+)", script)) <= names
