"""The update server is stolen, played through: what its thief can do to a camera, what not, and how the camera returns.

The thief has everything that the server holds: the director's targets, snapshot and timestamp keys, the image
repository's snapshot and timestamp keys, the database (every release, every token), and the TLS key: cameras talk to
the thief and to the thief's broker. No offline key: neither roots, nor the image repository's targets keys.

What they can do is in docs/threat-model.md: withhold updates, choose among genuine releases of the epoch, hear the
reports, and push versions and the time floor up to the expiry of the director's root. None of that outlives the
rotation of the online keys by the two offline roots, which ends each of these stories on the same camera.
"""

from collections.abc import Callable
from json import dumps, loads
from typing import NamedTuple

import pytest

from agent.formats import utc
from firmware_sim.world import factory, people
from firmware_sim.world.firmware import build
from firmware_sim.world.network import RECEIPTS
from firmware_sim.world.repository import DAY_S, LIFE_S, describe, make_release
from tests.scenario.looks import reports, running, settled
from tests.scenario.makers import RealSigner

RUNS, OLDER, FORGED, AFTER = "5.1.0", "5.0.0", "6.6.6", "7.0.0"
"""What runs, an older genuine release of its epoch, what the thief makes, and what the operator releases afterwards."""
OLD_EPOCH, OTHER_MODEL = "1.0.0", "9.0.0"
ONLINE = {"director": ("targets", "snapshot", "timestamp"), "image": ("snapshot", "timestamp")}
STEP = 2**24
"""The longest step of a version that is taken at once."""
KEPT = ("ownership/", "identity/", "factory/", "credentials/", "config/")
"""What no server may touch."""
PROBED = "credentials/lockout.json"
"""The camera tries its own login every day."""


class Theft:
    """A camera that runs RUNS of epoch 2, its operator, and whoever has the operator's server."""

    def __init__(self, stage) -> None:
        for version, epoch in ((OLDER, 2), (RUNS, 2)):
            if version not in stage.operator.releases:
                stage.release(version, epoch)
        self.stage, self.world = stage, stage.world(RUNS)
        self.operator = stage.operator.copy()
        other = make_release(build(stage.geometry, OTHER_MODEL, 2), OTHER_MODEL, 2, model="kawa-2")
        self.operator.add(other)
        self.operator.set_time(int(self.world.clock.now_s))
        self.operator.assign(RUNS)
        self._serve(self.operator)
        self.world.power_on()
        self.world.run_until(lambda: settled(self.world, RUNS))
        self.world.run_for(900)
        self.genuine_targets = self.operator.image.versions["targets"]
        self.steal()

    def steal(self) -> None:
        """Take what the server holds; the versions go on from what the camera has seen."""
        self.thief = self.operator.copy()
        for repository, roles in ((self.thief.director, ONLINE["director"]), (self.thief.image, ONLINE["image"])):
            for role in repository.signers:
                if role not in roles:
                    repository.signers[role] = [RealSigner("thief") for _ in repository.signers[role]]
                else:
                    stored = self.world.documents.content[f"trust/{repository.name}/{role}.json"]
                    repository.versions[role] = max(repository.versions[role], loads(stored)["signed"]["version"])

    def _serve(self, operator) -> None:
        self.world.server.files.update(operator.files)
        self.world.server.receipts, self.world.broker.takes = operator.receipt, operator.taken

    def publish(self, forge_image_targets: bool = False) -> None:
        """Sign with what was stolen, and serve: the image repository's targets stay as the manufacturer signed them."""
        image = self.thief.image
        self.thief.set_time(int(self.world.clock.now_s))
        image.versions["targets"] = self.genuine_targets
        if forge_image_targets:
            image.publish_targets()
        image.publish_snapshot()
        image.publish_timestamp()
        self.sign_director()

    def sign_director(self) -> None:
        director = self.thief.director
        director.publish_targets()
        director.publish_snapshot()
        director.publish_timestamp()
        self.thief.serve()
        self._serve(self.thief)

    def order(self, described: dict[str, dict[str, object]], **how: bool) -> None:
        """Direct the camera to what is described."""
        self.thief.director.targets = described
        self.publish(**how)

    def order_release(self, version: str) -> None:
        made = self.thief.releases[version].release
        self.order({made.target: describe(made)})

    def kept(self) -> dict[str, bytes]:
        """Every document of the camera that is not for a server to change."""
        found = self.world.documents.content.items()
        return {name: body for name, body in found if name.startswith(KEPT) and name != PROBED}

    def refusals(self, begin: int) -> list[str]:
        return [report.code for report in reports(self.world)[begin:] if report.event == "refused"]

    def recover(self) -> None:
        """What the runbook says: new online keys, by the offline roots; a new server; the next release."""
        operator, now_s = self.operator, int(self.world.clock.now_s)
        operator.set_time(now_s)
        for repository, roles in ((operator.director, ONLINE["director"]), (operator.image, ONLINE["image"])):
            repository.extra["root"] = {"x-camward-issued-at": utc.render(now_s)}
            for role in roles:
                repository.signers[role] = [RealSigner("new " + role)]
            repository.publish_root()
        operator.add(make_release(build(self.stage.geometry, AFTER, 2), AFTER, 2))
        operator.assign(AFTER)
        self.world.server.heal()
        self.world.server.files.clear()
        self._serve(operator)
        self.world.run_until(lambda: settled(self.world, AFTER))


def say(theft: Theft, role: str, member: str, value: object) -> None:
    """Sign this in the director's role from now on (`set_time` makes the members anew)."""
    set_time = theft.thief.set_time

    def with_it(now_s: int) -> None:
        set_time(now_s)
        theft.thief.director.extra[role][member] = value

    theft.thief.set_time = with_it


# --- what the thief tries


def forged(theft: Theft):
    """A release that the manufacturer never made."""
    published = make_release(build(theft.stage.geometry, FORGED, 2), FORGED, 2)
    theft.thief.files[f"/targets/{published.release.sha256}.{published.release.target}"] = published.image
    theft.thief.files[f"/targets/{published.release.tree_sha256}.{published.release.tree_name}"] = published.tree
    return published.release


def install_what_nobody_released(theft: Theft) -> None:
    made = forged(theft)
    theft.order({made.target: describe(made)})


def sign_image_targets_with_other_keys(theft: Theft) -> None:
    made = forged(theft)
    theft.thief.image.targets[made.target] = describe(made)
    theft.order({made.target: describe(made)}, forge_image_targets=True)


def sign_image_targets_with_the_online_keys(theft: Theft) -> None:
    theft.thief.image.signers["targets"] = [
        *theft.thief.image.signers["snapshot"],
        *theft.thief.image.signers["timestamp"],
    ]
    sign_image_targets_with_other_keys(theft)


def make_a_root_of_their_own(theft: Theft) -> None:
    """Signed by every key they have, and by new ones."""
    director = theft.thief.director
    director.signers["root"] = [*director.signers["root"], *(director.signers[role][0] for role in ONLINE["director"])]
    director.publish_root()
    theft.publish()


def describe_a_genuine_release_otherwise(theft: Theft) -> None:
    """The name is the manufacturer's, the hash is of the thief's image."""
    made, genuine = forged(theft), theft.thief.releases[RUNS].release
    theft.order({genuine.target: describe(made.replace(target=genuine.target, version="5.2.0"))})


def go_back_beyond_the_epoch(theft: Theft) -> None:
    say(theft, "targets", "x-camward-allow-older", True)
    theft.order_release(OLD_EPOCH)


def go_back_within_the_epoch(theft: Theft) -> None:
    theft.order_release(OLDER)


def install_another_model(theft: Theft) -> None:
    theft.order_release(OTHER_MODEL)


def push_the_time_beyond_the_directors_root(theft: Theft) -> None:
    at = int(theft.world.clock.now_s) + LIFE_S["root"] + DAY_S
    theft.thief.set_time(at)
    theft.thief.director.now_s = at
    theft.sign_director()


def push_versions_beyond_a_step(theft: Theft) -> None:
    theft.thief.director.versions["timestamp"] += STEP + 5
    theft.publish()


def direct_with_another_cameras_orders(theft: Theft) -> None:
    say(theft, "snapshot", "x-camward-device", "b" * 26)
    theft.publish()


def replay_old_orders(theft: Theft) -> None:
    """What the server once published, genuine to the last byte."""
    path = f"/tuf/director/{theft.operator.device_id}/timestamp.json"
    old = theft.world.server.files[path]
    theft.publish()
    theft.world.run_for(1200)
    theft.world.server.files[path] = old


def withhold_everything(theft: Theft) -> None:
    """The last metadata goes on being served until it has expired; the time is told truly."""
    theft.world.clock.advance(LIFE_S["timestamp"] + DAY_S)


class Attempt(NamedTuple):
    do: Callable[[Theft], None]
    code: str


REFUSED = [
    Attempt(install_what_nobody_released, "arbitrary_software"),
    Attempt(sign_image_targets_with_other_keys, "arbitrary_software"),
    Attempt(sign_image_targets_with_the_online_keys, "arbitrary_software"),
    Attempt(make_a_root_of_their_own, "arbitrary_software"),
    Attempt(describe_a_genuine_release_otherwise, "wrong_target"),
    Attempt(go_back_beyond_the_epoch, "epoch_rollback"),
    Attempt(go_back_within_the_epoch, "rollback"),
    Attempt(install_another_model, "wrong_model"),
    Attempt(push_the_time_beyond_the_directors_root, "fast_forward"),
    Attempt(push_versions_beyond_a_step, "fast_forward"),
    Attempt(direct_with_another_cameras_orders, "wrong_device"),
    Attempt(replay_old_orders, "rollback"),
    Attempt(withhold_everything, "freeze"),
]


@pytest.mark.parametrize("attempt", REFUSED, ids=[attempt.do.__name__ for attempt in REFUSED])
def test_the_thief_is_refused_by_name_and_the_offline_roots_take_the_camera_back(stage, attempt):
    theft = Theft(stage)
    world, seen = theft.world, len(reports(theft.world))
    before = {name: found for name, found in world.digest().items() if name in ("a", "b") or name.startswith("record")}
    kept, boots = theft.kept(), len(world.boots)
    attempt.do(theft)
    world.run_until(lambda: theft.refusals(seen))
    world.run_for(DAY_S)
    assert set(theft.refusals(seen)) == {attempt.code}
    assert {name: world.digest()[name] for name in before} == before, "a slot or the boot record was written"
    assert (running(world), len(world.boots)) == (RUNS, boots)
    assert theft.kept() == kept
    theft.recover()


# --- what the thief may do, within bounds


def test_an_older_release_of_the_epoch_needs_a_signed_permission_which_the_thief_can_sign(stage):
    """A genuine release, whole and of the epoch: documented as what an online director may order."""
    theft = Theft(stage)
    say(theft, "targets", "x-camward-allow-older", True)
    theft.order_release(OLDER)
    theft.world.run_until(lambda: settled(theft.world, OLDER))
    assert theft.world.record().rollback_index == 2
    theft.recover()


def test_versions_pushed_as_far_as_they_go_bind_nobody_after_the_rotation(stage):
    """Eight steps of the longest kind for every role that the thief signs: then every honest version is a rollback."""
    theft = Theft(stage)
    for _ in range(8):
        for repository, roles in ((theft.thief.director, ONLINE["director"]), (theft.thief.image, ONLINE["image"])):
            for role in roles:
                repository.versions[role] += STEP - 1
        theft.order_release(RUNS)
        theft.world.run_for(1200)
    stored = loads(theft.world.documents.content["trust/director/timestamp.json"])["signed"]["version"]
    assert stored > 7 * STEP, "the thief did not get there, so there is nothing to recover from"
    seen = len(reports(theft.world))
    theft.operator.set_time(int(theft.world.clock.now_s))
    theft.operator.publish()
    theft.world.server.files.update(theft.operator.files)
    theft.world.run_until(lambda: "rollback" in theft.refusals(seen))
    theft.recover()


def test_the_floor_pushed_up_to_the_root_falls_with_the_keys(stage):
    theft = Theft(stage)
    at = int(theft.world.clock.now_s) + LIFE_S["root"] - 2 * DAY_S
    theft.thief.set_time(at)
    theft.sign_director()
    theft.world.run_until(lambda: floor(theft.world) > at - DAY_S)
    theft.recover()
    assert floor(theft.world) <= theft.world.clock.now_s


def floor(world) -> int:
    body = world.documents.content.get("clock/floor.json")
    return loads(body)["floor_at"] if body else factory.BUILD_TIME_S


# --- whose camera it is


COMMANDS = ("erase", "disown", "unclaim", "enrol", "claim", "transfer", "reboot", "ownership", "config", "login")


def test_no_word_of_the_server_erases_unclaims_or_changes_owner_ca_or_keys(stage):
    """Commands of every name, a forged ownership record, and forged answers to whatever the camera asks for."""
    theft = Theft(stage)
    world, kept, device_id = theft.world, theft.kept(), theft.world.device_id()
    assert any(name.startswith("ownership/") for name in kept)
    assert any(name.startswith("credentials/") for name in kept)
    record = loads(next(body for name, body in kept.items() if name.startswith("ownership/")))
    for member in ("ca", "director_root", "sealing_key", "command_keys", "operator", "server"):
        forgery = dumps({**record, member: record["server"] if member == "server" else "thief"}).encode()
        world.server.files[people.OWNERSHIP_PATH] = forgery
        for command in COMMANDS:
            body = dumps(
                {"v": 1, "op": command, "type": command, "ownership": forgery.decode(), member: "thief"}
            ).encode()
            for topic in ("command", "receipt", command):
                world.link.events.append(("message", f"camward/1/{device_id}/down/{topic}", body))
            world.run_for(60)
    world.run_for(DAY_S)
    assert theft.kept() == kept
    assert world.device_id() == device_id
    assert people.login(world)["ok"] is True
    assert running(world) == RUNS
    theft.recover()


def test_what_the_camera_asks_a_server_for_is_what_this_test_has_answered(stage):
    """Nothing else on the wire could carry an order: metadata, targets, and the time."""
    theft = Theft(stage)
    theft.recover()
    asked = {one.path for one in theft.world.server.exchanges}
    known = ("/tuf/", "/targets/", RECEIPTS, people.OWNERSHIP_PATH)
    assert [path for path in asked if not path.startswith(known)] == []


def test_the_whole_theft_on_one_camera(stage):
    """One thief, one camera, everything after another; then the offline roots."""
    theft = Theft(stage)
    world, kept, boots = theft.world, theft.kept(), len(theft.world.boots)
    codes: list[str] = []  # the same refusal again is no news to the agent
    # Forged image targets last: the stolen snapshot key binds the camera to their version until it is rotated out.
    for attempt in sorted(REFUSED, key=lambda one: "image_targets" in one.do.__name__):
        theft.steal()
        theft.publish()
        world.run_for(DAY_S)  # whatever is genuine goes on being taken
        seen = len(reports(world))
        attempt.do(theft)
        world.run_for(DAY_S)  # after so many refusals it looks every six hours
        codes += theft.refusals(seen)
        assert set(theft.refusals(seen)) <= {attempt.code}, attempt.do.__name__
        world.server.files.pop(f"/tuf/director/{theft.operator.device_id}/2.root.json", None)
    assert set(codes) == {attempt.code for attempt in REFUSED}
    assert running(world) == RUNS
    assert (theft.kept(), len(world.boots)) == (kept, boots)
    theft.recover()


def test_an_order_to_change_passwords_is_all_a_thief_can_do_to_them_and_ends_with_the_keys(stage):
    """The strictest one: recorders are cut off, the owner is not, and the honest server's next word opens again."""
    theft = Theft(stage)
    world, kept = theft.world, theft.kept()
    now = int(world.clock.now_s)
    moments = ("since_at", "remind_at", "restrict_at", "claim_only_at")
    order = {"v": 1, "reason": "compromised", **dict.fromkeys(moments, now)}
    say(theft, "targets", "x-camward-credentials", order)
    theft.publish()
    world.run_until(lambda: people.login(world).get("code") == "change_required")
    for password in ("", "admin", "mallory's long password"):
        assert people.login(world, password, "198.51.100.9")["code"] in ("denied", "wait")
    assert world.ask("web", people.request("state"))["state"] == "claimed"
    assert theft.kept() == kept, "not one stored password was touched"
    theft.recover()
    world.run_for(factory.CHECK_INTERVAL_S * 3)
    assert people.login(world)["ok"] is True
    assert theft.kept() == kept
