"""What goes into an image: the lists of passwords with their licence, and no configuration that the agent refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.core import blocklist
from firmware_sim.image import app
from firmware_sim.image.errors import ImageError
from firmware_sim.image.model import load_model
from firmware_sim.image.store import REPOSITORY

RELEASE = app.Release("1.0.0", "retail", 1, "low", None, {})
SHIPPED = {blocklist.WORDS, "common-passwords.txt", *(name for _, name in blocklist.FILTERS["100k"])}


def test_the_lists_of_passwords_are_in_the_image_and_in_its_key(tmp_path: Path):
    app._python(tmp_path, with_agent=True)
    for name in SHIPPED:
        path = Path("agent/core") / name
        assert (tmp_path / path).read_bytes() == (REPOSITORY / path).read_bytes()
        assert path.as_posix() in app.app_digest()


@pytest.mark.parametrize(
    ("password", "told"), [({"min_chars": 8}, "min_chars"), ({"profile": "weak"}, "profile"), ({"x": 1}, "member x")]
)
def test_a_policy_below_the_floors_builds_no_image(password: dict[str, object], told: str):
    model = load_model("kawa-1")
    app._agent_config(model, RELEASE)
    with pytest.raises(ImageError, match=told):
        app._agent_config(replace(model, agent={**model.agent, "password": password}), RELEASE)
