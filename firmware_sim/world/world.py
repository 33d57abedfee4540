"""One camera, its operator, and everything between them, driven turn by turn.

The agent is the real one (agent.app); everything around it is this package. What survives a power cut lives in the
world; what does not is made anew by `power_on`. A test arranges a world, lets one thing happen, and compares.
"""

from agent.app.agent import Agent
from agent.app.effects import Call, Push, Reboot, Reply, Say, perform
from agent.app.events import ADMIN, Line
from agent.formats import config, json, label
from firmware_sim.world import factory, network
from firmware_sim.world.boot import SILENT, WorldBootControl
from firmware_sim.world.broker import Broker, as_event
from firmware_sim.world.chance import Chance
from firmware_sim.world.disk import StrictBlockDevice
from firmware_sim.world.firmware import HANGS, RECOVERY, Geometry
from firmware_sim.world.hardware import Booted, Hardware
from firmware_sim.world.machine import WorldSensors
from firmware_sim.world.power import LOST, PowerCut
from firmware_sim.world.secrets import UnsafeKeyStore
from firmware_sim.world.store import MemorySpool
from firmware_sim.world.surroundings import Surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.core.blocklist import WordList
    from agent.core.compliance import Catalogue
    from agent.core.trust_threshold import VerifySignature
    from agent.ports.boot import BootControl

EVIDENCE_PATH = "/run/camward/evidence.json"
TICK_S = 0.001  # below it, two times are the same: floats
BOOT_S = 20  # from power-on to a running agent
WATCHDOG_S = 120  # until a system that hangs is reset
MAX_RESETS = 60  # a trial takes 12 boots at most, and two slots have used up every count after 2 * 12 more
MAX_TURNS = 20000  # a whole update takes some hundred


class Bricked(Exception):
    """The camera resets for ever: what must never happen."""


class Stuck(Exception):
    """What was waited for did not come."""


def _boot_control(world: "World", slot: str, restart: "Callable[[], None]") -> "BootControl":
    return WorldBootControl(world.sectors(), slot, restart)


class World(Hardware):
    """One camera and its operator's side.

    Args:
        geometry: of the disk.
        image_root: the manufacturer's root.json, part of every firmware.
        verify_signature: as agent.core.trust takes it.
        now_s: what time it is.
        seed: of all randomness.

    Attributes:
        server, broker: the operator's side.
        public: the manufacturer's public image repository.
        releases: what the firmware's configuration says of it; None where it names none.
        sticks: files that people plug in, by path.
        boots: every boot that got as far as a kernel, in order.
        console, agent: what the agent said; the running agent, or None.
        schedule: members of the firmware's `update` configuration that say when it may restart.
        make_device, make_spool, make_keys: make the agent's block device, spool and keys; a test may put in others.
        make_boot: makes what writes the boot record: (world, booted slot, what restarts it); a test may put in another.
        health: what every firmware declares as its health checks; None for the plainest.
    """

    def __init__(
        self,
        geometry: Geometry,
        image_root: bytes,
        verify_signature: "VerifySignature",
        now_s: int,
        seed: int = 0,
    ) -> None:
        super().__init__(geometry, now_s, seed)
        self.image_root = image_root
        self.verify_signature = verify_signature
        self.seed = seed
        self.server, self.broker = network.Server(factory.SERVER_URL), Broker()
        self.mirrors: dict[str, network.Server] = {}  # by URL, or by device id
        self.public = network.Server(factory.PUBLIC_URL)
        self.releases: dict[str, Any] | None = None
        self.sticks: dict[str, bytes] = {}
        self.boots: list[Booted] = []
        self.console: list[str] = []
        self.agent: Agent | None = None
        self.dead_services: set[str] = set()
        self.open_doors: set[str] = set()
        self.frozen_streams: set[str] = set()
        self.hung_services: set[str] = set()  # whoever asks them anything waits for ever
        self.serves_neighbours, self.broken_watchdog = False, False
        self.health: dict[str, object] | None = None
        self.stubborn: set[str] = set()  # documents that an erase does not get rid of: a fault
        self.schedule: dict[str, Any] = {}
        self.password: dict[str, Any] = {}  # the policy, where it is not that of factory.config_body
        self.system_logins: dict[str, Any] | None = None  # as the firmware's configuration has it
        self.accounts: dict[str, Any] | None = None  # as the firmware's configuration has it
        self.files: dict[str, Any] = {}  # of accounts, on the data partition and elsewhere, by path
        self.takes_tokens, self.plain_rtsp_port = False, 0  # by configuration
        self.programs: list[Any] = []  # that may use the link, as the firmware's configuration has them
        self.pushed: list[tuple[int, bytes]] = []  # connection and line: what programs were told unasked
        self.sensors = WorldSensors()
        self._product: tuple[Catalogue, WordList] | None = None  # read at the first boot, the same in every twin
        self.make_device, self.make_spool, self.make_keys = StrictBlockDevice, MemorySpool, UnsafeKeyStore
        self.make_boot: Callable[[World, str, Callable[[], None]], BootControl] = _boot_control
        self._entropy = Chance("entropy " + str(seed))
        self._calls: list[Call] = []
        self._replies: dict[int, bytes] = {}
        self._connections = 0
        self._restart = False
        self._wake_at: float | None = None

    def copy(self, seed: "int | None" = None) -> "World":
        """A twin of a world without power: same disk, documents and server; nothing is shared but the time's past.

        Raises:
            ValueError: the power is on.
        """
        if self.agent is not None:
            raise ValueError("a running agent cannot be copied")
        twin = World(
            self.geometry, self.image_root, self.verify_signature, int(self.clock.now_s),
            self.seed if seed is None else seed,
        )  # fmt: skip
        twin.medium.content[:] = self.medium.content
        twin.documents.content.update(self.documents.content)
        twin.schedule, twin.password, twin.takes_tokens = dict(self.schedule), self.password, self.takes_tokens
        twin.system_logins, twin.accounts, twin.programs = self.system_logins, self.accounts, self.programs
        twin.plain_rtsp_port = self.plain_rtsp_port
        twin.files.update(self.files)
        twin.server.files.update(self.server.files)
        twin.server.secrets.update(self.server.secrets)
        twin.server.receipts = self.server.receipts
        twin.mirrors.update(self.mirrors)
        twin.serves_neighbours, twin.broker.takes = self.serves_neighbours, self.broker.takes
        twin.server.enrolled.update(self.server.enrolled)
        twin.public.files.update(self.public.files)
        twin.sticks.update(self.sticks)
        twin._product, twin.health, twin.releases = self._product, self.health, self.releases
        twin.make_boot = self.make_boot
        twin.clock.skip_boots(self.clock)
        return twin

    # --- power

    def power_on(self) -> Booted:
        """Give it power, and boot until an agent runs.

        Raises:
            Bricked: that does not happen.
            PowerCut: the cut that was planned hit the boot loader.
        """
        if self.agent is not None:
            raise ValueError("the power is on")
        self.marker = SILENT
        return self._boot()

    def _boot(self) -> Booted:
        for _ in range(MAX_RESETS):
            self.power.restore()
            self.clock.power_on()
            self.clock.advance(BOOT_S)
            booted = self.boot_loader()
            if booted is None:
                continue
            self.boots.append(booted)
            if not booted.sound:
                continue  # the kernel panics on the first block that does not verify
            if booted.behaviour == HANGS:
                self.clock.advance(WATCHDOG_S)
                continue
            self._start_agent(booted)
            return booted
        raise Bricked("no system after " + str(MAX_RESETS) + " resets")

    def power_cut(self, outcome: str = LOST) -> None:
        """Pull the plug now, between two operations."""
        self.power.unplug(outcome)
        self._drop_agent()

    def restart(self) -> Booted:
        """Reset the machine with its power on, as a panic or a watchdog does; what was not flushed is lost.

        Raises:
            Bricked, PowerCut: as `power_on`.
        """
        self.power_cut()
        return self._boot()

    def _drop_agent(self) -> None:
        self.agent = None
        self._calls, self._replies = [], {}
        self._restart = False
        self._wake_at = None

    def _start_agent(self, booted: Booted) -> None:
        around = Surroundings(self, booted, self._entropy, self._ask_restart)
        self.ports, self.link, self.watchdog, self.scratch = around.ports, around.link, around.watchdog, around.scratch
        self.uploads, self.hasher, self.neighbours = around.uploads, around.hasher, around.neighbours
        self.console_files, self.account_files = around.console_files, around.account_files
        self.ssh, self.firewall = around.ssh, around.firewall
        firmware = self.firmware(booted.slot)
        if firmware is None:
            raise Bricked("a system that does not verify was started")
        body = factory.config_body(
            self.geometry, firmware.version, firmware.security_epoch, self.schedule, self.health,
            self.serves_neighbours, self.releases, firmware.behaviour != RECOVERY,
            self.password, self.system_logins, self.accounts, self.takes_tokens,
            self.programs if firmware.behaviour != RECOVERY else [], self.plain_rtsp_port,
        )  # fmt: skip
        if self._product is None:
            self._product = factory.catalogue(), factory.blocklist()
        try:
            about = label.parse(self.documents.content["factory/label.json"])
            given = about, self.image_root, self._product[0], self._product[1], factory.deny_list, EVIDENCE_PATH
            self.agent = Agent(self.ports, config.parse(body), *given)
            self._take(self.agent.start(self.clock.monotonic_s()))
        except PowerCut:
            self._drop_agent()
            raise

    def _ask_restart(self) -> None:
        self._restart = True

    # --- time and events

    def step(self, event: object) -> None:
        """One step of the agent, with its effects taken up.

        Raises:
            PowerCut: the cut that was planned.
        """
        if self.agent is None:
            raise Stuck("no agent runs")
        self._take(self.agent.step(event, self.clock.monotonic_s()))

    def _take(self, taken: "tuple[tuple[Any, ...], float | None]") -> None:
        effects, self._wake_at = taken
        for effect in effects:
            if isinstance(effect, Call):
                if not (effect.port == "services" and effect.arguments and self._hangs(effect.arguments[0])):
                    self._calls.append(effect)
            elif isinstance(effect, Reply):
                self._replies[effect.connection] = effect.body
            elif isinstance(effect, Push):
                self.pushed.append((effect.connection, effect.body))
            elif isinstance(effect, Say):
                self.console.append(effect.text)
            elif isinstance(effect, Reboot):
                self._restart = True

    def _hangs(self, service: "Any") -> bool:
        return service["name"] in self.hung_services

    def turn(self) -> None:
        """The next thing that happens: a restart, an event of the link, a blocking call, or time passes.

        Raises:
            PowerCut: the cut that was planned; the agent is gone.
            Bricked: a restart that leads to no system.
            Stuck: the agent waits for nothing.
        """
        try:
            self._turn()
        except PowerCut:
            self._drop_agent()
            raise

    def _turn(self, until_s: "float | None" = None) -> None:
        self.link.poll()
        if self._restart:
            self.restart()
        elif self.link.events:
            self.step(as_event(self.link.events.pop(0)))
        elif self._calls:
            self.step(perform(self._calls.pop(0), self.ports))
        elif until_s is not None and (self._wake_at is None or self._wake_at > until_s):
            self.clock.advance_to(until_s)
        elif self._wake_at is None:
            raise Stuck("the agent waits for nothing")
        else:
            self.clock.advance_to(self._wake_at)
            self.step(None)

    def run_until(self, condition: "Callable[[], bool]", max_turns: int = MAX_TURNS) -> None:
        """Let turns pass until the condition holds.

        Raises:
            Stuck: it does not after `max_turns`.
            PowerCut: the cut that was planned; `power_on` goes on from there.
            Bricked: a restart that leads to no system.
        """
        for _ in range(max_turns):
            if condition():
                return
            self.turn()
        raise Stuck("not within " + str(max_turns) + " turns; " + "; ".join(self.console[-5:]))

    def run_for(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            Stuck, PowerCut, Bricked: as `run_until`.
        """
        end = self.clock.now_s + seconds
        for _ in range(MAX_TURNS):
            left = end - self.clock.now_s
            if left <= TICK_S:
                return
            try:
                self._turn(self.clock.monotonic_s() + left)
            except PowerCut:
                self._drop_agent()
                raise
        raise Stuck("more than " + str(MAX_TURNS) + " turns in " + str(seconds) + " s")

    # --- people and programs on the camera

    def device_id(self) -> str:
        """Who this camera is, by the first key of its identity (CONTRACTS: base32 of the key's SHA-256).

        Raises:
            Stuck: no agent runs.
        """
        if self.agent is None:
            raise Stuck("no agent runs")
        return factory.name_of(self.ports)

    def ask(self, service: str, request: "dict[str, Any]") -> "dict[str, Any]":
        """One request on a login socket (or the admin socket, `ADMIN`), and its reply.

        Raises:
            Stuck: there is none.
            PowerCut: the cut that was planned.
        """
        self._connections += 1
        connection = self._connections
        try:
            self.step(Line(connection, service, json.dump(request) + b"\n"))
            for _ in range(MAX_TURNS):
                if connection in self._replies:
                    return json.parse_object(self._replies.pop(connection).strip(), 64 * 1024, floats=True)
                self._turn()
        except PowerCut:
            self._drop_agent()
            raise
        raise Stuck("no reply on the socket of " + service)

    def admin(self, operation: str, **members: str) -> "dict[str, Any]":
        """One request on the admin socket."""
        return self.ask(ADMIN, dict(members, v=1, op=operation))
