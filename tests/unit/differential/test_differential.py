"""Two clients, one story: the agent's and python-tuf's look at the same mirror at the same moments, again and again.

Hypothesis makes up what happens to the repository between two looks: rotations, expiries, attacks, accidents. After
each look both must agree: accepted or refused, for the same reason, after the same requests, with the same files
trusted. A disagreement that no documented decision explains (`differences`) is a defect of one of the two.
"""

import itertools
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.unit.differential.changes import CHANGES
from tests.unit.differential.clients import Ours, Theirs
from tests.unit.differential.differences import Case, explained
from tests.unit.differential.keys import CONFORMANCE, PRODUCT, Reader
from tests.unit.differential.model import Model

STORIES = 2000
"""About 15 ms each."""

number = st.integers(0, 255)
change = st.tuples(st.sampled_from(CHANGES), number, number)
story = st.tuples(
    st.sampled_from([PRODUCT, CONFORMANCE]), st.lists(st.lists(change, max_size=3), min_size=1, max_size=4)
)
everyday = settings(
    max_examples=STORIES,
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

    def look(self, paths=()) -> Case:
        """Both refresh and look the paths up."""
        model, before = self.model, dict(self.ours.disk)
        ours = self.ours.look(model.served, model.now, list(paths))
        theirs = self.theirs.look(model.served, model.now, list(paths))
        return Case(before, dict(self.ours.disk), dict(model.served), model.now, ours, theirs)


def test_both_clients_agree_or_the_difference_is_a_decision(tmp_path, capsys):
    tally = Counter()
    folders = (tmp_path / str(index) for index in itertools.count())

    @everyday
    @given(story)
    def play(told):
        reader, rounds = told
        tally["stories"] += 1
        pair = Pair(reader, next(folders))
        for changes in rounds:
            pair.happen(changes)
            case = pair.look()
            tally["looks"] += 1
            tally["refused" if case.ours.refusal else "accepted"] += 1
            wrong = case.disagreements()
            if wrong:
                reason = explained(case)
                note(f"{wrong}\nours: {case.ours}\ntheirs: {case.theirs}")
                assert reason, f"they disagree about the {', '.join(wrong)}"
                tally[f"difference {reason}"] += 1
                return  # from here on their disks differ
            tally[f"agreed {case.ours.refusal or 'accepted'}"] += 1

    play()
    with capsys.disabled():
        print(f"\n{dict(tally.most_common())}")
    assert tally["stories"] >= STORIES
    assert min(tally["accepted"], tally["refused"]) > 0.2 * tally["looks"]
    for refusal in ("arbitrary_software", "revoked_key", "rollback", "fast_forward", "freeze", "mix_and_match"):
        assert tally[f"agreed {refusal}"], f"no story came to {refusal}"
    for refusal in ("endless_data", "format", "unavailable"):
        assert tally[f"agreed {refusal}"], f"no story came to {refusal}"
