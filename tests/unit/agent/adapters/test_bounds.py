"""What a broker or a rotten medium can make the Linux adapters do: nothing that stops the agent."""

import threading

import pytest

from agent.adapters.linux.boot_control import ROLLBACK_COPY, UnsafeFileRollbackStore
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.workers import MAX_EVENTS, Inbox
from agent.formats.boot_record import FRESH, NUMBER_MAX


def test_what_may_be_lost_is_lost_when_the_inbox_is_full():
    inbox = Inbox()
    assert all(inbox.offer(number) for number in range(MAX_EVENTS))
    assert not inbox.offer("one more")
    assert inbox.take() == list(range(MAX_EVENTS))
    assert inbox.offer("again")


def test_a_flood_is_taken_in_portions_and_the_rest_is_announced():
    inbox = Inbox()
    first = threading.Thread(target=lambda: [inbox.put(number) for number in range(2 * MAX_EVENTS)])
    first.start()
    found = []
    while len(found) < 2 * MAX_EVENTS:
        portion = inbox.take()
        assert len(portion) <= MAX_EVENTS
        found += portion
    first.join()
    assert found == list(range(2 * MAX_EVENTS))


class Boot:
    """A boot record in memory."""

    def __init__(self):
        self.record = FRESH.replace(generation=1, rollback_index=3)

    def read(self):
        return self.record

    def write(self, record):
        self.record = record


@pytest.mark.parametrize(
    ("copy", "index"), [(b"5", 5), (b"2", 3), (b"", 3), (b"-7", 3), (b"9999999999", 3), (b"x", 3), (b"\xb2", 3)]
)
def test_a_damaged_copy_of_the_rollback_index_counts_as_none(tmp_path, copy, index):
    store = FileStore(tmp_path)
    store.write(ROLLBACK_COPY, copy)
    rollback = UnsafeFileRollbackStore(Boot(), store)
    assert rollback.read() == index <= NUMBER_MAX
    rollback.raise_to(rollback.read())
    assert rollback.read() == index
