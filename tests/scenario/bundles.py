"""What the tests of updates without a server share: a claimed camera without an operator, and bundles for it."""

from firmware_sim.world import bundle, factory, people
from firmware_sim.world.bundle import STATE, UPLOAD
from firmware_sim.world.world import World
from tests.scenario.looks import phase, running

STICK = "/media/usb/kawa.bundle"
PUBLIC = {"url": factory.PUBLIC_URL, "ca": factory.PUBLIC_CA, "check_interval_s": 3600}


def lonely(stage, releases: dict | None = None, **schedule) -> World:
    """A claimed camera without an operator, switched on, whose clock is right; the rest: of its configuration."""
    world = stage.fresh()
    world.releases = releases
    world.schedule = schedule
    world.power_on()
    people.claim(world)
    world.run_for(200)  # until it has seen itself healthy
    return world


def paths(operator, version: str, devices: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The files that a bundle about this version carries: the image repository, its targets, orders for devices."""
    release = operator.releases[version].release
    ends = (release.target, release.tree_name)
    found = {}
    for path, body in operator.files.items():
        ordered = any(path.startswith(f"/tuf/director/{device}/") for device in devices)
        if path.startswith("/tuf/image/") or ordered or (path.startswith("/targets/") and path.endswith(ends)):
            found[path] = body
    return found


def make(operator, version: str, devices: tuple[str, ...] = ()) -> bytes:
    """The bundle that the operator or the manufacturer makes."""
    return bundle.make(paths(operator, version, devices), operator.releases[version].release.target)


def publish(stage, world: World) -> None:
    """The manufacturer signs the image repository anew and puts it on its public server."""
    operator = stage.operator
    operator.set_time(int(world.clock.now_s))
    operator.image.publish()
    operator.serve()
    for path, body in operator.files.items():
        if not path.startswith("/tuf/director/"):
            world.public.files[path] = body


def bring(world: World, body: bytes) -> dict:
    """Root at the console installs a bundle from a stick; the reply."""
    world.sticks[STICK] = body
    return world.admin("install", path=STICK)


def upload(world: World, body: bytes, length: int | None = None) -> dict:
    """An administrator uploads a bundle on the camera's page; the reply to the end, or to what was refused before."""
    grant = people.login(world)["grant"]
    size = str(len(body) if length is None else length)
    reply = world.ask("web", people.request("upload", grant=grant, length=size))
    if not reply["ok"]:
        return reply
    assert reply["path"] == STATE + UPLOAD
    world.uploads.fill(body)
    return world.ask("web", people.request("install_bundle", ticket=reply["ticket"]))


def unmoved(world: World) -> dict[str, str]:
    """What a refused installation must leave as it was: both slots, the boot record, and what is trusted."""
    return {
        name: value
        for name, value in world.digest().items()
        if name in ("a", "b", "record 0", "record 1") or name.startswith("trust/")
    }


def installed(world: World, version: str) -> bool:
    return world.agent is not None and running(world) == version and phase(world) == "idle"
