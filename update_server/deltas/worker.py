"""`python -m update_server.deltas.worker`: makes one artifact in a process of its own, so that the server stays quick.

It runs at a low priority and within a limit of memory that the kernel holds it to. A content key comes on standard
input, where no list of processes shows it. One JSON object per line on standard
output: progress, then what was made or why not.
"""

import argparse
import dataclasses
import json
import os
import resource
import sys
from contextlib import ExitStack
from pathlib import Path

from agent.formats.block_tree import HASH_BYTES
from agent.formats.segments import KEY_BYTES
from update_server.deltas import encode, verify
from update_server.deltas.slots import Slot, opened
from update_server.errors import ServerError

NICENESS = 10
# Python 30 MiB, zstd 50 MiB, a batch of the new slot and a window of the old one 10 MiB, anchors 8 MiB, and while they
# are sorted 40 MiB; the rest is slack.
MEMORY_BYTES = 160 * 1024 * 1024
MEMORY_PER_BLOCK_BYTES = 256  # the leaves of two trees, and their index while it is sorted


def memory_bound(*trees: Path) -> int:
    """The most data (in bytes) that the worker may have in memory for slots with these trees.

    Raises:
        OSError: one is not there.
    """
    return MEMORY_BYTES + MEMORY_PER_BLOCK_BYTES * sum(tree.stat().st_size // HASH_BYTES for tree in trees)


def peak_bytes() -> int:
    """The most memory that this process has ever had resident (getrusage would count its parent's, before exec)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main(arguments: list[str]) -> int:
    """Make and verify one artifact; 0 if it is there, 1 if there can be none.

    Raises:
        MemoryError: the limit was reached.
        OSError: a file cannot be read or written.
    """
    parser = argparse.ArgumentParser(prog="update_server.deltas.worker", description=__doc__)
    parser.add_argument(
        "--old", nargs=2, type=Path, metavar=("SLOT", "TREE"), help="what cameras have; none if left out"
    )
    parser.add_argument("--new", nargs=2, type=Path, metavar=("SLOT", "TREE"), required=True)
    parser.add_argument("--out", type=Path, required=True, help="the artifact; must not exist")
    parser.add_argument("--encrypt", action="store_true", help="with the key on standard input")
    given = parser.parse_args(arguments)
    key = sys.stdin.buffer.read(KEY_BYTES + 1) if given.encrypt else b""
    if given.encrypt and len(key) != KEY_BYTES:
        parser.error(f"a key has {KEY_BYTES} bytes")
    trees = [pair[1] for pair in (given.old, given.new) if pair]
    bound = memory_bound(*trees)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    os.nice(NICENESS)
    try:
        with ExitStack() as stack:
            old = stack.enter_context(opened(Slot(*given.old))) if given.old else None
            new = stack.enter_context(opened(Slot(*given.new)))
            made = encode.make(old, new, given.out, _tell, key)
            verify.verify(old, new, given.out, made.index_length_bytes, key)
    except ServerError as error:
        _say({"error": error.what, "remedy": error.remedy})
        return 1
    except OSError as error:  # such as a full disk: no fault of the releases
        _say({"trouble": str(error)})
        return 1
    _say({"made": dataclasses.asdict(made), "peak_bytes": peak_bytes()})
    return 0


def _tell(done: int, total: int) -> None:
    _say({"done": done, "total": total})


def _say(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
