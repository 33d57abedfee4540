"""Who may enrol by a factory certificate: by which CA, which serial numbers, how often, how many at once."""

import datetime

import pytest
from sqlalchemy import select

from tests.factory_certificates import Maker, pem
from update_server.db.models import Device, FactoryDevice
from update_server.errors import BadInput, Conflict, Forbidden, NotFound, TooManyAttempts, Unauthenticated
from update_server.keyfiles import new_key
from update_server.pki import est, factory

NOW = 1_800_000_000
FIRST, SECOND = "a" * 26, "b" * 26


@pytest.fixture(scope="module")
def maker():
    return Maker()


def add(session, maker, **how):
    return factory.add(session, "kawa", pem(maker.ca), **{"anybody": False, "model": "", "now": NOW, **how})


def redeem(session, maker, serial="KW1-1", device=FIRST, asked=None, now=NOW, **how):
    peer = maker.certify(new_key(), serial, **how)
    return factory.redeem(session, peer, est.Request(new_key().public_key(), asked or serial), device, now)


def test_a_listed_camera_enrols_once_and_once_more_when_it_is_allowed_again(database, maker):
    with database.write() as session:
        ca = add(session, maker)
        assert factory.allow(session, ca, ["KW1-1"]) == 1
        redeem(session, maker)
        redeem(session, maker)  # the answer was lost: the same key asks again
        with pytest.raises(Forbidden, match="already"):
            redeem(session, maker, device=SECOND)
        factory.allow(session, ca, ["KW1-1"])
        redeem(session, maker, device=SECOND)
        with pytest.raises(Forbidden, match="already"):
            redeem(session, maker, device=FIRST)


def test_a_camera_that_is_not_listed_does_not(database, maker):
    with database.write() as session:
        factory.allow(session, add(session, maker), ["KW1-2"])
        with pytest.raises(Forbidden, match="factory-ca allow kawa KW1-1"):
            redeem(session, maker)
        redeem(session, maker, serial="KW1-2")


def test_any_camera_of_a_model_does_and_of_another_model_not(database, maker):
    with database.write() as session:
        add(session, maker, anybody=True, model="kawa-1")
        redeem(session, maker)
        with pytest.raises(Forbidden):
            redeem(session, maker, serial="KW2-1", model="kawa-2")
        with pytest.raises(Forbidden, match="already"):  # any camera, each once
            redeem(session, maker, device=SECOND)


def test_a_certificate_by_nobody_we_know_or_out_of_its_time_does_not(database, maker):
    ended = datetime.datetime.fromtimestamp(NOW - 1, datetime.UTC)
    with database.write() as session:
        add(session, maker, anybody=True)
        for other, how in ((Maker(), {}), (maker, {"end": ended}), (maker, {"now": 1_700_000_000})):
            with pytest.raises(Unauthenticated):
                redeem(session, other, **how)
        assert not session.scalars(select(FactoryDevice)).all()
        redeem(session, maker)


def test_the_request_is_for_the_camera_that_the_certificate_names(database, maker):
    with database.write() as session:
        add(session, maker, anybody=True)
        with pytest.raises(BadInput):
            redeem(session, maker, asked="KW1-2")


def test_a_camera_that_is_denied_does_not_come_back_under_another_key(database, maker):
    with database.write() as session:
        add(session, maker, anybody=True)
        session.add(Device(id=FIRST, serial="KW1-1", ownership_sha256="", enrolled_at=NOW, denied_at=NOW))
        session.flush()
        with pytest.raises(Forbidden, match="denied"):
            redeem(session, maker, device=SECOND)
        redeem(session, maker, serial="KW1-2", device=SECOND)


def test_only_so_many_come_within_an_hour(database, maker, monkeypatch):
    monkeypatch.setattr(factory, "HOURLY_CAMERAS", 3)
    with database.write() as session:
        add(session, maker, anybody=True)
        for number in range(3):
            redeem(session, maker, serial=f"KW1-{number}", device=f"{number:026d}")
        with pytest.raises(TooManyAttempts):
            redeem(session, maker, serial="KW1-9")
        redeem(session, maker, serial="KW1-0", device=f"{0:026d}")  # a lost answer counts once
        redeem(session, maker, serial="KW1-9", now=NOW + factory.HOUR_S)


def test_what_is_no_ca_or_known_already_is_not_added(database, maker):
    with database.write() as session:
        for wrong in (b"", b"x", pem(maker.certify(new_key(), "KW1-1"))):
            with pytest.raises(BadInput):
                factory.add(session, "x", wrong, anybody=False, model="", now=NOW)
        for name in ("", "x" * 65, "x\n"):
            with pytest.raises(BadInput):
                factory.add(session, name, pem(maker.ca), anybody=False, model="", now=NOW)
        ca = add(session, maker)
        with pytest.raises(Conflict):
            add(session, maker)
        with pytest.raises(BadInput):
            factory.allow(session, ca, ["../x"])
        with pytest.raises(NotFound):
            factory.find(session, "other")
        assert factory.anchors(session) == [pem(maker.ca).decode()]
