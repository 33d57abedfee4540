"""What a month of Debian's updates costs a camera to fetch, beside xdelta3 and content-defined chunks on the same pair.

The older image is made of the committed lock, the newer one of tests/bench/month: the same packages as Debian had them
in November 2026, security updates included (kernel, C library, OpenSSL and five more are newer). Where the mirror has
lost those, both are locked anew, and the pair is another one.
"""

import json
import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backports import zstd

from firmware_sim.image import BuiltImage
from firmware_sim.image.build import build
from firmware_sim.image.locks import LOCK_FOLDER
from firmware_sim.image.relock import mark_replacement
from firmware_sim.image.store import Store, default_store
from firmware_sim.image.tools import TOOLS, tools_lock_name
from tests.contract.server import harness
from update_server.deltas import search, worker

MODEL, OLD, NEW = "kawa-1", "1.0.0", "1.1.0"
MONTH = Path(__file__).with_name("month")
SLOT_WINDOW_BYTES = 128 * 1024 * 1024  # xdelta3 may look at the whole old slot
# Content-defined chunks of 16 KiB on average, as casync has them at its finest; each compressed alone.
CHUNK_MASK, CHUNK_LEAST_BYTES, CHUNK_MOST_BYTES = 0xFF, 4096, 65536
CHUNK_LEVEL = 19


def _row(what: str, value: float, unit: str, target: float | None = None, **peers: float) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "better": "lower", "target": target, "peers": peers}


def month_locks(store: Store) -> Path:
    """Folder with the locks of a month later."""
    locks = store.root / "lock-month"
    locks.mkdir(parents=True, exist_ok=True)
    for name in (f"{MODEL}-wheels.txt", f"{tools_lock_name()}.json"):
        shutil.copyfile(LOCK_FOLDER / name, locks / name)
    shutil.copyfile(MONTH / f"{MODEL}.json", locks / f"{MODEL}.json")
    for group in (MODEL, TOOLS):
        mark_replacement(locks, group)
    return locks


def _pair() -> tuple[BuiltImage, BuiltImage]:
    """The image of the committed lock, and the one of a month later."""
    store = default_store()
    return build(MODEL, OLD, relock_into=store.lock), build(MODEL, NEW, relock_into=month_locks(store))


def _xdelta3(old: Path, new: Path, folder: Path) -> tuple[int, float]:
    """Bytes and seconds of xdelta3 at its best: level 9, LZMA, the whole old slot as its window."""
    out = folder / "xdelta3"
    begun = time.monotonic()
    options = ["-e", "-9", "-S", "lzma", "-B", str(SLOT_WINDOW_BYTES)]
    subprocess.run(["xdelta3", *options, "-s", old, new, out], check=True)
    return out.stat().st_size, time.monotonic() - begun


def _chunks(data: bytes) -> Iterator[bytes]:
    """The content-defined chunks of `data`."""
    first = 0
    for place in search.ANCHOR.finditer(data):
        at = place.start()
        if at - first >= CHUNK_MOST_BYTES:
            for begin in range(first, at - CHUNK_LEAST_BYTES, CHUNK_MOST_BYTES):
                first = min(begin + CHUNK_MOST_BYTES, at)
                yield data[begin:first]
        if at - first >= CHUNK_LEAST_BYTES and not zlib.crc32(data[at : at + search.ANCHOR_BYTES]) & CHUNK_MASK:
            yield data[first:at]
            first = at
    yield data[first:]


def _new_chunks_bytes(old: Path, new: Path) -> int:
    """What fetching only the chunks takes that the old slot does not have."""
    have = {zlib.crc32(chunk) << 32 | len(chunk) for chunk in _chunks(old.read_bytes())}
    wanted = {zlib.crc32(chunk) << 32 | len(chunk): chunk for chunk in _chunks(new.read_bytes())}
    return sum(len(zstd.compress(chunk, CHUNK_LEVEL)) for key, chunk in wanted.items() if key not in have)


def _timed(server: harness.Server, *arguments: str) -> float:
    begun = time.monotonic()
    server.run("delta", "make", NEW, *arguments)
    return time.monotonic() - begun


def run() -> list[dict[str, Any]]:
    """Measure; rows as tests.bench writes them."""
    old, new = _pair()
    with tempfile.TemporaryDirectory(prefix="camward-bench-") as name:
        folder = Path(name)
        server = harness.make_server(folder / "server")
        for image in (old, new):
            server.run("release", "add", image.slot, "--tree", image.tree, "--manifest", image.release_json)
        first_s, again_s = _timed(server, "--from", OLD), _timed(server, "--from", OLD)
        full_s = _timed(server, "--full")
        with server.services.database.read() as session:
            to_new = [row for row in server.services.deltas.listed(session) if row.to_version == NEW]
            made = {row.from_version: row.made for row in to_new}
        server.services.close()
        theirs_bytes, theirs_s = _xdelta3(old.slot, new.slot, folder)
        chunks_bytes = _new_chunks_bytes(old.slot, new.slot)
    tree_bytes, delta, full = new.tree.stat().st_size, made[OLD], made[""]
    slot_bytes = new.slot.stat().st_size
    bound = worker.memory_bound(old.tree, new.tree)
    root_bytes = json.loads(new.release_json.read_text())["root_bytes"]
    peers = {"xdelta3 -9 -S lzma": theirs_bytes, "chunks of 16 KiB": chunks_bytes}
    return [
        _row("a month's delta", delta["length_bytes"], "bytes", theirs_bytes, **peers),
        _row(
            "a month's delta and the release's tree", delta["length_bytes"] + tree_bytes, "bytes", theirs_bytes, **peers
        ),
        _row("blocks that the delta holds", delta["sent_blocks"], "", None),
        _row("  of the slot's", delta["blocks"], "", None),
        _row("slot", slot_bytes, "bytes", None),
        _row("  its root file system", root_bytes, "bytes", None),
        _row("artifact that builds on nothing", full["length_bytes"], "bytes", slot_bytes),
        _row("making the delta", first_s, "s", None, **{"xdelta3 -9 -S lzma": theirs_s}),
        _row("making it a second time (cached)", again_s, "s", 5),
        _row("making the one that builds on nothing", full_s, "s", None),
        _row("memory for making it, at most", delta["peak_bytes"] / 1e6, "MB", bound / 1e6),
    ]
