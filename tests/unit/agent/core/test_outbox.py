"""The index of the outbox: what is sent next, what is given up first, and that each message is found again."""

from hypothesis import given
from hypothesis import strategies as st

from agent.core.outbox import FLYING, GONE, SENT, TELEMETRY, WAITING, File, Outbox, kept
from agent.formats.outbox_record import LANES, MAX_THINNED

SIZE = 100
STATES = st.sampled_from([WAITING, FLYING, SENT, GONE])


def file_of(lane, numbers, thinned=0, at=0):
    made = File(lane, numbers[0], thinned)
    for number in numbers:
        made.add(number, made.size_bytes, at)
        made.size_bytes += SIZE
    return made


def box_of(*files, **bounds):
    box = Outbox(**bounds)
    for file in files:
        box.insert(file)
    return box


def sent_in_order(box):
    """The numbers as they are sent."""
    found = []
    while (place := box.next()) is not None:
        found.append(place.file.number(place.index))
        place.file.mark(place.index, FLYING)
    return found


def test_alarms_go_before_papers_before_telemetry_and_the_oldest_first():
    box = box_of(
        file_of(TELEMETRY, [1, 2]), file_of("paper", [6]), file_of("alarm", [8]), file_of("alarm", [3, 5]),
        file_of("paper", [4]),
    )  # fmt: skip
    assert sent_in_order(box) == [3, 5, 8, 4, 6, 1, 2]
    assert box.next() is None
    assert box.rewind((FLYING,), ("paper",)) == 2
    assert sent_in_order(box) == [4, 6]
    assert box.rewind((SENT,)) == 0


@given(st.lists(STATES, min_size=1, max_size=12), st.lists(st.tuples(st.integers(0, 11), STATES), max_size=20))
def test_a_file_counts_and_finds_what_is_alive(states, changes):
    file = File("alarm", 10)
    for at, state in enumerate(states):
        file.add(10 + 3 * at, at * SIZE, at, state)
    file.size_bytes = len(states) * SIZE
    for index, state in changes:
        if index < len(states):
            file.mark(index, state)
            states[index] = state
        waiting = [at for at, now in enumerate(states) if now == WAITING]
        assert file.next_waiting() == (waiting[0] if waiting else -1)
        assert file.living() == [at for at, now in enumerate(states) if now != GONE]
        assert file.live == len(file.living())
    for at in range(len(states)):
        assert file.find(10 + 3 * at) == at
        assert file.find(11 + 3 * at) == -1
        assert file.span(at) == (at * SIZE, SIZE)
    flying = states.count(FLYING)
    assert file.rewind((FLYING,)) == flying


@given(st.sets(st.integers(1, 60), min_size=1), st.data())
def test_every_message_is_found_by_its_number_wherever_it_lies(numbers, chosen):
    box, lanes = Outbox(), {}
    for lane in LANES:
        mine = sorted(
            number for number in numbers if chosen.draw(st.sampled_from(LANES)) == lane and number not in lanes
        )
        while mine:
            length = chosen.draw(st.integers(1, len(mine)))
            box.insert(file_of(lane, mine[:length]))
            lanes |= dict.fromkeys(mine[:length], lane)
            mine = mine[length:]
    for number in range(62):
        place = box.find(number)
        if number in lanes:
            assert (place.file.lane, place.file.number(place.index)) == (lanes[number], number)
        else:
            assert place is None
    assert box.count == len(lanes)
    assert box.size_bytes == SIZE * len(lanes)


def test_what_is_gone_is_not_found():
    box = box_of(file_of("alarm", [4, 5]))
    place = box.find(4)
    place.file.mark(place.index, GONE)
    assert box.find(4) is None
    assert box.count == 1


@given(st.lists(STATES, max_size=20))
def test_thinning_leaves_every_second_message_and_the_ends_of_the_curve(states):
    file = File(TELEMETRY, 1)
    for at, state in enumerate(states):
        file.add(at + 1, at, 0, state)
    living, left = file.living(), kept(file)
    assert left == [index for at, index in enumerate(living) if at % 2 == 0 or at == len(living) - 1]
    assert left[:1] == living[:1]
    assert left[-1:] == living[-1:]


def test_the_oldest_two_of_those_thinned_the_least_are_thinned_next():
    files = [file_of(TELEMETRY, [number, number + 1], thinned) for number, thinned in ((1, 2), (3, 1), (5, 1), (7, 0))]
    box = box_of(*files)
    assert box.to_thin() == (files[3],)
    box.remove(files[3])
    assert box.to_thin() == (files[1], files[2])
    box.remove(files[2])
    assert box.to_thin() == (files[1],)
    assert box_of(file_of("alarm", [1])).to_thin() == ()
    assert box_of(file_of(TELEMETRY, [1], MAX_THINNED)).to_thin() == ()


def test_what_is_given_up_is_never_more_important_than_what_comes():
    alarm, paper, telemetry = file_of("alarm", [1]), file_of("paper", [2]), file_of(TELEMETRY, [3])
    box = box_of(alarm, paper, file_of("paper", [4]), telemetry)
    assert box.to_give_up("alarm") is telemetry
    box.remove(telemetry)
    assert box.to_give_up(TELEMETRY) is None
    assert box.to_give_up("alarm") is paper
    assert box_of(alarm).to_give_up("paper") is None
    assert box_of(alarm).to_give_up("alarm") is alarm


def test_the_bounds_are_counted_in_messages_and_in_bytes():
    assert not box_of(file_of("alarm", [1, 2]), max_count=2).over()
    assert box_of(file_of("alarm", [1, 2]), max_count=2).over(1)
    assert box_of(file_of("alarm", [1, 2, 3]), max_count=2).over()
    assert not box_of(file_of("alarm", [1, 2]), max_bytes=2 * SIZE).over()
    assert box_of(file_of("alarm", [1, 2]), max_bytes=2 * SIZE - 1).over()


def test_a_file_expires_with_its_newest_message():
    old, new = file_of(TELEMETRY, [1, 2], at=50), file_of(TELEMETRY, [3], at=60)
    new.add(4, SIZE, 40)
    box = box_of(old, new, file_of("alarm", [9], at=1))
    assert box.expired(50) == ()
    assert box.expired(60) == (old,)
    assert box.expired(61) == (old, new)


def test_a_thinned_file_comes_before_what_it_was_made_from():
    made, source = file_of(TELEMETRY, [5, 7], 1), file_of(TELEMETRY, [5, 6, 7])
    assert list(box_of(source, made).files()) == [made, source]
    assert list(box_of(made, source).files()) == [made, source]
