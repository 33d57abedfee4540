"""A release that names more than its slot: published, served and taken as it is; or refused before anybody signs."""

import json
import time

import pytest

from agent.core import trust
from agent.core.clock import Time
from tests.contract.server.test_idle import factory
from update_server.repository.devicecheck import verify_signature

BOOTLOADER = {"name": "bootloader", "fixed": True, "index": 3}


def build(tools, folder, version, *rest, **slot):
    """A build whose manifest has these components behind the slot, and these members added to the slot."""
    image, tree, manifest = tools.write_build(folder, version)
    described = json.loads(manifest.read_text())
    described["camward"]["components"] = [described["camward"]["components"][0] | slot, *rest]
    manifest.write_text(json.dumps(described))
    return "release", "add", image, "--tree", tree, "--manifest", manifest


def test_fixed_components_travel_with_the_release_to_the_camera(camera, server, tools, tmp_path):
    ptz = {"name": "ptz", "fixed": True, "requires": {"slot": 1}}
    server.run(*build(tools, tmp_path / "b", "4.0.0", BOOTLOADER, ptz, requires={"bootloader": 2}))
    server.assign(camera, "4.0.0")
    who = trust.Device(camera.id, "kawa-1", "a", "1.0.0", 1)
    check = trust.Check(who, factory(camera), Time(int(time.time()), 0, 0), verify_signature)
    with camera.client() as client:
        while (wanted := check.wants()) is not None:
            base = "image" if wanted.repository == "image" else f"director/{camera.id}"
            answer = client.get(f"/tuf/{base}/{wanted.path}")
            check.absent() if answer.status_code == 404 else check.feed(answer.content)
    assert check.outcome.requires == (("bootloader", 2),)
    assert [(part.name, part.index, part.requires) for part in check.outcome.fixed] == [
        ("bootloader", 3, ()), ("ptz", 0, (("slot", 1),)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rest", "slot", "says"),
    [
        ([BOOTLOADER], {"requires": {"bootloader": 4}}, "slot requires bootloader 4 or later"),
        ([BOOTLOADER], {"requires": {"radio": 0}}, "unknown component radio"),
        ([BOOTLOADER | {"requires": {"slot": 0}}], {"requires": {"bootloader": 0}}, "in a circle"),
        ([BOOTLOADER, {"name": "ptz", "fixed": False}], {}, "ptz is not fixed"),
        ([BOOTLOADER], {"index": 2}, "the slot's index is not the security epoch"),
    ],
)
def test_what_no_camera_could_install_is_not_published(server, tools, tmp_path, rest, slot, says):
    before = {path.name: path.read_bytes() for path in (server.folder / "tuf/image").glob("*targets.json")}
    done = server.run(*build(tools, tmp_path / "b", "4.1.0", *rest, **slot), check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert {path.name: path.read_bytes() for path in (server.folder / "tuf/image").glob("*targets.json")} == before
