"""The credential stores: what they mean when they are whole, torn, damaged or gone."""

import contextlib
import hashlib
import json

import pytest

from agent.app import account_stores as stores
from agent.app.account_stores import Account, user_name_ok
from agent.app.accounts import CLAIMED, DIGEST, JOURNAL, LOCKED, SHADOW, STATE, UNCLAIMED, WEB, Accounts
from agent.formats import sealed
from agent.formats.errors import FormatError, Rejected, Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import Power
from firmware_sim.world.secrets import SECRET, UnsafeDeviceSecret
from firmware_sim.world.store import Documents, MemoryStore

ANNA = Account("anna", "administrator", "$argon2id$1", "0" * 32, "1" * 64, 5, "", 0, "")
BEN = Account("ben", "viewer", "$argon2id$2", "2" * 32, "3" * 64, 6, "", 0, "")


@pytest.fixture
def documents():
    return Documents(Power(0))


def opened(documents, first_boot=False):
    accounts = Accounts(MemoryStore(documents), UnsafeDeviceSecret(documents, Chance(7)))
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
    accounts = Accounts(LateFailure(documents), UnsafeDeviceSecret(documents, Chance(7)))
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


def seal(documents):
    """The secret of the camera that these documents are on."""
    return UnsafeDeviceSecret(documents, Chance(8))


def made_plain(documents):
    """The stores as the version before kept them."""
    users = opened(documents).users
    state = json.loads(documents.content[STATE])
    documents.content[DIGEST] = stores.digest_document(users, None)
    state["digest"] = hashlib.sha256(documents.content[DIGEST]).hexdigest()
    documents.content[STATE] = json.dumps(state).encode()
    del documents.content[SECRET]


def test_what_equals_a_password_is_in_no_document(documents):
    claimed(documents).begin({"anna": ANNA, "ben": BEN})
    for body in documents.content.values():
        assert b"0" * 32 not in body
        assert b"3" * 64 not in body
    assert json.loads(documents.content[DIGEST])["v"] == 2


@pytest.mark.parametrize("key", [None, b"", bytes(31), bytes(32), bytes(33)])
def test_without_the_devices_secret_a_camera_is_locked_and_makes_no_other(documents, key):
    claimed(documents)
    if key is None:
        del documents.content[SECRET]
    else:
        documents.content[SECRET] = key
    before = dict(documents.content)
    assert opened(documents, first_boot=True).state == LOCKED
    assert documents.content == before


def test_another_devices_stores_are_locked_here(documents):
    claimed(documents)
    other = Documents(Power(1))
    other.content.update(documents.content)
    assert opened(other).state == CLAIMED, "the control: with the secret they would be taken"
    other.content[SECRET] = bytes(31) + b"x"
    assert opened(other).state == LOCKED


def test_a_sealed_document_has_one_name(documents):
    secret = seal(documents)
    body = sealed.encode(secret.seal(SHADOW, b'{"v":1,"users":{}}'))
    with pytest.raises(Rejected):
        stores.opened(DIGEST, body, secret)


def test_plain_stores_are_sealed_once_and_say_the_same(documents):
    claimed(documents)
    made_plain(documents)
    found = opened(documents)
    assert (found.state, found.users) == (CLAIMED, {"anna": ANNA})
    assert found.must_settle()
    found.begin(dict(found.users))
    found.commit()
    again = opened(documents)
    assert (again.state, again.users, again.must_settle()) == (CLAIMED, {"anna": ANNA}, False)
    assert b"0" * 32 not in b"".join(documents.content.values())


def test_on_trial_the_stores_keep_the_form_that_the_version_before_reads(documents):
    claimed(documents)
    made_plain(documents)
    found = Accounts(MemoryStore(documents), seal(documents))
    found.load(False, on_trial=True)
    assert not found.must_settle()
    found.begin({"anna": ANNA, "ben": BEN})
    found.commit()
    assert json.loads(documents.content[DIGEST])["users"]["ben"]["md5"] == BEN.ha1_md5
    assert opened(documents).users == {"anna": ANNA, "ben": BEN}
    found.committed()
    assert found.must_settle()


def test_on_trial_a_first_claim_is_one_that_the_version_before_reads(documents):
    found = Accounts(MemoryStore(documents), seal(documents))
    found.load(True, on_trial=True)
    found.begin({"anna": ANNA})
    found.commit()
    assert json.loads(documents.content[DIGEST])["v"] == 1


def test_on_trial_what_is_sealed_stays_sealed(documents):
    claimed(documents)
    found = Accounts(MemoryStore(documents), seal(documents))
    found.load(False, on_trial=True)
    found.begin({"anna": ANNA, "ben": BEN})
    assert json.loads(documents.content[DIGEST])["v"] == 2
