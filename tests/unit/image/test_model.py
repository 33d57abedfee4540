"""Models are data, and malformed data is named."""

from pathlib import Path

import pytest

from agent.core.slots import parse_layout
from firmware_sim.image.errors import ImageError
from firmware_sim.image.model import MODEL_FOLDER, load_model, model_names

KAWA = (MODEL_FOLDER / "kawa-1.toml").read_text("utf-8")


def test_every_model_loads_and_its_parts_do_not_overlap():
    assert "kawa-1" in model_names()
    for name in model_names():
        layout = load_model(name).layout
        assert max(layout.boot_record) + 512 <= layout.slot("a")
        assert layout.slot("a") + layout.slot_bytes == layout.slot("b")
        assert layout.slot("b") + layout.slot_bytes == layout.data_offset
        assert layout.data_offset + layout.data_bytes == layout.disk_bytes


def test_the_agent_takes_every_layout_of_every_model():
    for name in model_names():
        for layout in load_model(name).layouts.values():
            assert parse_layout(layout.as_config()).name == layout.name


@pytest.mark.parametrize("name", ["nope", "../kawa-1", "KAWA-1", ""])
def test_an_unknown_model_is_refused_and_the_known_ones_are_named(name: str):
    with pytest.raises(ImageError, match="kawa-1"):
        load_model(name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[layout]", "[layout"),
        ("fit_offset = ", "fit_offset = 1"),
        ("boot_record = [65536, 131072]", "boot_record = [65536, 65536]"),
        ("cpus = 2", "cpus = 2\nwheels_of_steel = 1"),
        ('hardware = "a"\n', ""),
        ('name = "kawa-1"', 'name = "other"'),
    ],
)
def test_a_malformed_model_is_one_clear_error(tmp_path: Path, old: str, new: str):
    assert old in KAWA
    (tmp_path / "kawa-1.toml").write_text(KAWA.replace(old, new, 1))
    with pytest.raises(ImageError, match=r"kawa-1\.toml"):
        load_model("kawa-1", tmp_path)
