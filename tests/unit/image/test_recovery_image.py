"""The parts of an image with a recovery system: what is left out, what the agent is told, what nobody installs."""

import json
from pathlib import Path

import pytest

from agent.core import sharing
from agent.core.slots import RECOVERY, parse_layout
from agent.formats import config
from firmware_sim.image import app
from firmware_sim.image.bootkeys import BootKeys
from firmware_sim.image.build import _describe, built_image
from firmware_sim.image.disk import make_factory_disk
from firmware_sim.image.errors import ImageError
from firmware_sim.image.model import MODEL_FOLDER, load_model
from firmware_sim.image.sign import sign

KAWA = load_model("kawa-1")
MAIN, SMALL = KAWA.as_variant("main"), KAWA.as_variant("recovery")


def release(variant: str, version: str = "1.0.0") -> app.Release:
    return app.Release(version, variant, 1, "low", None, {})


def agent_config(variant: str) -> config.Config:
    value = app._agent_config(KAWA.as_variant(variant), release(variant))
    return config.parse(json.dumps(value).encode())


def test_both_systems_are_told_one_layout_and_the_recovery_system_guards_nothing():
    main, small = agent_config("main"), agent_config("recovery")
    assert main.layout == small.layout
    assert parse_layout(main.layout).kind == RECOVERY
    assert [service.name for service in main.services] == ["web", "rtsp", "onvif"]
    assert (small.services, small.declarations["listeners"]) == ((), [])
    assert [one.system_logins.ssh_port for one in (main, small) if one.system_logins] == [22, 0]
    assert MAIN.slot == "a"
    assert SMALL.slot == "b"


def test_the_main_system_serves_neighbours_at_a_port_that_is_declared_and_the_product_serves_none():
    main, product = agent_config("main"), agent_config("product")
    assert main.neighbours.serve
    assert sharing.declared(main.declarations, main.neighbours.port)
    assert not product.neighbours.serve
    assert KAWA.as_variant("product") == KAWA


def test_the_recovery_system_has_no_camera_application(tmp_path: Path):
    app._python(tmp_path / "small", with_agent=True, with_camera=False)
    app._python(tmp_path / "main", with_agent=True)
    assert {path.name for path in (tmp_path / "small").iterdir()} == {"agent"}
    assert {path.name for path in (tmp_path / "main").iterdir()} == {"agent", "firmware_sim"}
    started = [app._inittab(KAWA.variants["recovery"], with_camera=there) for there in (False, True)]
    assert ["run-camera" in text for text in started] == [False, True]
    assert all("run-agent" in text for text in started)


@pytest.mark.parametrize(("variant", "layout"), [("main", "recovery-1"), ("recovery", "recovery-1-recovery")])
def test_no_camera_has_the_layout_that_a_recovery_system_is_described_with(tmp_path: Path, variant: str, layout: str):
    slot = tmp_path / "x.slot"
    slot.write_bytes(bytes(4096))
    slot.with_suffix(".tree").write_bytes(bytes(32))
    described = _describe(KAWA.as_variant(variant), release(variant), slot, bytes(32), "00" * 32, 0, 0)
    assert described["custom"]["camward"]["components"][0]["layout"] == layout


def test_the_factory_disk_holds_both_systems(tmp_path: Path):
    main, small = tmp_path / "main", tmp_path / "small"
    main.write_bytes(b"M" * 8192)
    small.write_bytes(b"S" * 8192)
    make_factory_disk(tmp_path / "disk", MAIN.layout, main, 1, tmp_path, small)
    with (tmp_path / "disk").open("rb") as disk:
        for letter, kind in (("a", b"M"), ("b", b"S")):
            disk.seek(MAIN.layout.slot(letter))
            assert disk.read(8192) == kind * 8192


def test_a_variant_for_a_layout_that_is_not_there_is_one_clear_error(tmp_path: Path):
    text = (MODEL_FOLDER / "kawa-1.toml").read_text("utf-8")
    (tmp_path / "kawa-1.toml").write_text(text.replace('layout = "recovery-1"', 'layout = "recovery-2"', 1))
    with pytest.raises(ImageError, match=r"kawa-1\.toml"):
        load_model("kawa-1", tmp_path)


def test_it_is_not_signed_anew_by_halves(tmp_path: Path):
    built = built_image(MAIN, release("main"), tmp_path)
    with pytest.raises(ImageError, match="recovery system"):
        sign(built, BootKeys(tmp_path, ("one", "two")), None, None, tmp_path / "out", print)
    assert not (tmp_path / "out").exists()
