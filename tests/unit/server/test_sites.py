"""Which neighbours the director names to a camera, and that a camera's word about its address is worth little."""

import pytest

from agent.formats import delivery
from agent.formats.delivery import Source
from update_server.db.models import Device, Release
from update_server.errors import BadInput
from update_server.fleet import sites
from update_server.repository import delivery as how
from update_server.repository.releases import PUBLISHED

NOW = 1_795_000_000
SHA = "ab" * 32
ROW = Release(
    version="1.1.0", model="kawa-1", target="kawa-1-1.1.0.slot", length_bytes=4096, sha256=SHA, custom={},
    state=PUBLISHED, added_at=NOW,
)  # fmt: skip


def camera(letter, site="river", version="1.1.0", online=True, model="kawa-1", **said):
    return Device(
        id=letter * 26, serial=f"KW1-{letter}", model=model, hardware="a", version=version, ownership_sha256="",
        enrolled_at=NOW, online=online, site=site,
        telemetry={"address": "192.168.7.2", "serves": SHA, "serves_port": 8446} | said,
    )  # fmt: skip


def told(database, *others):
    asking = camera("z", version="1.0.0")
    with database.write() as session:
        session.add_all([asking, *others])
        session.flush()
        return sites.neighbours(session, asking, ROW)


def test_a_camera_of_the_site_that_serves_the_release_is_named(database):
    assert told(database, camera("a")) == (Source("https://192.168.7.2:8446", "a" * 26),)


def test_ipv6_is_put_into_brackets(database):
    assert told(database, camera("a", address="fd00::2")) == (Source("https://[fd00::2]:8446", "a" * 26),)


@pytest.mark.parametrize(
    "other",
    [
        {"site": "hill"}, {"site": ""}, {"version": "1.0.0"}, {"online": False}, {"model": "kawa-2"},
        {"serves": "cd" * 32}, {"serves": None}, {"address": None}, {"address": "1.1.1.1"}, {"address": "2001:4860::1"},
        {"address": "224.0.0.1"}, {"address": "0.0.0.0"}, {"address": "host"}, {"address": "192.168.7.2/evil"},
        {"address": 5}, {"serves_port": 0}, {"serves_port": "8446"}, {"serves_port": 70000},
    ],
)  # fmt: skip
def test_nobody_else_is_named(database, other):
    assert told(database, camera("a", **other)) == ()


def test_a_camera_without_a_site_or_with_the_release_is_told_of_nobody(database):
    with database.write() as session:
        session.add(camera("a"))
        session.add(camera("b", site=""))
        session.flush()
        assert sites.neighbours(session, camera("z", site="", version="1.0.0"), ROW) == ()
        assert sites.neighbours(session, camera("z"), ROW) == ()


def test_four_are_named_and_not_the_same_to_everybody(database):
    letters = "abcdefghij"
    with database.write() as session:
        session.add_all([camera(letter) for letter in letters])
        session.flush()
        lists = [sites.neighbours(session, camera(c, version="1.0.0"), ROW) for c in "uvwxyz"]
        assert sites.neighbours(session, camera("u", version="1.0.0"), ROW) == lists[0]
    assert {len(one) for one in lists} == {4}
    assert len({one[0].device for one in lists}) > 1


def test_the_delivery_names_neighbours_before_mirrors_and_not_too_many():
    near = tuple(Source(f"https://10.0.0.{n}:8446", chr(97 + n) * 26) for n in range(4))
    mirrors = [f"https://m{n}" for n in range(8)]
    made = delivery.parse(how.of(None, mirrors, None, near))
    assert made.sources[:4] == near
    assert len(made.sources) == delivery.MAX_SOURCES
    assert how.of(None) == {}


@pytest.mark.parametrize("name", ["x" * 65, " river", "a\nb", "\x1b[2J"])
def test_what_is_no_sites_name(name):
    with pytest.raises(BadInput):
        sites.set_site(camera("a"), name)
