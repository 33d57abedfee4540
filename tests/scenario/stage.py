"""Worlds to start from. A test takes a copy, lets one thing happen to it, and compares."""

from typing import Any

from agent.formats import utc
from firmware_sim.world import people
from firmware_sim.world.firmware import SOUND, Geometry, build
from firmware_sim.world.repository import make_release, new_operator
from firmware_sim.world.world import World
from tests.scenario.makers import RealSigner, verify_signature

NOW = utc.parse("2026-11-22T00:00:00Z")
SMALL = Geometry(slot_blocks=14, root_blocks=12)


class Stage:
    """A camera that is claimed, enrolled and idle on 1.0.0, without power; and its operator.

    `commands`: how many keys sign its operator's commands, and how many people's keys the grave ones.
    """

    def __init__(self, geometry: Geometry = SMALL, commands: tuple[int, int] = (0, 0)) -> None:
        self.geometry = geometry
        self.operator = new_operator(RealSigner, NOW)
        self.operator.command_signers = [RealSigner(f"command {n}") for n in range(commands[0])]
        self.operator.authority_signers = [RealSigner(f"authority {n}") for n in range(commands[1])]
        self.release("1.0.0")
        world = World(geometry, self.operator.image.files["1.root.json"], verify_signature, NOW)
        world.leave_factory()
        world.power_on()
        grant = people.claim(world)["grant"]
        people.enrol(world, self.operator, grant)
        world.run_for(900)
        world.power_cut()
        self.idle = world

    def release(self, version: str, epoch: int = 1, behaviour: str = SOUND) -> None:
        """Publish a release in the image repository (served after the next `assigned`)."""
        image = build(self.geometry, version, epoch, behaviour)
        self.operator.add(make_release(image, version, epoch, layout=self.geometry.name()))

    def assign(self, world: World, version: "str | None", delivery: "dict[str, Any] | None" = None) -> None:
        """Let the director assign it, signed at this world's time."""
        self.operator.set_time(int(world.clock.now_s))
        self.operator.assign(version, delivery)
        world.server.files.update(self.operator.files)

    def fresh(self, on: bool = False, seed: int = 0) -> World:
        """A camera out of its box: unclaimed, on 1.0.0."""
        world = World(self.geometry, self.operator.image.files["1.root.json"], verify_signature, NOW, seed)
        world.leave_factory()
        if on:
            world.power_on()
        return world

    def world_with_seed(self, seed: int) -> World:
        """A copy of the idle camera, the power off, with another chance."""
        return self.world(None, seed)

    def world(self, version: "str | None" = None, seed: int = 0) -> World:
        """A copy of the idle camera, the power off; with an update waiting on the server, if one is named."""
        world = self.idle.copy(seed)
        if version is not None:
            if version not in self.operator.releases:
                self.release(version)
            self.assign(world, version)
        return world
