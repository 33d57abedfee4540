"""What people do with a camera: claim it with the label in their hand, and hand it to an operator."""

from hashlib import sha256

from agent.formats import ownership, token
from agent.formats.ownership import WIRED, Ownership
from agent.formats.token import Token
from firmware_sim.world import factory
from firmware_sim.world.repository import Operator
from firmware_sim.world.world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USER = "keiko"
PASSWORD = "Kawa no nagare wa 7 taezu"  # noqa: S105 - of a camera that does not exist
SOURCE = "192.0.2.10"
CA_DER = b"\x30\x03\x02\x01\x00"  # DER, but no certificate; nothing here looks inside
CA_PEM = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n"
TOKEN_ID = "t1"  # noqa: S105
TOKEN_SECRET = "only-once"  # noqa: S105
OWNERSHIP_PATH = "/device/v1/ownership"


def request(op: str, **arguments: str) -> "dict[str, Any]":
    """A request on a login socket, from the person's computer."""
    found: dict[str, Any] = {"v": 1, "op": op, "source": SOURCE}
    found.update(arguments)
    return found


def claim(world: World, code: str = factory.CLAIM_CODE, password: str = PASSWORD) -> "dict[str, Any]":
    """Claim the camera on its web page; the reply."""
    return world.ask("web", request("claim", code=code, user=USER, password=password))


def login(world: World, password: str = PASSWORD, source: str = SOURCE) -> "dict[str, Any]":
    """Log in on the web page; the reply."""
    asked = request("login", user=USER, password=password)
    asked["source"] = source
    return world.ask("web", asked)


def prepare_enrolment(world: World, operator: Operator, **changes: "Any") -> str:
    """Let the operator make a token for this camera, and serve the ownership record; the token's text.

    `changes`: of members of the record.
    """
    record = Ownership(
        operator="The world's operator",
        server_url=factory.SERVER_URL,
        broker_host="operator.test",
        broker_port=8883,
        ca=CA_PEM,
        director_root=operator.director.files["1.root.json"].decode(),
        command_keys=tuple([signer.public_pem for signer in operator.command_signers]),
        authority_keys=tuple([signer.public_pem for signer in operator.authority_signers]),
        sealing_key=None,
        check_interval_s=factory.CHECK_INTERVAL_S,
        telemetry_interval_s=factory.TELEMETRY_INTERVAL_S,
        line=WIRED,
    )
    made = ownership.encode(record.replace(**changes))
    world.server.files[OWNERSHIP_PATH] = made
    world.server.secrets[TOKEN_ID] = TOKEN_SECRET
    owned = factory.hexadecimal(sha256(made).digest())
    return token.encode(Token(factory.SERVER_URL, TOKEN_SECRET, TOKEN_ID, CA_DER, owned))


def enrol(world: World, operator: Operator, grant: str, **changes: "Any") -> None:
    """Hand the camera to the operator, and wait until its session with the broker is up."""
    text = prepare_enrolment(world, operator, **changes)
    operator.adopt(world.device_id())
    operator.assign(None)
    world.server.files.update(operator.files)
    world.server.receipts, world.broker.takes = operator.receipt, operator.taken
    reply = world.ask("web", request("enrol", grant=grant, token=text))
    if reply.get("ok") is not True:
        raise ValueError("the camera refuses the token: " + str(reply))
    world.run_until(lambda: len(world.broker.on("/state")) > 0)
