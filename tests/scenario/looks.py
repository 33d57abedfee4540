"""What a test sees of a world: the running version, what is committed, what was reported, what was fetched."""

from json import loads

from agent.core.slots import other
from agent.formats import envelope, messages
from agent.formats.block_tree import BLOCK_BYTES
from firmware_sim.world.network import Server
from firmware_sim.world.world import World

PROGRESS = "update/progress.bin"
JOURNAL_HEAD_BYTES = 33  # tree root, slot letter


def running(world: World) -> str:
    """The version that runs."""
    return world.boots[-1].version


def settled(world: World, version: str) -> bool:
    """The version runs, is committed, nothing is on trial, and the agent is idle again."""
    if world.agent is None or running(world) != version:
        return False
    record = world.record()
    return record.active == world.boots[-1].slot and record.trial == "-" and phase(world) == "idle"


def phase(world: World) -> str:
    """The saved phase of the update."""
    body = world.documents.content.get("update/state.json")
    return "idle" if body is None else str(loads(body)["phase"])


def reports(world: World) -> list[messages.Report]:
    """The update reports that reached the broker; one that was sent twice (QoS 1) counts once, as the ingest counts."""
    payloads = {(found.boot, found.seq): found for found in map(envelope.parse, world.broker.on("/up/report"))}
    return [messages.parse_report(found.body) for found in payloads.values()]


def events(world: World) -> list[str]:
    return [report.event for report in reports(world)]


def journalled(world: World) -> set[int]:
    """Block numbers of the release in hand that the journal on the medium calls written."""
    body = world.documents.content.get(PROGRESS)
    state = world.documents.content.get("update/state.json")
    release = None if state is None else loads(state)["release"]
    if body is None or release is None or body[:32].hex() != release["tree_root"]:
        return set()
    bits = body[JOURNAL_HEAD_BYTES:]
    return {index for index in range(8 * len(bits)) if bits[index // 8] >> index % 8 & 1}


def fetched_blocks(world: World, begin: int = 0) -> list[int]:
    """Block numbers of slot images that went over the wire, in order, from this exchange on."""
    return blocks_from(world.server, begin)


def blocks_from(server: Server, begin: int = 0) -> list[int]:
    """The same of any server."""
    found = []
    for one in server.exchanges[begin:]:
        if one.path.endswith(".slot"):
            first = one.offset_bytes // BLOCK_BYTES
            found += list(range(first, first + one.served_bytes // BLOCK_BYTES))
    return found


def inactive(world: World) -> str:
    return other(world.boots[-1].slot)
