"""Every runbook is followed as it is written, on a real server's folder, with a camera that looks before and after."""

import json as stdlib_json
import re
import shutil

import pytest

from agent.formats import json, required_change
from tests.contract.runbooks.office import RUNBOOKS, Camera, Fetch, Office, Thief, newest
from tests.contract.server import harness

DAY_S = 86_400
YEAR_S = 365 * DAY_S
ELSEWHERE = {
    "boot-key-rotation": "tests/emulated/test_boot_keys.py",  # which boots what comes of it
    "ownership-change": "tests/contract/runbooks/test_ownership.py",
    "lost-password": "tests/scenario/test_lost_password.py",
}
NAMES = {path.stem for path in RUNBOOKS.glob("*.md")}


def test_each_runbook_is_followed_by_a_test() -> None:
    source = (RUNBOOKS.parents[1] / "tests/contract/runbooks/test_runbooks.py").read_text(encoding="utf-8")
    followed = set(re.findall(r'follow\("([a-z-]+)"', source))
    assert followed | set(ELSEWHERE) == NAMES
    for name, test in ELSEWHERE.items():
        assert name in (RUNBOOKS.parents[1] / test).read_text(encoding="utf-8")
    for name in NAMES:
        text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        assert text.count("```") % 2 == 0
        assert "```sh\n" in text


def keyids(office: Office, repository: str, role: str) -> set[str]:
    body = (office.server / "tuf" / repository / f"{newest(office, repository)}.root.json").read_bytes()
    return set(json.parse_object(body, 10**6)["signed"]["roles"][role]["keyids"])


def test_the_holder_of_a_root_key_is_replaced(office: Office, camera: Camera) -> None:
    before = keyids(office, "image", "root")
    director = keyids(office, "director", "root")
    office.follow("root-rotation")
    assert (newest(office, "director"), len(keyids(office, "director", "root") & director)) == (2, 2)
    after = keyids(office, "image", "root")
    assert newest(office, "image") == 2
    assert (len(after), len(after & before)) == (5, 4)
    assert camera.check(office.fetch(camera)) == "1.1.0"
    assert camera.stored["image"]["root"] == (office.server / "tuf/image/2.root.json").read_bytes()
    # A camera off the shelf walks from root 1; the key that left no longer helps to reach the threshold.
    fresh = office.enrol("d" * 26, "KW1-000002")
    office.command("device", "assign", fresh.id, "1.1.0")
    assert fresh.check(office.fetch(fresh)) == "1.1.0"
    office.command("keys", "prepare", "root", "-o", office.folder / "next.json")
    assert office.sign("next.json", office.folder / "safe/image-root-5.pem") == 1
    assert newest(office, "image") == 2


def test_a_lost_targets_key_is_replaced_and_the_stolen_one_is_worth_nothing(office: Office, camera: Camera) -> None:
    harness.write_build(office.folder / "build", "1.2.0", blocks=3)
    stolen = keyids(office, "image", "targets")
    shutil.copytree(office.folder / "safe", office.folder / "thief")
    office.follow("targets-key-loss", "One key is gone")
    office.follow("targets-key-loss", "Releases go on")
    assert len(keyids(office, "image", "targets") & stolen) == 2
    assert camera.check(office.fetch(camera)) == "1.1.0"
    office.command("device", "assign", camera.id, "1.2.0")
    assert camera.check(office.fetch(camera)) == "1.2.0"
    # With the lost key and one more, a list of releases reached the threshold before; now it does not.
    office.command("keys", "prepare", "targets", "-o", office.folder / "forged.json")
    assert office.sign("forged.json", office.folder / "thief/image-targets-1.pem") == 1
    assert office.command("keys", "import", office.folder / "forged.json", check=False).returncode == 1


def test_a_threshold_of_stolen_keys_is_worth_nothing_after_the_runbook(
    office: Office, camera: Camera, now: int
) -> None:
    harness.write_build(office.folder / "build", "1.2.0", blocks=3)
    thief = Thief(office, office.folder / "loot")
    shutil.copytree(office.folder / "safe", office.folder / "stolen")
    for path in (office.folder / "stolen").glob("*root*"):
        path.unlink()  # the root keys are what the thief has not
    thief.publish("6.6.6", office.folder / "stolen")
    # The control: whoever has all online keys and enough of the targets keys installs software of their own.
    victim = office.enrol("d" * 26, "KW1-000002")
    assert victim.check(thief.order(victim, "6.6.6", 1000, now)) == "6.6.6"
    office.follow("targets-key-loss")
    assert len(keyids(office, "image", "targets")) == 3
    assert camera.check(office.fetch(camera)) == "1.1.0"
    assert camera.refusal(thief.order(camera, "6.6.6", 1000, now)) == "arbitrary_software"
    # Both runbooks together: the thief's orders are void as well, and the victim is well again.
    office.follow("online-key-compromise", "Replace every online key")
    assert victim.check(office.fetch(victim)) is None
    office.command("device", "assign", victim.id, "1.2.0")
    assert victim.check(office.fetch(victim)) == "1.2.0"
    assert victim.refusal(thief.order(victim, "6.6.6", 5000, now)) == "arbitrary_software"


def test_after_a_break_in_the_stolen_keys_order_nothing_more(office: Office, camera: Camera, now: int) -> None:
    thief = Thief(office, office.folder / "loot")
    camera.version = "1.1.0"
    camera.check(office.fetch(camera))
    # Before: the thief can order what is signed already, as the runbook says; and jumps ahead with the versions.
    assert camera.check(thief.order(camera, "1.0.0", 1000, now)) == "1.0.0"
    office.follow("online-key-compromise")
    assert camera.check(office.fetch(camera)) is None
    assert camera.stored["director"]["root"] == (office.server / "tuf/director/2.root.json").read_bytes()
    # After: nothing the stolen keys sign counts, with versions however high, and the camera's honest server goes on.
    assert camera.refusal(thief.order(camera, "1.0.0", 5000, now)) == "arbitrary_software"
    other = office.enrol("d" * 26, "KW1-000002")
    assert other.refusal(meeting(office, other, thief.order(other, "1.0.0", 5000, now))) == "revoked_key"
    office.add_release("1.2.0")
    office.command("device", "assign", camera.id, "1.2.0")
    assert camera.check(office.fetch(camera)) == "1.2.0"
    assert camera.refusal(thief.republish(camera, now + 20 * DAY_S)) == "arbitrary_software"
    names = office.command("keys", "list").stdout
    assert {"director-timestamp-2", "image-timestamp-2"} <= set(names.split())


def meeting(office: Office, camera: Camera, forged: Fetch) -> Fetch:
    """The honest roots, and what a thief in the way answers otherwise."""
    honest = office.fetch(camera)
    return lambda repository, path: (honest if path.endswith("root.json") else forged)(repository, path)


def test_a_time_far_ahead_is_taken_back(office: Office, camera: Camera, now: int) -> None:
    ahead = now + 2 * YEAR_S
    thief = Thief(office, office.folder / "loot")
    poison = office.fetch(camera, at=ahead)  # the honest server, its clock wrong: no one can tell that from a thief
    assert camera.refusal(poison) == "freeze"  # of the image repository, whose metadata has long expired by then
    assert camera.floor_at == ahead
    assert camera.refusal(office.fetch(camera)) == "freeze"
    office.follow("time-poisoning")
    assert camera.check(office.fetch(camera)) == "1.1.0"
    assert now <= camera.floor_at < ahead
    # A thief's time, with versions far ahead as well, is taken back in the same way and not taken twice.
    other = office.enrol("d" * 26, "KW1-000002")
    assert other.check(thief.order(other, None, 1000, ahead)) is None
    assert (other.floor_at, other.refusal(thief.order(other, None, 999, ahead))) == (ahead, "rollback")
    assert other.check(office.fetch(other)) is None
    assert now <= other.floor_at < ahead
    assert other.refusal(thief.order(other, None, 5000, ahead)) == "arbitrary_software"
    assert other.floor_at < ahead


def test_what_expires_is_renewed_and_an_expired_root_is_no_dead_end(office: Office, camera: Camera, now: int) -> None:
    for repository, keys in (("image", 3), ("director", 2)):
        words = ("--repository", repository, "--valid-days", 1, "-o", office.folder / "x")
        office.command("keys", "prepare", "root", *words)
        for number in range(1, keys + 1):
            assert office.sign("x", office.folder / f"safe/{repository}-root-{number}.pem") == 0
        office.command("keys", "import", office.folder / "x")
    later = now + 2 * DAY_S
    assert camera.check(office.fetch(camera)) == "1.1.0"
    assert camera.refusal(office.fetch(camera), at=later) == "freeze"
    before = office.command("keys", "forecast", "--json", check=False).stdout
    printed = office.follow("expiry-renewal")
    assert "Something has to be renewed" in printed
    assert (newest(office, "image"), newest(office, "director")) == (3, 3)
    assert camera.check(office.fetch(camera, later), at=later) == "1.1.0"
    after = office.command("keys", "forecast", "--json").stdout
    assert ends(after, "list of releases") > ends(before, "list of releases")
    for what in ("image root", "director root"):
        assert ends(after, what) - ends(before, what) > 9 * YEAR_S


def ends(printed: str, what: str) -> int:
    """When a thing expires that `keys forecast --json` names."""
    (found,) = (one["expires_at"] for one in stdlib_json.loads(printed) if one["what"].startswith(what))
    return int(found)


def test_the_first_ceremony_with_keys_on_machines_of_their_own(office: Office) -> None:
    harness.write_build(office.folder / "build", "1.2.0", blocks=3)
    shutil.rmtree(office.server)
    shutil.rmtree(office.folder / "safe")
    office.follow("offline-ceremony")
    assert b"PRIVATE KEY" not in b"".join(path.read_bytes() for path in (office.folder / "stick").iterdir())
    camera = office.enrol()
    office.command("device", "assign", camera.id, "1.2.0")
    assert camera.check(office.fetch(camera)) == "1.2.0"
    assert {len(keyids(office, "image", role)) for role in ("root", "targets")} == {5, 3}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_runbook_that_fails_is_noticed(office: Office, name: str) -> None:
    with pytest.raises(AssertionError):
        office.follow(name, env={"CAMWARD_DIR": "nowhere", "BUILD": "nowhere", "PATH": "/usr/bin:/bin"})


def test_when_somebody_leaves_the_cameras_are_told_and_the_view_tells(office: Office, camera: Camera) -> None:
    def order() -> object:
        camera.check(office.fetch(camera))
        targets = camera.stored["director"]["targets"]
        assert targets is not None
        return json.parse_object(targets, 10**6)["signed"].get(required_change.MEMBER)

    assert order() is None
    office.follow("staff-left", "Require it")
    given = required_change.parse(order())
    assert (given.reason, given.restrict_at - given.since_at) == ("staff_left", 7 * DAY_S)
    office.follow("staff-left", "See who still has an old one")
    assert camera.id in (office.folder / "passwords.csv").read_text(encoding="utf-8")
    office.follow("staff-left", "Give more time, or take it back")
    assert order() is None
