"""Sealing what was plain waits for a change of credentials under way, and is put back whole when the storage fails."""

from types import SimpleNamespace

import pytest

from agent.app import account_stores as stores
from agent.app.accounts import CLAIMED, JOURNAL, Accounts
from agent.app.credentials import SETTLE_AGAIN_S, Credentials
from agent.formats.errors import Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import Power
from firmware_sim.world.secrets import UnsafeDeviceSecret
from firmware_sim.world.store import Documents, MemoryStore

ANNA = stores.Account("anna", "administrator", "$argon2id$1", "0" * 32, "1" * 64, 5, "", 0, "")


class FullStore(MemoryStore):
    """Takes `left` documents more."""

    left = 99

    def write(self, name, data):
        if self.left <= 0:
            raise Unavailable("the storage is full")
        self.left -= 1
        super().write(name, data)


class Desk(SimpleNamespace):
    def at(self, _name, when, due):
        self.timers.append((when, due))


@pytest.fixture
def plain():
    """A camera whose stores a version before has written, the trial of this one being over."""
    documents = Documents(Power(0))
    store = FullStore(documents)
    accounts = Accounts(store, UnsafeDeviceSecret(documents, Chance(1)))
    accounts.load(True, on_trial=True)
    accounts.begin({"anna": ANNA})
    accounts.commit()
    accounts.committed()
    said, timers = [], []
    desk = Desk(config=SimpleNamespace(password={}), now=7.0, timers=timers, said=said, say=said.append)
    credentials = Credentials(desk, accounts, None, None, None)
    return SimpleNamespace(documents=documents, store=store, accounts=accounts, credentials=credentials, desk=desk)


def sealed(camera):
    return b'"sealed"' in camera.documents.content[stores.DIGEST]


def test_it_is_done_once(plain):
    plain.credentials.settle()
    assert sealed(plain)
    count = plain.documents.power.count
    plain.credentials.settle()
    assert plain.documents.power.count == count
    assert len(plain.desk.said) == 1


def test_it_waits_for_a_change_under_way(plain):
    plain.credentials._running = True
    plain.credentials.settle()
    assert not sealed(plain)
    ((when, due),) = plain.desk.timers
    assert when == 7.0 + SETTLE_AGAIN_S
    plain.credentials._running = False
    due()
    assert sealed(plain)


@pytest.mark.parametrize("left", range(5))
def test_a_full_storage_leaves_what_was_and_lets_the_user_in(plain, left):
    plain.store.left = left
    before = plain.documents.content[stores.DIGEST]
    plain.credentials.settle()
    plain.store.left = 99
    if left < 4:
        assert "stay as they are" in plain.desk.said[0]
    accounts = Accounts(plain.store, UnsafeDeviceSecret(plain.documents, Chance(2)))
    accounts.load(False)
    assert (accounts.state, accounts.users) == (CLAIMED, {"anna": ANNA})
    assert JOURNAL not in plain.documents.content
    assert sealed(plain) or plain.documents.content[stores.DIGEST] == before
