"""What goes into an image: the lists of passwords with their licence, and no configuration that the agent refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.adapters.linux import options
from agent.core import blocklist
from agent.formats import shadow
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


def test_passwd_and_shadow_are_links_into_memory_and_no_password_opens_what_they_begin_with(tmp_path: Path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "usr/lib/camward").mkdir(parents=True)
    app._logins(tmp_path, with_agent=True)
    for name in ("passwd", "shadow"):
        assert (tmp_path / "etc" / name).readlink() == Path("/run/camward-logins") / name
    place = tmp_path / "usr/lib/camward/logins"
    assert place == tmp_path / options.BASE.relative_to("/")
    assert (place / "shadow").stat().st_mode & 0o777 == 0o600
    assert [entry.lets_nobody_in() for entry in shadow.parse_shadow((place / "shadow").read_bytes())] == [True, True]
    assert [entry.name for entry in shadow.parse_passwd((place / "passwd").read_bytes())] == ["root", "camera"]
    script = (app.BOOT_FOLDER / "rc-sysinit").read_text("utf-8")
    assert script.index("cat /usr/lib/camward/logins/shadow >/run/camward-logins/shadow") > 0
    assert options.RUN.with_name(options.RUN.name + "-logins") == Path(app.LOGINS_PUBLISHED)


def test_the_control_has_plain_files(tmp_path: Path):
    app._logins(tmp_path, with_agent=False)
    assert not (tmp_path / "etc/shadow").is_symlink()
    assert (tmp_path / "etc/shadow").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("password", "told"), [({"min_chars": 8}, "min_chars"), ({"profile": "weak"}, "profile"), ({"x": 1}, "member x")]
)
def test_a_policy_below_the_floors_builds_no_image(password: dict[str, object], told: str):
    model = load_model("kawa-1")
    app._agent_config(model, RELEASE)
    with pytest.raises(ImageError, match=told):
        app._agent_config(replace(model, agent={**model.agent, "password": password}), RELEASE)
