"""Recovery, interrupted everywhere: rotten documents, forged ones, a full disk, and no power at any write.

Whatever is stored, what the server has fresh leads to the update; and what is stored intact still protects against
going back.
"""

from json import dumps, loads

import pytest

from firmware_sim.world.network import ABSENT, ALWAYS, Fault
from firmware_sim.world.power import OUTCOMES
from firmware_sim.world.repository import DAY_S
from tests.scenario.looks import events, phase, reports, running, settled
from tests.scenario.makers import RealSigner
from tests.scenario.sweep import sweep

ROLES = ("root", "timestamp", "snapshot", "targets")
DOCUMENTS = [f"trust/{repository}/{role}.json" for repository in ("image", "director") for role in ROLES]
OLD, KNOWN, NEW = "4.0.0", "4.1.0", "5.0.0"
LOOK_S = 1200  # more than one interval of checks, their jitter and a boot
ROTATED = ("timestamp", "snapshot", "targets")


def serve(world, operator):
    world.server.files.update(operator.files)
    world.server.receipts, world.broker.takes = operator.receipt, operator.taken


def refusals(world):
    """What was refused, but for what the camera says of a root of its own that rotted."""
    return {report.code for report in reports(world) if report.event == "refused"} - {"damaged_root"}


def order(world, operator, version):
    operator.set_time(int(world.clock.now_s))
    operator.assign(version)
    serve(world, operator)


def finish(world, version=NEW):
    """The story: the camera runs and commits this version."""
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: settled(world, version))


def version_of(body):
    """The version of a stored document; 0 where it is none."""
    try:
        return int(loads(body)["signed"]["version"])
    except (TypeError, ValueError, KeyError):
        return 0


def versions(world):
    return {name: version_of(world.documents.content.get(name)) for name in DOCUMENTS}


def trusted(world):
    """What is stored, by repository and role."""
    return {name.removesuffix(".json"): version for name, version in versions(world).items()}


def published(operator):
    """What the operator has published last."""
    return {
        f"trust/{which}/{role}": getattr(operator, which).versions[role]
        for which in ("image", "director")
        for role in ROLES
    }


class Veteran:
    """A camera with every trust document stored, and an operator who has published further since.

    Attributes:
        idle: the camera, running KNOWN, without power.
        operator: with NEW released, assigned to nobody yet.
        past: what the server had before KNOWN: all of it was once honest.
    """

    def __init__(self, stage):
        for version in (OLD, KNOWN, NEW):
            if version not in stage.operator.releases:
                stage.release(version)
        world, self.operator = stage.world(), stage.operator.copy()
        order(world, self.operator, OLD)
        finish(world, OLD)
        self.past = dict(self.operator.files)
        for repository in (self.operator.image, self.operator.director):
            repository.publish_root()  # the first one is part of the firmware and of the ownership record
        order(world, self.operator, KNOWN)
        finish(world, KNOWN)
        world.power_cut()
        self.idle = world
        assert all(versions(world).values()), "a trust document is not stored"

    def camera(self, seed=0):
        world = self.idle.copy(seed)
        world.server.receipts, world.broker.takes = self.operator.receipt, self.operator.taken
        return world


@pytest.fixture(scope="module")
def veteran(stage):
    return Veteran(stage)


# --- documents that rotted


def gone(body, _others):
    return None


def empty(_body, _others):
    return b""


def half(body, _others):
    return body[: len(body) // 2]


def one_byte_less(body, _others):
    return body[:-1]


def one_byte_more(body, _others):
    return body + b"\n{}"


def rubbish(_body, _others):
    return b"\xff\x00" * 50


def zeros(body, _others):
    return bytes(len(body))


def flipped_early(body, _others):
    return body[:40] + bytes([body[40] ^ 4]) + body[41:]


def flipped_late(body, _others):
    at = len(body) - len(body) // 4
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def huge(_body, _others):
    return b"[" * 300_000


def unsigned(body, _others):
    return dumps({**loads(body), "signatures": []}).encode()


def swapped(body, others):
    """The next document's content."""
    return others[(others.index(body) + 1) % len(others)]


DAMAGE = [
    gone, empty, half, one_byte_less, one_byte_more, rubbish, zeros, flipped_early, flipped_late, huge, unsigned,
    swapped,
]  # fmt: skip


def damage_documents(world, names, damage):
    content = world.documents.content
    others = [content[name] for name in DOCUMENTS]
    for name in names:
        found = damage(content[name], others)
        if found is None:
            del content[name]
        else:
            content[name] = found


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_fresh_metadata_leads_to_the_update_whatever_one_document_has_become(veteran, name, damage):
    world, operator = veteran.camera(), veteran.operator.copy()
    before = versions(world)
    damage_documents(world, [name], damage)
    order(world, operator, NEW)
    finish(world)
    assert refusals(world) == set()
    assert all(versions(world)[one] >= before[one] for one in DOCUMENTS)


@pytest.mark.parametrize("damage", DAMAGE)
def test_fresh_metadata_leads_to_the_update_with_every_document_damaged(veteran, damage):
    world, operator = veteran.camera(), veteran.operator.copy()
    damage_documents(world, DOCUMENTS, damage)
    order(world, operator, NEW)
    finish(world)
    assert refusals(world) == set()


@pytest.mark.parametrize("damage", [None, *DAMAGE[:8]])
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "director" in name])
def test_what_is_left_of_the_directors_documents_protects_against_going_back(veteran, name, damage):
    """TUF remembers in three files: the loss of one opens no way back, of none in particular."""
    world = veteran.camera()
    if damage is not None:
        damage_documents(world, [name], damage)
    before = versions(world)
    world.server.files.update(veteran.past)
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert reports(world)[-1].code in ("rollback", "wrong_device")
    world.run_for(LOOK_S)
    assert running(world) == KNOWN
    assert all(versions(world)[one] >= before[one] for one in DOCUMENTS)


@pytest.mark.parametrize("damage", [None, *DAMAGE[:8]])
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "image" in name])
def test_what_is_left_of_the_image_documents_protects_against_going_back(veteran, name, damage):
    world, operator = veteran.camera(), veteran.operator.copy()
    if damage is not None:
        damage_documents(world, [name], damage)
    before = versions(world)
    order(world, operator, NEW)
    world.server.files.update({path: body for path, body in veteran.past.items() if path.startswith("/tuf/image/")})
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert reports(world)[-1].code == "rollback"
    assert running(world) == KNOWN
    assert all(versions(world)[one] >= before[one] for one in DOCUMENTS if "image" in one)
    order(world, operator, NEW)
    finish(world)


def test_with_all_of_them_lost_the_release_itself_still_does_not_go_back(veteran):
    """No TUF client remembers what it has lost; the running version and the security epoch are kept elsewhere."""
    world = veteran.camera()
    damage_documents(world, DOCUMENTS, gone)
    world.server.files.update(veteran.past)
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert reports(world)[-1].code == "rollback"
    world.run_for(LOOK_S)
    assert running(world) == KNOWN


def test_everything_stored_has_expired(veteran):
    world, operator = veteran.camera(), veteran.operator.copy()
    world.clock.advance(300 * DAY_S)
    order(world, operator, NEW)
    finish(world)
    assert refusals(world) == set()


# --- stolen online keys, and the way back


def burgled(veteran):
    """A camera that a thief with all online keys has pushed far ahead, and the operator's copy of before.

    The thief's files name targets of the image repository that nobody ever signed, so nothing was installed.
    """
    world, operator = veteran.camera(), veteran.operator.copy()
    thief = operator.copy()
    for repository in (thief.image, thief.director):
        for role in ROTATED:
            repository.versions[role] += 100_000
    order(world, thief, NEW)
    signed = f"/tuf/image/{thief.image.versions['targets']}.targets.json"
    world.server.fail(Fault(ABSENT, signed, 0, ALWAYS))  # that role's keys are offline
    world.power_on()
    world.run_for(LOOK_S)
    world.power_cut()
    world.server.heal()
    assert running(world) == KNOWN
    for name in ("image/timestamp", "image/snapshot", "director/timestamp", "director/snapshot", "director/targets"):
        assert versions(world)[f"trust/{name}.json"] > 100_000, name
    return world, operator


def recovered(operator, world):
    """The operator's answer: two roots for each repository; new online keys with the first, new root keys with both."""
    operator.set_time(int(world.clock.now_s))
    for repository in (operator.image, operator.director):
        for number in (1, 2):
            old = list(repository.signers["root"])
            for role in ("root", *(ROTATED if number == 1 else ())):
                repository.signers[role] = [RealSigner(f"{role} {number}") for _ in repository.signers[role]]
            repository.publish_root(old)
    order(world, operator, NEW)


@pytest.fixture(scope="module")
def theft(veteran):
    """A burgled camera, its thief's files on the server; and the operator's recovery."""
    world, operator = burgled(veteran)
    thieves = dict(world.server.files)
    recovered(operator, world)
    return world, operator, thieves


def stolen_from(theft, seed=0):
    world, operator, _ = theft
    made = world.copy(seed)
    serve(made, operator)
    return made


def test_without_new_keys_there_is_no_way_back(veteran):
    """The control: honest files of the old keys are a rollback for this camera."""
    world, operator = burgled(veteran)
    order(world, operator, NEW)
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert reports(world)[-1].code == "rollback"
    assert running(world) == KNOWN


def looked(world):
    """The story: up to the moment when the check has led to an installation."""
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: phase(world) not in ("idle", "checking"))


def test_a_cut_at_every_write_of_the_recovery(theft):
    """Root chains of both repositories, the deletions of fast-forward recovery, and every role after them."""
    _, operator, thieves = theft

    def check(world, cut):
        assert all(boot.sound for boot in world.boots)
        assert refusals(world) == set(), reports(world)[-1]
        assert trusted(world) == published(operator)

    swept = sweep(lambda seed: stolen_from(theft, seed), looked, check, after=finish)
    assert swept.failures == []
    assert len(swept.cuts) == len(swept.operations) * len(OUTCOMES)
    writes = [f"store trust/{which}/{role}.json" for which in ("image", "director") for role in ROLES]
    assert set(writes) <= set(swept.operations)
    deleted = {operation for operation in swept.operations if operation.startswith("delete trust/")}
    assert deleted >= {f"delete trust/{w}/{r}.json" for w in ("image", "director") for r in ("timestamp", "snapshot")}
    # The thief comes back with what the old keys have signed.
    world = stolen_from(theft)
    finish(world)
    before = versions(world)
    world.server.files.update({path: body for path, body in thieves.items() if path.endswith("timestamp.json")})
    world.run_until(lambda: "refused" in events(world))
    assert reports(world)[-1].code in ("revoked_key", "arbitrary_software")
    assert versions(world) == before


@pytest.mark.parametrize("damage", [gone, half, swapped])
def test_a_cut_at_every_write_that_replaces_damaged_documents(veteran, damage):
    operator = veteran.operator.copy()
    template = veteran.camera()
    damage_documents(template, DOCUMENTS, damage)
    order(template, operator, NEW)

    def make(seed):
        world = template.copy(seed)
        serve(world, operator)
        return world

    def check(world, cut):
        assert refusals(world) == set(), reports(world)[-1]
        assert all(boot.sound for boot in world.boots)

    swept = sweep(make, looked, check, after=finish)
    assert swept.failures == []
    assert len(swept.cuts) == len(swept.operations) * len(OUTCOMES) > 0


# --- storage that fails

ENOUGH_BYTES = 3600  # beyond what a camera in need of recovery has stored already


def used_bytes(world):
    return sum(len(body) for body in world.documents.content.values())


@pytest.mark.parametrize("room", range(0, ENOUGH_BYTES + 1, 200))
def test_a_full_disk_during_the_recovery_only_delays_it(theft, room):
    """Each amount of room lets the check come a little further; what was stored meanwhile is whole, old or new."""
    world = stolen_from(theft)
    _, operator, thieves = theft
    known = {*world.server.files.values(), *thieves.values(), *world.documents.content.values()}
    world.documents.room_bytes = used_bytes(world) + room
    world.power_on()
    world.run_for(LOOK_S)
    for name in DOCUMENTS:
        assert world.documents.content.get(name) in {None, *known}, name
    assert running(world) == (NEW if room == ENOUGH_BYTES else KNOWN) or 0 < room < ENOUGH_BYTES
    fetched = [one.path for one in world.server.exchanges if one.path.endswith((".slot", ".tree"))]
    if fetched:
        assert trusted(world) == published(operator), "something was fetched on the word of metadata that is not stored"
    world.documents.room_bytes = 4 * 1024 * 1024
    finish(world)


@pytest.mark.parametrize("folder", ["trust/image/", "trust/director/"])
def test_storage_that_fails_for_a_while_only_delays_the_update(theft, folder):
    world = stolen_from(theft)
    world.documents.broken_folder = folder
    world.power_on()
    world.run_for(LOOK_S)
    assert world.agent is not None
    assert running(world) == KNOWN
    world.documents.broken_folder = ""
    finish(world)
