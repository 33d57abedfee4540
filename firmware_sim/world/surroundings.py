"""Every port with its stand-in: what an agent of the world finds around it at one boot, made anew by the next.

What has to outlast a power cut is handed over by the world and lives there.
"""

from agent.app.ports import Ports
from firmware_sim.world import enroller, factory, network, ssh
from firmware_sim.world.account_files import UnsafeWorldAccountFiles
from firmware_sim.world.boot import UnsafeWorldRollbackStore
from firmware_sim.world.broker import WorldLink
from firmware_sim.world.bundle import WorldBundle, WorldUploads
from firmware_sim.world.console import UnsafeWorldConsole
from firmware_sim.world.machine import CameraServices, WorldWatchdog, WorldWebCertificate
from firmware_sim.world.packing import UnsafeWorldSealer, UnsafeWorldUnpacker, UnsafeWorldUnsealer
from firmware_sim.world.power import Power
from firmware_sim.world.secrets import UnsafeDeviceSecret, UnsafePasswordHasher
from firmware_sim.world.store import Documents, MemoryErasure, MemoryStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sim.world.chance import Chance
    from firmware_sim.world.hardware import Booted
    from firmware_sim.world.world import World


class Surroundings:
    """The ports of one boot, and those stand-ins that tests look into.

    Args:
        world: the camera and its operator's side.
        booted: what was started.
        entropy: the source of all randomness.
        restart: called when the agent resets the machine.
    """

    def __init__(self, world: "World", booted: "Booted", entropy: "Chance", restart: "Callable[[], None]") -> None:
        def certificate_fits() -> bool:
            known_at = max(world.clock.wall_s(), world.clock.floor_s)
            return world.server.valid(world.clock, known_at, known_at)

        target = world.geometry.target(booted.slot)
        windows = [(world.geometry.slot_offset(target), world.geometry.slot_bytes(target))] if target else []
        control = world.make_boot(world, booted.slot, restart)
        keys = world.make_keys(world.documents, entropy)
        services = CameraServices(world.ask)
        services.dead = world.dead_services if booted.behaviour == "sound" else {"web", "rtsp", "onvif"}
        services.open_doors = world.open_doors
        services.frozen = world.frozen_streams
        self.link = WorldLink(world.broker, certificate_fits, world.documents.content.get, world.clock)
        self.watchdog = WorldWatchdog()
        self.watchdog.broken = world.broken_watchdog
        self.scratch = Documents(Power())
        self.uploads = WorldUploads(world.documents)
        self.hasher = UnsafePasswordHasher(entropy)
        self.console_files = UnsafeWorldConsole(entropy)  # in memory: gone with the power
        self.account_files = UnsafeWorldAccountFiles(world.files, self.console_files, self.hasher, world.clock)
        self.ssh, self.firewall = ssh.WorldSsh(self.console_files), ssh.WorldFirewall()
        store = MemoryStore(world.documents)
        device = world.make_device(world.medium, windows, world.geometry.erase_bytes)
        self.neighbours = network.WorldNeighbourServer(device)
        self.ports = Ports(
            store=store,
            scratch=MemoryStore(self.scratch),
            erasure=MemoryErasure(world.documents, tuple(world.stubborn)),
            device=device,
            boot=control,
            rollback=UnsafeWorldRollbackStore(control, store),
            keys=keys,
            entropy=entropy,
            hasher=self.hasher,
            fetcher=network.WorldFetcher(world.server, world.clock),
            clockless=network.WorldFetcher(world.server, world.clock, factory.BUILD_TIME_S),
            downloader=network.WorldDownloader(
                network.WorldFetcher(world.server, world.clock), world.mirrors, world.clock
            ),
            neighbours=self.neighbours,
            unpacker=UnsafeWorldUnpacker(),
            unsealer=UnsafeWorldUnsealer(factory.SERIAL.encode()),
            releases=network.WorldPublic(world.public, world.clock, factory.BUILD_TIME_S),
            bundle=WorldBundle(world.sticks, world.documents),
            uploads=self.uploads,
            enroller=enroller.WorldEnroller(world.server, keys.ensure, world.clock, world.documents.content.get),
            link=self.link,
            clock=world.clock,
            services=services,
            sensors=world.sensors,
            watchdog=self.watchdog,
            web_certificate=WorldWebCertificate(world.documents),
            verify_signature=world.verify_signature,
            secret=UnsafeDeviceSecret(world.documents, entropy),
            console=self.console_files,
            account_files=self.account_files,
            ssh=self.ssh,
            firewall=self.firewall,
            sealer=UnsafeWorldSealer(entropy),
            spool=world.make_spool(world.documents),
        )
