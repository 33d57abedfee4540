"""Segment artifacts: what comes out of the reference applier is the new release, whatever was done to the old one."""

import json
import random
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.formats import segments
from tests.unit.server.applier import BLOCK, applied, leaves
from update_server.deltas import encode, search, slots, verify, worker
from update_server.errors import BadInput, PublishRefused

LIMIT_S = 1200  # the worker is nice, and CI machines are busy


def noise(seed, length):
    return random.Random(seed).randbytes(length)


def code(seed, length):
    """Something like machine code: few values, many repeats, and addresses that differ from place to place."""
    draw = random.Random(seed)
    words = [draw.randbytes(4) for _ in range(600)]
    return b"".join(draw.choice(words) if draw.random() < 0.9 else draw.randbytes(4) for _ in range(length // 4))


class Pair:
    """Two slots as files."""

    def __init__(self, folder, old, new):
        self.folder, self.old_bytes, self.new_bytes = folder, pad(old), pad(new)
        self.old, self.new = self._slot("old", self.old_bytes), self._slot("new", self.new_bytes)
        self.target = folder / "made.segments"

    def _slot(self, name, data):
        slot = slots.Slot(self.folder / f"{name}.slot", self.folder / f"{name}.tree")
        slot.image.write_bytes(data)
        slot.tree.write_bytes(b"".join(leaves(data)))
        return slot

    def make(self, *, full=False):
        self.target.unlink(missing_ok=True)
        with slots.opened(self.old) as old, slots.opened(self.new) as new:
            made = encode.make(None if full else old, new, self.target, lambda _done, _total: None)
            verify.verify(None if full else old, new, self.target, made.index_length_bytes)
        result = applied(
            b"" if full else self.old_bytes, leaves(self.new_bytes), self.artifact, made.index_length_bytes
        )
        assert result == self.new_bytes
        return made

    @property
    def artifact(self):
        return self.target.read_bytes()


def pad(data):
    return data + bytes(-len(data) % BLOCK)


OLD = code(1, 96 * BLOCK) + noise(2, 40 * BLOCK)

edits = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "move", "change"]),
        st.integers(0, len(OLD) - 1),
        st.integers(1, 9000),
        st.integers(0, len(OLD) - 1),
    ),
    min_size=1,
    max_size=6,
)


def edited(data, changes):
    for what, at, length, other in changes:
        piece = data[at : at + length]
        if what == "insert":
            data = data[:at] + noise(at, length) + data[at:]
        elif what == "delete":
            data = data[:at] + data[at + length :]
        elif what == "move":
            rest = data[:at] + data[at + length :]
            data = rest[:other] + piece + rest[other:]
        else:
            data = data[:at] + bytes(byte ^ 0x55 for byte in piece) + data[at + length :]
    return data


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=edits)
def test_whatever_was_inserted_deleted_moved_or_changed_the_camera_comes_to_the_new_slot(tmp_path, changes):
    pair = Pair(tmp_path, OLD, edited(OLD, changes))
    made = pair.make()
    new_bytes = sum(length for what, _, length, _ in changes if what in ("insert", "change"))
    # Besides new bytes: a seam or two of each edit, and what indexing costs. All of it is far from sending blocks.
    assert made.length_bytes < new_bytes + 3000 * len(changes) + 4096


def test_content_that_moved_by_some_bytes_is_found_and_costs_next_to_nothing(tmp_path):
    moved = noise(3, 1234) + noise(2, 900 * BLOCK)
    pair = Pair(tmp_path, noise(2, 900 * BLOCK), moved)
    made = pair.make()
    assert made.sent_blocks == made.blocks  # no block is the same ...
    assert made.length_bytes < 8192  # ... and yet only what is new is sent


def test_content_that_moved_further_than_any_window_is_found(tmp_path):
    front, back = noise(4, 700 * BLOCK + 100), noise(5, 300 * BLOCK)
    pair = Pair(tmp_path, front + back, back + front)
    assert pair.make().length_bytes < 16 * 1024


def test_unchanged_blocks_are_not_sent_wherever_they_are(tmp_path):
    blocks = [noise(number, BLOCK) for number in range(40)]
    new = [*reversed(blocks[:20]), noise(99, BLOCK), *blocks[20:]]
    made = Pair(tmp_path, b"".join(blocks), b"".join(new)).make()
    assert (made.blocks, made.sent_blocks, made.segments) == (41, 1, 1)


def test_equal_slots_make_an_artifact_too(tmp_path):
    assert Pair(tmp_path, OLD, OLD).make().sent_blocks == 1


def test_without_an_old_release_everything_is_sent_compressed(tmp_path):
    pair = Pair(tmp_path, OLD, code(7, 600 * BLOCK))
    made = pair.make(full=True)
    assert (made.from_root, made.sent_blocks, made.segments) == ("", 600, 3)
    assert made.length_bytes < 600 * BLOCK * 0.8


def test_the_same_pair_makes_the_same_bytes(tmp_path):
    pair = Pair(tmp_path, OLD, edited(OLD, [("insert", 9000, 500, 0)]))
    first = pair.make(), pair.artifact
    assert (pair.make(), pair.artifact) == first


def test_segments_and_windows_keep_to_the_bounds_of_the_format(tmp_path):
    pair = Pair(tmp_path, code(8, 700 * BLOCK), code(9, 700 * BLOCK))
    made = pair.make()
    index = segments.parse(pair.artifact[: made.index_length_bytes])
    found = [index.segment(number) for number in range(index.segment_count)]
    assert sum(segment.blocks for segment in found) == 700
    assert max(segment.blocks for segment in found) <= segments.MAX_SEGMENT_BLOCKS
    assert all(segment.source_first + segment.source_blocks <= 700 for segment in found)


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_damaged_slot_is_named_and_makes_nothing(tmp_path, which):
    pair = Pair(tmp_path, OLD, edited(OLD, [("insert", 9000, 500, 0)]))
    image = getattr(pair, which).image
    data = bytearray(image.read_bytes())
    data[50 * BLOCK + 7] ^= 1
    image.write_bytes(data)
    with pytest.raises(BadInput, match=f"{which}.slot is damaged: block 50"):
        pair.make()
    assert not pair.target.exists()


def test_a_damaged_tree_is_named(tmp_path):
    pair = Pair(tmp_path, OLD, OLD)
    pair.old.tree.write_bytes(pair.old.tree.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"old\.tree is no tree"):
        pair.make()


@pytest.mark.parametrize("at", [-1, 21, 60])
def test_the_check_before_publication_refuses_what_a_camera_would(tmp_path, at):
    pair = Pair(tmp_path, OLD, edited(OLD, [("insert", 9000, 500, 0)]))
    made = pair.make()
    spoiled = bytearray(pair.artifact)
    spoiled[at] ^= 1
    pair.target.write_bytes(spoiled)
    with slots.opened(pair.old) as old, slots.opened(pair.new) as new, pytest.raises(PublishRefused):
        verify.verify(old, new, pair.target, made.index_length_bytes)


def test_an_artifact_for_another_old_release_is_refused(tmp_path):
    pair = Pair(tmp_path, OLD, edited(OLD, [("insert", 9000, 500, 0)]))
    made = pair.make()
    (tmp_path / "other").mkdir()
    other = Pair(tmp_path / "other", code(11, 136 * BLOCK), OLD)
    with slots.opened(other.old) as old, slots.opened(pair.new) as new, pytest.raises(PublishRefused):
        verify.verify(old, new, pair.target, made.index_length_bytes)


def test_anchors_stay_within_their_bound_however_dense_they_are(monkeypatch):
    monkeypatch.setattr(search, "MAX_ANCHORS", 1000)
    anchors = search.Anchors(64 * 1024)
    old = b"".join(noise(number, 40).replace(b"'", b"x") + b"'" for number in range(9000))
    anchors.add(old)
    anchors.seal()
    assert len(anchors._entries) <= 2 * 1000
    assert set(anchors.votes(old[BLOCK * 40 : BLOCK * 41])) == {40}


def run_worker(pair, bound=None):
    call = "import sys; from update_server.deltas import worker; "
    call += f"worker.MEMORY_BYTES = {bound}; " if bound else ""
    call += "sys.exit(worker.main(sys.argv[1:]))"
    files = ["--old", pair.old.image, pair.old.tree, "--new", pair.new.image, pair.new.tree, "--out", pair.target]
    return subprocess.run(
        [sys.executable, "-c", call, *map(str, files)], check=False, capture_output=True, text=True, timeout=LIMIT_S
    )


@pytest.mark.parametrize("blocks", [300, 5000])
def test_the_worker_keeps_to_its_bound_of_memory_whatever_the_size(tmp_path, blocks):
    pair = Pair(tmp_path, code(12, blocks * BLOCK), code(13, 300 * BLOCK) + code(12, blocks * BLOCK))
    done = run_worker(pair)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["peak_bytes"] <= worker.memory_bound(pair.old.tree, pair.new.tree)
    assert applied(pair.old_bytes, leaves(pair.new_bytes), pair.artifact, said["made"]["index_length_bytes"])


def test_the_kernel_holds_the_worker_to_its_bound(tmp_path):
    done = run_worker(Pair(tmp_path, OLD, edited(OLD, [("insert", 9000, 500, 0)])), bound=8 * 1024 * 1024)
    assert done.returncode != 0
    assert "made" not in done.stdout


def test_the_worker_says_why_there_is_no_artifact(tmp_path):
    pair = Pair(tmp_path, OLD, OLD)
    pair.new.image.write_bytes(bytes(len(OLD)))
    done = run_worker(pair)
    assert done.returncode == 1
    assert "new.slot is damaged" in json.loads(done.stdout.splitlines()[-1])["error"]
