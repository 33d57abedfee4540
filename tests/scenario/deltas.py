"""Segment artifacts for worlds: 1.1.0 as what 1.0.0 lacks of it, or encrypted and whole."""

from binascii import hexlify
from collections.abc import Callable, Sequence
from hashlib import sha256

from agent.formats.block_tree import HASH_BYTES, leaves_of
from agent.formats.delivery import Artifact, Delivery
from agent.formats.segments import KEY_INFO
from firmware_sim.world import factory, packing
from firmware_sim.world.firmware import Geometry, build
from firmware_sim.world.world import World

OLD, NEW, NAME = "1.0.0", "1.1.0", "a.delta"
SEGMENT_BLOCKS = 8
KEY = bytes(range(32))


def new_blocks(geometry: Geometry) -> list[int]:
    """Numbers of the blocks of 1.1.0 that 1.0.0 has nowhere."""
    old, new = (leaves_of(build(geometry, version)) for version in (OLD, NEW))
    known = {old[at : at + HASH_BYTES] for at in range(0, len(old), HASH_BYTES)}
    found = (new[at : at + HASH_BYTES] for at in range(0, len(new), HASH_BYTES))
    return [block for block, leaf in enumerate(found) if leaf not in known]


def announce(
    world: World,
    key: bytes = b"",
    blocks: Sequence[int] | None = None,
    spoil: Callable[[bytes, int], bytes] | None = None,
    origin: bool = True,
    segment_blocks: int = SEGMENT_BLOCKS,
) -> Delivery:
    """Put a segment artifact on the server; the delivery that announces it."""
    geometry = world.geometry
    old, new = (build(geometry, version) for version in (OLD, NEW))
    held = new_blocks(geometry) if blocks is None else blocks
    body, index_length = packing.artifact(old if origin else b"", new, held, segment_blocks, key)
    index, digest = body[:index_length], sha256(body).hexdigest()
    enc = sealed = b""
    if key:
        enc, sealed = packing.unsafe_seal(factory.SERIAL.encode(), key, KEY_INFO + sha256(index).digest())
    named = Artifact(
        hexlify(sha256(old).digest()).decode(),
        NAME,
        len(body),
        digest,
        len(index),
        sha256(index).hexdigest(),
        enc,
        sealed,
    )
    world.server.files[f"/targets/{digest}.{NAME}"] = body if spoil is None else spoil(body, index_length)
    return Delivery(False, (), named)
