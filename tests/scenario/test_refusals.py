"""Every attack on the repositories is refused by name, changes nothing on the camera, and its honest twin installs.

"Nothing" is measured from outside: both slots, both copies of the boot record, and every trust document. Where genuine
metadata stands before the forged file, the camera may store that part; `moves` lists those documents, and no others may
differ.
"""

from typing import NamedTuple

import pytest

from agent.app.update_state import decode
from agent.core import trust_errors
from agent.formats.json import dump
from firmware_sim.world.firmware import build
from firmware_sim.world.network import ALWAYS, ENDLESS, FLIP, STALL, Fault
from firmware_sim.world.repository import DAY_S, describe, make_release
from tests.scenario.looks import reports, running, settled
from tests.scenario.makers import RealSigner

VERSION = "2.0.0"
STALLS = 400
"""More than one for each look of a day, at five minutes; 1440 would fit."""
DIRECTOR = {f"trust/director/{role}.json" for role in ("timestamp", "snapshot", "targets")}
IMAGE = {f"trust/image/{role}.json" for role in ("timestamp", "snapshot", "targets")}
IMAGE_ROOT = {"trust/image/root.json"}


class Scene:
    """A camera that has just seen honest metadata, its operator, and a thief with copies of all keys."""

    def __init__(self, stage) -> None:
        self.stage = stage
        self.world = stage.world()
        self.world.power_on()
        stage.assign(self.world, None)
        self.world.run_for(900)
        self.honest_timestamp = None
        self.forged_roots: list[str] = []
        self.thief = stage.operator.copy()
        self.thief.set_time(int(self.world.clock.now_s))

    def serve(self) -> None:
        self.thief.serve()
        self.world.server.files.update(self.thief.files)

    def director(self, path: str) -> str:
        return f"/tuf/director/{self.thief.device_id}/{path}"

    def order(self, published, director=None, image=None) -> None:
        """Both repositories list the release, each with its own idea of it if need be."""
        release = published.release
        self.thief.add(published)
        self.thief.image.targets[release.target] = image or describe(release)
        self.thief.director.targets = {release.target: director or describe(release)}
        self.thief.publish()
        self.serve()

    def make_honest(self) -> None:
        """The operator takes over again, with versions beyond what the camera has verified, and assigns a release."""
        honest = self.stage.operator.copy()
        for repository, forged in ((honest.image, self.thief.image), (honest.director, self.thief.director)):
            for role in ("targets", "snapshot", "timestamp"):
                if forged.versions[role] < repository.versions[role] + 100:
                    repository.versions[role] = max(repository.versions[role], forged.versions[role])
            if not self.forged_roots:
                repository.versions["root"] = forged.versions["root"]
        if self.honest_timestamp is not None:
            honest.director.signers["timestamp"] = self.honest_timestamp
        honest.add(release(self, "3.0.0"))
        honest.set_time(int(self.world.clock.now_s))
        honest.assign("3.0.0")
        self.world.server.heal()
        for path in self.forged_roots:
            del self.world.server.files[path]
        self.world.server.files.update(honest.files)


def release(scene, version=VERSION, epoch=1, **about):
    return make_release(build(scene.stage.geometry, version, epoch), version, epoch, **about)


def unknown_release(scene):
    scene.order(release(scene))
    scene.thief.image.targets.clear()
    scene.thief.publish()
    scene.serve()


def one_of_two_offline_keys(scene):
    scene.thief.image.thresholds["targets"] = 1
    scene.order(release(scene))


def no_signature_at_all(scene):
    scene.thief.director.thresholds["timestamp"] = 0
    scene.order(release(scene))


def a_threshold_of_nobody(scene):
    """Even the offline keys cannot say that no signature is needed."""
    scene.thief.director.thresholds["timestamp"] = 0
    scene.thief.director.publish_root()
    scene.forged_roots.append(scene.director("2.root.json"))
    scene.order(release(scene))


def one_key_that_signs_twice(scene):
    """Twice the same key under two names in the file: the second name is no key of the role."""
    scene.thief.image.signers["targets"][1] = scene.thief.image.signers["targets"][0]
    scene.order(release(scene))


def older_release(scene):
    scene.order(release(scene, "0.9.0"))


def replayed_timestamp(scene):
    old = scene.world.server.files[scene.director("timestamp.json")]
    scene.stage.assign(scene.world, None)
    scene.world.run_for(900)
    scene.world.server.files[scene.director("timestamp.json")] = old


def withheld_timestamp(scene):
    scene.world.clock.advance(8 * DAY_S)


def far_future_version(scene):
    scene.thief.director.versions["timestamp"] += 2**24 + 5
    scene.order(release(scene))


def no_time_at_all(scene):
    del scene.thief.director.extra["timestamp"]["x-camward-issued-at"]
    scene.order(release(scene))


def time_past_the_root(scene):
    scene.thief.set_time(int(scene.world.clock.now_s) + 20 * 365 * DAY_S)
    scene.order(release(scene))


def files_never_published_together(scene):
    scene.order(release(scene))
    director = scene.thief.director
    path = f"{director.versions['targets']}.targets.json"
    other = director.copy()
    while other.files[path] == director.files[path] or len(other.files[path]) > len(director.files[path]):
        other.versions["targets"] -= 1
        other.publish_targets()  # the length of a signature differs by a byte or two from one to the next
    scene.world.server.files[scene.director(path)] = other.files[path]


def endless_timestamp(scene):
    scene.world.server.fail(Fault(ENDLESS, "/timestamp.json", 0, ALWAYS))


def another_hash_than_the_manufacturers(scene):
    published = release(scene)
    forged = describe(published.release)
    forged["hashes"] = {"sha256": "00" * 32}
    scene.order(published, director=forged)


def another_tree_than_the_manufacturers(scene):
    published = release(scene)
    scene.order(published, director=describe(published.release.replace(tree_root="00" * 32)))


def for_another_model(scene):
    scene.order(release(scene, model="kawa-2"))


def for_another_hardware(scene):
    scene.order(release(scene, hardware="z"))


def for_another_device(scene):
    scene.thief.director.extra["timestamp"]["x-camward-device"] = "b" * 26
    scene.order(release(scene))


def targets_for_another_device(scene):
    scene.thief.director.extra["targets"]["x-camward-device"] = "b" * 26
    scene.order(release(scene))


def same_version_other_content(scene):
    for role in scene.thief.director.versions:
        if role != "root":
            scene.thief.director.versions[role] -= 1
    scene.order(release(scene))


def same_targets_version_other_content(scene):
    """Timestamp and snapshot are new; the targets file that they name pretends to be the one that the camera has."""
    scene.thief.director.versions["targets"] -= 1
    scene.order(release(scene))


def signed_with_a_revoked_key(scene):
    director = scene.thief.director
    old = director.signers["timestamp"]
    director.signers["timestamp"] = [RealSigner("new")]
    director.publish_root()
    scene.honest_timestamp = director.signers["timestamp"]
    scene.world.server.receipts = (
        scene.thief.copy().receipt
    )  # what tells the time is the honest server, with the new key
    director.signers["timestamp"] = old
    scene.order(release(scene))


def below_the_rollback_index(scene):
    scene.order(release(scene, VERSION, epoch=0))


def rubbish(scene):
    scene.world.server.files[scene.director("timestamp.json")] = b'{"signed":'


def a_stored_root_that_rotted(scene):
    """Somebody or something wrote to the flash: said by name, and the next look begins with the first root."""
    body = scene.thief.director.publish_root()
    scene.serve()
    scene.world.documents.content["trust/director/root.json"] = body.replace(b'"sig":"30', b'"sig":"31')


def a_tree_that_lies(scene):
    scene.order(release(scene))
    scene.world.server.fail(Fault(FLIP, ".tree", 5, ALWAYS))


class Attack(NamedTuple):
    do: object
    code: str
    moves: set


ATTACKS = [
    Attack(unknown_release, "arbitrary_software", DIRECTOR | IMAGE),
    Attack(one_of_two_offline_keys, "arbitrary_software", DIRECTOR | IMAGE - {"trust/image/targets.json"}),
    Attack(a_threshold_of_nobody, "format", set()),
    Attack(no_time_at_all, "format", set()),
    Attack(same_targets_version_other_content, "equivocation", DIRECTOR - {"trust/director/targets.json"}),
    Attack(a_stored_root_that_rotted, "damaged_root", {"trust/director/root.json"}),
    Attack(one_key_that_signs_twice, "format", DIRECTOR | IMAGE - {"trust/image/targets.json"}),
    Attack(no_signature_at_all, "arbitrary_software", set()),
    Attack(older_release, "rollback", DIRECTOR),
    Attack(replayed_timestamp, "rollback", set()),
    Attack(withheld_timestamp, "freeze", set()),
    Attack(far_future_version, "fast_forward", set()),
    Attack(time_past_the_root, "fast_forward", set()),
    Attack(files_never_published_together, "mix_and_match", DIRECTOR - {"trust/director/targets.json"}),
    Attack(endless_timestamp, "endless_data", set()),
    Attack(another_hash_than_the_manufacturers, "wrong_target", DIRECTOR | IMAGE),
    Attack(another_tree_than_the_manufacturers, "wrong_target", DIRECTOR | IMAGE),
    Attack(for_another_model, "wrong_model", DIRECTOR),
    Attack(for_another_hardware, "wrong_hardware", DIRECTOR),
    Attack(for_another_device, "wrong_device", set()),
    Attack(targets_for_another_device, "wrong_device", DIRECTOR),
    Attack(same_version_other_content, "equivocation", set()),
    Attack(
        signed_with_a_revoked_key,
        "revoked_key",
        DIRECTOR | {"trust/director/root.json"},  # a rotation forgets the rest (5.3.11)
    ),
    Attack(below_the_rollback_index, "epoch_rollback", DIRECTOR),
    Attack(rubbish, "format", set()),
    Attack(a_tree_that_lies, "arbitrary_software", DIRECTOR | IMAGE | IMAGE_ROOT),
]


def guarded(world):
    """Hashes of what an attack must not change."""
    return {
        name: found
        for name, found in world.digest().items()
        if name in ("a", "b") or name.startswith(("record", "trust/"))
    }


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.do.__name__ for attack in ATTACKS])
def test_the_attack_is_refused_by_name_and_nothing_is_written(stage, attack):
    scene = Scene(stage)
    world = scene.world
    seen = len(reports(world))
    before = guarded(world)
    attack.do(scene)
    if attack.do is replayed_timestamp:
        before = guarded(world)  # it lets the camera see honest metadata first
    world.run_until(lambda: any(report.event == "refused" for report in reports(world)[seen:]))
    world.run_for(3600)
    refusals = [report for report in reports(world)[seen:] if report.event == "refused"]
    codes = [report.code for report in refusals]
    # Once the camera has stored the new root, a key that it revoked is a stranger's key.
    later = ["arbitrary_software"] if attack.code == "revoked_key" else []
    assert codes in ([attack.code], [attack.code] + later), "misnamed, or the same refusal was reported again"
    after = guarded(world)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed <= attack.moves
    assert len(world.boots) == 1

    # The honest twin: on the same camera, the operator's next word is obeyed.
    scene.make_honest()
    world.run_until(lambda: settled(world, "3.0.0"))


def test_what_a_refusal_quotes_is_kept_short_enough_to_be_read_again(stage):
    """A key's name, signed by nobody, comes into the error; the saved state also says which versions have failed."""
    scene = Scene(stage)
    world = scene.world
    signed = {"_type": "root", "spec_version": "1.0.0", "version": 2, "expires": "2030-01-01T00:00:00Z"}
    forged = dump({"signed": {**signed, "keys": {"鍵" * 10_000: 5}, "roles": {}}, "signatures": []})
    rubbish(scene)
    world.server.files[scene.director(f"{scene.thief.director.versions['root'] + 1}.root.json")] = forged
    world.run_until(lambda: any(report.event == "refused" for report in reports(world)))
    assert "鍵" in decode(world.documents.content["update/state.json"]).refused


def test_every_name_in_the_list_is_attacked():
    """What one signature is worth is nobody's attack (`signature`), and the base class is never raised (`trust`).

    A server without a signed file (`missing_target`) is met in test_installing.py: the update is under way then.
    """
    classes = [found for found in vars(trust_errors).values() if isinstance(found, type)]
    codes = {found.code for found in classes if found.__module__ == trust_errors.__name__}
    assert {attack.code for attack in ATTACKS} == codes - {"signature", "trust", "missing_target"} | {"format"}


def test_slow_retrieval_costs_a_deadline_and_changes_nothing(stage):
    """A server that answers nothing until the deadline: no refusal, for nothing was seen; then the honest twin.

    Were the camera to ask without pause, it would use the stalls up within a day and install the release.
    """
    scene = Scene(stage)
    world = scene.world
    before = guarded(world)
    scene.order(release(scene))
    for path in ("/timestamp.json", ".targets.json", ".tree"):
        world.server.fail(Fault(STALL, path, 0, STALLS))
        world.run_for(DAY_S)
        assert running(world) == "1.0.0"
        assert not world.server.fetched(".slot")
        world.server.heal()
    after = guarded(world)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= DIRECTOR | IMAGE
    scene.make_honest()
    world.run_until(lambda: settled(world, "3.0.0"))
