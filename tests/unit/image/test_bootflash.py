"""The boot script as U-Boot gets it."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.slots import AB, RECOVERY, parse_layout
from firmware_sim.image.bootflash import (
    MARKER_BYTES,
    add_tpm,
    boot_environment,
    compile_script,
    fit_sectors,
    reserve_marker,
)
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
    assert all({"panic=1", "oops=panic", "cryptomgr.notests"} <= set(arguments.split()) for arguments in given)
    assert {re.search(r"slot=(.) camward.trial=(.)", arguments).groups() for arguments in given} == {  # type: ignore[union-attr]
        (slot, trial) for slot in "ab" for trial in "01"
    }


def test_each_slot_has_its_own_place_and_length_of_the_fit():
    model = load_model("kawa-1")
    mib = 1 << 20
    smaller = replace(model.layout, recovery_bytes=16 * mib, recovery_fit_offset=6 * mib)
    for layout, places in (
        (model.layout, ((1 + 28, 36), (1 + 64 + 28, 36))),
        (smaller, ((1 + 28, 36), (1 + 64 + 6, 10))),
    ):
        script = boot_environment(replace(model, layout=layout))
        read = re.findall(r"slot=(.) camward.trial=1; fi; virtio read \S+ (\S+) (\S+)", script)
        found = {slot: (int(sector, 16) * 512, int(count, 16) * 512) for slot, sector, count in read}
        assert found == {slot: (at * mib, length * mib) for slot, (at, length) in zip("ab", places, strict=True)}
    told = parse_layout(smaller.as_config())
    assert (told.kind, told.slot_b.length, told.fit_offset_b) == (RECOVERY, 16 * mib, 6 * mib)
    assert told.data.offset == smaller.data_offset == (1 + 64 + 16) * mib
    assert parse_layout(model.layout.as_config()).kind == AB


def test_nothing_imported_from_the_disk_is_run():
    # The record's variables are never commands: `run` names our own scripts only.
    script = boot_environment(load_model("kawa-1"))
    imported = {"gen", "act", "try", "left", "fails", "tries", "resets", "gave", "said", "ridx"}
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


def test_linux_learns_where_the_tpm_is(tmp_path: Path):
    tree = tmp_path / "control.dtb"
    subprocess.run(["dtc", "-O", "dtb", "-o", tree, "-"], input=b"/dts-v1/; / { };", check=True)
    add_tpm(tree)
    text = subprocess.run(["dtc", "-O", "dts", tree], check=True, capture_output=True, text=True).stdout
    node = re.search(r"tpm@c000000 \{([^}]*)\}", text)
    assert node is not None
    assert 'compatible = "tcg,tpm-tis-mmio";' in node[1]
    assert "reg = <0x00 0xc000000 0x00 0x5000>" in node[1]


def test_linux_is_kept_off_the_word_and_nothing_else_of_ours_lies_there(tmp_path: Path):
    target, layout = load_model("kawa-1").target, load_model("kawa-1").layout
    tree = tmp_path / "control.dtb"
    subprocess.run(["dtc", "-O", "dtb", "-o", tree, "-"], input=b"/dts-v1/; / { };", check=True)
    reserve_marker(tree, target.marker_address)
    text = subprocess.run(["dtc", "-O", "dts", tree], check=True, capture_output=True, text=True).stdout
    node = re.search(r"boot-marker@([0-9a-f]+) \{([^}]*)\}", text)
    assert node is not None
    assert int(node[1], 16) == target.marker_address
    assert "no-map;" in node[2]
    assert f"reg = <0x00 {target.marker_address:#x} 0x00 {MARKER_BYTES:#x}>" in node[2]
    fit_ends = target.fit_address + fit_sectors(layout, "a") * 512
    for begins, ends in ((target.record_address, target.record_address + 512), (target.fit_address, fit_ends)):
        assert not begins < target.marker_address + MARKER_BYTES <= ends
    assert f"setexpr.l cw_word *{target.marker_address:#x}" in boot_environment(load_model("kawa-1"))
