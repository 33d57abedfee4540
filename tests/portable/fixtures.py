"""Files that the cases read: signed repositories and signatures, made anew for each run with keys that are thrown away.

Nothing random may reach a case's output except what both interpreters read from the same file.
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.repositories import NOW, World, make_release, moment, slot_target, tree_target


def prepare(folder: Path) -> None:
    """Write all fixtures below a new folder."""
    _signature(folder / "p256")
    for name, change in _WORLDS.items():
        world = World()
        change(world)
        _write_world(folder / "trust" / name, world)


def _signature(folder: Path) -> None:
    folder.mkdir(parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pem").write_bytes(pem)
    (folder / "message").write_bytes(b"a river camera\n")
    (folder / "signature").write_bytes(key.sign(b"a river camera\n", ec.ECDSA(SHA256())))


def _write_world(folder: Path, world: World) -> None:
    for name in ("image", "director"):
        served, stored = folder / "served" / name, folder / "stored" / name
        served.mkdir(parents=True)
        stored.mkdir(parents=True)
        for path, body in world.repository(name).files.items():
            (served / path).write_bytes(body)
        for role, kept in world.stored[name].items():
            (stored / role).write_bytes(kept or b"")


def _install(world: World) -> None:
    world.offer(make_release())


def _idle(world: World) -> None:
    world.run()
    world.director.next_timestamp()


def _rollback(world: World) -> None:
    old = dict(world.director.files)
    world.offer(make_release())
    world.run()
    world.director.files = old


def _freeze(world: World) -> None:
    world.director.timestamp.expires = moment(NOW - 1)
    world.issue(NOW - 86400)
    world.director.next_timestamp()


def _arbitrary(world: World) -> None:
    world.assign(make_release())


def _wrong_model(world: World) -> None:
    world.offer(make_release(model="kawa-2"))


def _mixed(world: World) -> None:
    world.offer(make_release())
    world.director.files["2.snapshot.json"] = world.director.files["2.snapshot.json"][:-1]


def _unsigned(world: World) -> None:
    world.offer(make_release())
    world.director.signers["timestamp"].clear()
    world.director.next()


def _rotated(world: World) -> None:
    world.run()
    stolen = world.director.replace_key("timestamp")
    world.director.next_root()
    world.director.signers["timestamp"] = [stolen]
    world.offer(make_release())


def _delegated(world: World) -> None:
    image = world.image
    made = make_release()
    image.delegate("targets", "one", ["other-*"])
    image.delegate("targets", "two/..", ["kawa-*"])
    image.delegate("two/..", "three", [made.target, "*.tree"], keys=2)
    image.delegate("targets", "never", terminating=True)
    image.delegated["three"].targets[made.target] = slot_target(made)
    image.delegated["three"].targets[made.tree_name] = tree_target(made)
    image.next()
    world.assign(made)


def _withheld(world: World) -> None:
    _delegated(world)
    del world.image.files["1.three.json"]


_WORLDS = {
    "delegated": _delegated,
    "withheld": _withheld,
    "install": _install,
    "idle": _idle,
    "rollback": _rollback,
    "freeze": _freeze,
    "arbitrary": _arbitrary,
    "wrong_model": _wrong_model,
    "mixed": _mixed,
    "unsigned": _unsigned,
    "rotated": _rotated,
}
