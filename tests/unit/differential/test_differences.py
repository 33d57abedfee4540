"""Every documented difference from python-tuf occurs, in the one way that its name says, and the document has it."""

from pathlib import Path

import pytest

from tests.unit.differential import changes as done
from tests.unit.differential.changes import BODIES, META, SIGNATURES, SIGNED
from tests.unit.differential.differences import DIFFERENCES
from tests.unit.differential.keys import PRODUCT
from tests.unit.differential.model import Edge, Model, Node, described
from tests.unit.differential.test_differential import Pair

DECISIONS = Path(__file__).resolve().parents[3] / "docs" / "tuf-decisions.md"
TARGETS, SNAPSHOT, TIMESTAMP = 0, 1, 2
"""As the changes count the roles; one more where root is among them."""
BACK, BEYOND_A_STEP = 1, 5
"""Of the jumps."""
PATH = "far/away"


def trick(table, name):
    return [one.__name__ for one in table].index(name)


def meta(hashes):
    """The place of the change that announces exactly these hashes."""
    for place, change in enumerate(META):
        entry = {"version": 2, "length": 5, "hashes": {"sha256": "ab"}}
        change(entry)
        if entry.get("hashes") and set(entry["hashes"]) == hashes:
            return place
    raise KeyError(hashes)


def bad_entry():
    for place, change in enumerate(SIGNED):
        signed = {}
        change(signed)
        if signed.get("targets"):
            return place
    raise KeyError("targets")


# Name of the difference -> what happens before each of the looks. The last look is the one in which they differ.
STORIES = {
    "equal-version-other-content": [[], [(done.hold_version, TIMESTAMP, 1)]],
    "version-step": [[], [(done.jump, TIMESTAMP, BEYOND_A_STEP)]],
    "rotation-forgets": [
        [(done.add_key, 1 + TIMESTAMP, 7)],
        [(done.rotate_role, 1 + TIMESTAMP, 6), (done.jump, TIMESTAMP, BACK)],
    ],
    "one-key-two-ids": [[], [(done.odd_keys, 1, 0)]],
    "unsupported-key-ignored": [[], [(done.odd_keys, 2, 0)]],
    "unknown-root-role": [[], [(done.odd_keys, 3, 0)]],
    "other-hash-algorithms": [[], [(done.describe_wrongly, 0, meta({"sha512"}))]],
    "strict-json": [[], [(done.spoil_bytes, 1 + TIMESTAMP, trick(BODIES, "_twice_a_member"))]],
    "limits": [[], [(done.spoil_bytes, 1 + TARGETS, trick(BODIES, "_padded"))]],
    "stored-snapshot-binds": [[], [(done.lose_stored_file, TIMESTAMP, 0), (done.jump, SNAPSHOT, BACK)]],
    "stored-targets-bind": [[], [(done.lose_stored_file, SNAPSHOT, 0), (done.jump, TARGETS, BACK)]],
    "snapshot-without-targets": [[(done.name_more_files, 3, 0)]],
    "announced-anew": [
        [],
        [
            (done.hold_version, SNAPSHOT, 0),
            (done.hold_version, TARGETS, 0),
            (done.sign_wrongly, 1 + SNAPSHOT, trick(SIGNATURES, "_unknown_beside")),
        ],
    ],
    "expiry-before-asking": [[], [(done.same_root_again, 0, 4)]],
    "typed-signatures": [[], [(done.sign_wrongly, 1 + TIMESTAMP, trick(SIGNATURES, "_wrong_types"))]],
    "entries-read-when-needed": [[], [(done.say_something_else, 1 + TARGETS, bad_entry())]],
    "lower-case-hexadecimal": [[], [(done.sign_wrongly, 1 + TIMESTAMP, trick(SIGNATURES, "_upper"))]],
    "delegation-limits": [[]],
    "role-visited-again": [[]],
}


def ten_deep(model: Model) -> None:
    """A chain of ten roles; the last one has the target."""
    above = model.targets
    for number in range(10):
        model.delegated[f"role{number}"] = Node(signers=[7])
        above.edges.append(Edge(f"role{number}", [7], paths=["*/*"]))
        above = model.delegated[f"role{number}"]
    above.targets[PATH] = described("here")


def two_ways_to_one_role(model: Model) -> None:
    """One and two delegate to a third, each with another key; it has the signature for the first alone."""
    for name in ("one", "two"):
        model.targets.edges.append(Edge(name, [7], paths=["*/*"]))
        model.delegated[name] = Node(signers=[7])
    model.delegated["one"].edges.append(Edge("third", [8], paths=["*/*"]))
    model.delegated["two"].edges.append(Edge("third", [9], paths=["*/*"]))
    model.delegated["third"] = Node(signers=[8])


GRAPHS = {"delegation-limits": ten_deep, "role-visited-again": two_ways_to_one_role}


@pytest.mark.parametrize("name", STORIES)
def test_the_difference_occurs(name, tmp_path):
    pair = Pair(PRODUCT, tmp_path / "theirs")
    if name in GRAPHS:
        GRAPHS[name](pair.model)
    *before, last = STORIES[name]
    for changes in before:
        pair.happen(changes)
        assert [case.disagreements() for case in pair.look([PATH])] == [[], []]
    pair.happen(last)
    case = next(case for case in pair.look([PATH]) if case.disagreements())
    assert [other for other, applies in DIFFERENCES.items() if applies(case)] == [name]


@pytest.mark.parametrize("name", STORIES)
def test_without_its_cause_there_is_no_difference(name, tmp_path):
    """The control: the same looks at an honest repository agree, and no decision would explain what is not there."""
    pair = Pair(PRODUCT, tmp_path / "theirs")
    for _ in STORIES[name]:
        pair.happen([])
        for case in pair.look([PATH, "a/b"]):
            assert case.disagreements() == []
            assert not DIFFERENCES[name](case)


def test_every_difference_has_its_story_and_its_decision():
    assert set(STORIES) == set(DIFFERENCES)
    headings = {line[3:] for line in DECISIONS.read_text(encoding="utf-8").splitlines() if line.startswith("## ")}
    assert set(DIFFERENCES) <= headings
