"""What the tests of ownership share: a second operator on the same network, and what people see of a camera's owner."""

from hashlib import sha256

from agent.formats import ownership, token
from agent.formats.ownership import Ownership
from agent.formats.token import Token
from firmware_sim.world import factory, people
from firmware_sim.world.broker import Broker
from firmware_sim.world.network import Server
from firmware_sim.world.people import PASSWORD, login, request
from firmware_sim.world.repository import Operator, new_operator
from firmware_sim.world.world import World
from tests.scenario.makers import RealSigner
from tests.scenario.stage import NOW, Stage

FIRST, SECOND = "The world's operator", "The second operator"
URL, HOST = "https://second.test:8443", "second.test"
ROLES = ("root", "timestamp", "snapshot", "targets")
FACTORY = ("factory/label.json", "clock/floor.json", "trust/rollback_index")
IMAGE_TRUST = tuple(f"trust/image/{role}.json" for role in ROLES)
CREDENTIALS = tuple(f"credentials/{name}.json" for name in ("state", "web", "digest"))
OF_THE_OPERATOR = ("ownership/", "trust/director/", "enrol/", "outbox/", "update/", "handover/")


class Second:
    """Another operator with a director, server and broker of its own, for the same manufacturer's cameras."""

    def __init__(self, stage: Stage, world: World) -> None:
        self.operator = Operator(stage.operator.image.copy(), new_operator(RealSigner, NOW).director)
        self.operator.releases = dict(stage.operator.releases)
        self.operator.files = {path: body for path, body in stage.operator.files.items() if "director" not in path}
        self.server, self.broker = Server(URL), Broker()
        record = ownership.encode(
            Ownership(
                operator=SECOND, server_url=URL, broker_host=HOST, broker_port=8883, ca=people.CA_PEM,
                director_root=self.operator.director.files["1.root.json"].decode(), command_keys=(), sealing_key=None,
                check_interval_s=300, telemetry_interval_s=60, line=ownership.WIRED,
            )
        )  # fmt: skip
        self.server.files[people.OWNERSHIP_PATH] = record
        self.server.secrets["t2"] = "also-once"
        owned = factory.hexadecimal(sha256(record).digest())
        self.token = token.encode(Token(URL, "also-once", "t2", people.CA_DER, owned))
        world.server.others[URL] = self.server
        world.broker.others[HOST] = self.broker

    def direct(self, world: World, version: str | None) -> None:
        """Assign a version to the camera as it is called now."""
        self.operator.adopt(world.device_id())
        self.operator.set_time(int(world.clock.now_s))
        self.operator.assign(version)
        self.server.files.update(self.operator.files)
        self.server.receipts, self.broker.takes = self.operator.receipt, self.operator.taken


def on(world: World) -> None:
    """Switch on and let the agent come to rest: before that it says `busy`."""
    world.power_on()
    world.run_for(1)


def state(world: World) -> str:
    return world.ask("web", request("state"))["state"]


def status(world: World) -> dict:
    return world.admin("status")


def owner(world: World) -> str:
    """The operator's name, empty when there is none, or what keeps the camera from telling."""
    if world.agent is None:
        return "off"
    found = status(world)
    return found["operator"] if found["ok"] else found["detail"]


def administrator(world: World, op: str, password: str = PASSWORD, **arguments: str) -> dict:
    """An administrator asks for it on the camera's page."""
    return world.ask("web", request(op, grant=login(world)["grant"], password=password, **arguments))


def restarted(world: World) -> None:
    """Until the camera has restarted."""
    boots = len(world.boots)
    world.run_until(lambda: len(world.boots) > boots)
    world.run_for(1)


def left_of_the_operator(world: World) -> list[str]:
    return [name for name in sorted(world.documents.content) if name.startswith(OF_THE_OPERATOR)]


def kept(world: World, names: tuple[str, ...]) -> dict[str, str | None]:
    """Hashes, from outside."""
    digest = world.digest()
    return {name: digest.get(name) for name in (*names, "a")}
