"""The credential stores: what they mean when they are whole, torn, damaged or gone."""

import contextlib

import pytest

from agent.app.accounts import CLAIMED, DIGEST, JOURNAL, LOCKED, STATE, UNCLAIMED, WEB, Account, Accounts, user_name_ok
from agent.formats.errors import FormatError, Unavailable
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents, MemoryStore

ANNA = Account("anna", "administrator", "$argon2id$1", "0" * 32, "1" * 64, 5)
BEN = Account("ben", "viewer", "$argon2id$2", "2" * 32, "3" * 64, 6)


@pytest.fixture
def documents():
    return Documents(Power(0))


def opened(documents, first_boot=False):
    accounts = Accounts(MemoryStore(documents))
    accounts.load(first_boot)
    return accounts


def claimed(documents):
    accounts = opened(documents, first_boot=True)
    accounts.begin({"anna": ANNA})
    accounts.commit()
    return accounts


def test_a_new_camera_is_unclaimed_and_stays_so(documents):
    assert opened(documents, first_boot=True).state == UNCLAIMED
    assert opened(documents).state == UNCLAIMED


def test_a_camera_that_lost_its_credentials_is_locked(documents):
    assert opened(documents).state == LOCKED


def test_committed_accounts_are_there_after_a_restart(documents):
    claimed(documents)
    found = opened(documents)
    assert (found.state, found.users) == (CLAIMED, {"anna": ANNA})


@pytest.mark.parametrize("name", [WEB, DIGEST, STATE])
def test_a_lost_or_damaged_store_means_locked(documents, name):
    claimed(documents)
    whole = documents.content[name]
    for damaged in (None, b"", whole[:-1], whole.replace(b"a", b"e", 1), b"{}", b"\xff"):
        if damaged is None:
            del documents.content[name]
        else:
            documents.content[name] = damaged
        found = opened(documents)
        assert (found.state, found.users) == (LOCKED, {})
    documents.content[name] = whole
    assert opened(documents).state == CLAIMED


def test_an_unproved_change_is_put_back_at_the_next_start(documents):
    claimed(documents).begin({"anna": ANNA, "ben": BEN})
    assert JOURNAL in documents.content
    found = opened(documents)
    assert (found.state, found.users) == (CLAIMED, {"anna": ANNA})
    assert JOURNAL not in documents.content


def test_an_unproved_claim_is_put_back_to_unclaimed(documents):
    opened(documents, first_boot=True).begin({"anna": ANNA})
    assert opened(documents).state == UNCLAIMED


def test_abort_puts_back_what_was(documents):
    accounts = claimed(documents)
    before = dict(documents.content)
    accounts.begin({"ben": BEN})
    assert accounts.users == {"ben": BEN}
    accounts.abort()
    assert (accounts.state, accounts.users) == (CLAIMED, {"anna": ANNA})
    assert documents.content == before


class LateFailure(MemoryStore):
    """Deletes, and then cannot say that it is durable."""

    def delete(self, name):
        super().delete(name)
        if name == JOURNAL:
            raise Unavailable("the folder cannot be flushed")


def test_a_commit_that_failed_after_it_was_done_is_no_other_than_the_stores_say(documents):
    claimed(documents)
    accounts = Accounts(LateFailure(documents))
    accounts.load(first_boot=False)
    accounts.begin({"anna": ANNA, "ben": BEN})
    with pytest.raises(Unavailable):
        accounts.commit()
    accounts.abort()
    after = opened(documents)
    assert (accounts.state, accounts.users) == (after.state, after.users)


@pytest.mark.parametrize("rot", [b"\xff\xfe", b"{}"])
def test_a_store_that_rots_under_a_running_agent_locks(documents, rot):
    accounts = claimed(documents)
    documents.content[WEB] = rot
    with contextlib.suppress(FormatError):
        accounts.begin({"anna": ANNA, "ben": BEN})
    accounts.abort()
    assert (accounts.state, accounts.users) == (LOCKED, {})
    assert opened(documents).state == LOCKED


def test_a_damaged_journal_means_locked(documents):
    claimed(documents)
    documents.content[JOURNAL] = b"{"
    assert opened(documents).state == LOCKED


@pytest.mark.parametrize(
    ("name", "good"),
    [("admin", True), ("a.b-c_9", True), ("", False), ("Admin", False), ("a b", False), ("-a", False), ("a:b", False),
     ('a"b', False), ("a" * 32, True), ("a" * 33, False), ("日本", False)],
)  # fmt: skip
def test_user_names_need_no_quoting_anywhere(name, good):
    assert user_name_ok(name) is good
