"""Two clients, one story: the agent's and python-tuf's look at the same mirror at the same moments, again and again.

Hypothesis makes up what happens to the repository between two looks: rotations, expiries, attacks, accidents. After
each look both must agree: accepted or refused, for the same reason, after the same requests, with the same files
trusted. A disagreement that no documented decision explains (`differences`) is a defect of one of the two.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.unit.differential import graphs
from tests.unit.differential.changes import CHANGES
from tests.unit.differential.clients import Ours, Theirs
from tests.unit.differential.differences import Case, explained
from tests.unit.differential.keys import CONFORMANCE, PRODUCT, Reader
from tests.unit.differential.model import Model

STORIES = 1500
GRAPHS = 500
"""About 15 ms each, and 30 ms."""

number = st.integers(0, 255)
change = st.tuples(st.sampled_from(CHANGES), number, number)
rounds = st.lists(st.lists(change, max_size=3), min_size=1, max_size=4)
readers = st.sampled_from([PRODUCT, CONFORMANCE])


def everyday(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


class Pair:
    """Both clients with new disks, and the repository that they look at."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        folder.mkdir()
        self.model = Model(reader.key_count)
        root = self.model.served["1.root.json"]
        self.ours, self.theirs = Ours(reader, root), Theirs(folder, root)

    def happen(self, changes) -> None:
        """Let these things happen and publish."""
        for do, a, b in changes:
            do(self.model, a, b)
        for role in self.model.tricks.lost:
            self.ours.lose(role)
            self.theirs.lose(role)
        self.model.publish()

    def look(self, paths=()) -> Iterator[Case]:
        """Both refresh and, if both accept, look the paths up; each time, both in comparison."""
        served, now = dict(self.model.served), self.model.now
        case = self._both(served, lambda client: client.refresh(served, now))
        yield case
        if not case.ours.refusal:
            for path in paths:
                yield self._both(served, lambda client, path=path: client.find(path), path)

    def _both(self, served, do, path="") -> Case:
        before = dict(self.ours.disk)
        ours, theirs = do(self.ours), do(self.theirs)
        return Case(before, dict(self.ours.disk), served, path, ours, theirs)


def play(pair: Pair, rounds, paths, tally: Counter) -> None:
    """One story to its end, or to the first difference."""
    tally["stories"] += 1
    for changes in rounds:
        pair.happen(changes)
        for case in pair.look(paths):
            if not same(case, tally):
                return  # from here on their disks differ


def same(case: Case, tally: Counter) -> bool:
    tally["looks"] += 1
    tally["refused" if case.ours.refusal else "accepted"] += 1
    wrong = case.disagreements()
    if not wrong:
        tally[f"agreed {case.ours.refusal or ('found' if case.ours.found else 'accepted')}"] += 1
        return True
    reason = explained(case)
    tally[f"difference {reason}"] += 1
    if not reason:
        for look in (case.ours, case.theirs):
            note(f"{look.refusal or 'accepted'} {look.detail} after {', '.join(look.requests)}; found {look.found}")
    assert reason, f"they disagree about the {', '.join(wrong)}"
    return False


def test_both_clients_agree_about_the_top_roles(tmp_path, capsys):
    tally = Counter()
    folders = (tmp_path / str(index) for index in itertools.count())

    @everyday(STORIES)
    @given(readers, rounds)
    def tell(reader, rounds):
        play(Pair(reader, next(folders)), rounds, (), tally)

    tell()
    with capsys.disabled():
        print(f"\n{dict(tally.most_common())}")
    assert tally["stories"] >= STORIES
    assert min(tally["accepted"], tally["refused"]) > 0.2 * tally["looks"]
    for refusal in ("arbitrary_software", "revoked_key", "rollback", "fast_forward", "freeze", "mix_and_match"):
        assert tally[f"agreed {refusal}"], f"no story came to {refusal}"
    for refusal in ("endless_data", "format", "unavailable"):
        assert tally[f"agreed {refusal}"], f"no story came to {refusal}"


def test_both_clients_find_the_same_targets(tmp_path, capsys):
    tally = Counter()
    folders = (tmp_path / str(index) for index in itertools.count())
    edges = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 7), number, number), min_size=1, max_size=8)
    bins = st.tuples(st.sampled_from([0, 0, 1, 2, 3]), number)
    listed = st.lists(number, max_size=6)

    @everyday(GRAPHS)
    @given(readers, edges, bins, listed, rounds)
    def tell(reader, edges, bins, listed, rounds):
        pair = Pair(reader, next(folders))
        graphs.draw(pair.model, edges, bins, listed)
        for kind, count in graphs.shape(pair.model).items():
            tally[f"graphs with {kind}"] += bool(count)
        play(pair, [[], *rounds], graphs.PATHS, tally)

    tell()
    with capsys.disabled():
        print(f"\n{dict(tally.most_common())}")
    assert tally["stories"] >= GRAPHS
    for kind in ("edges", "terminating", "prefixes", "diamonds", "bins"):
        assert tally[f"graphs with {kind}"] > GRAPHS // 20
    assert min(tally["agreed found"], tally["refused"]) > GRAPHS // 2
