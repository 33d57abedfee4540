"""Logging in to the dashboard, when very many do at once."""

import types

import pytest

from tests.unit.server.conftest import NOW
from update_server.access import people
from update_server.errors import TooManyAttempts, Unauthenticated
from update_server.web import login

PASSWORD = "a password of the administrator"


def test_a_crowd_does_not_take_all_the_worker_threads(database):
    services = types.SimpleNamespace(database=database)
    with database.write() as session:
        people.add_person(session, "admin", PASSWORD, people.ADMINISTRATOR, NOW)
    right = login.Form({"name": "admin", "password": PASSWORD})
    assert login.log_in(services, right, "192.0.2.1")
    with pytest.raises(Unauthenticated):
        login.log_in(services, login.Form({"name": "admin", "password": "x"}), "192.0.2.1")
    crowd = 0
    while login._WAITING.acquire(blocking=False):
        crowd += 1
    try:
        with pytest.raises(TooManyAttempts):
            login.log_in(services, right, "192.0.2.2")
    finally:
        for _ in range(crowd):
            login._WAITING.release()
    assert login.log_in(services, right, "192.0.2.2")
