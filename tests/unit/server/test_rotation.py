"""A second CA: each step waits for every camera, and a step that is cut short is completed by the next start."""

import datetime
import types

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.repositories import World
from update_server.db.models import Certificate, Device
from update_server.errors import Conflict, Misconfigured
from update_server.fleet import consumers
from update_server.fleet.ownership import Ownership
from update_server.keyfiles import new_key, write_key
from update_server.pki import authority, rotation
from update_server.pki.authority import Authority, is_by

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
AT = int(NOW.timestamp())
HOSTS = ("cam.example",)


@pytest.fixture(scope="module")
def root():
    return World().repository("director").files["1.root.json"].decode()


@pytest.fixture
def office(tmp_path, database, root):
    """A server's CA, records and database, and one camera that was enrolled by them."""
    for name in ("pki", "ownership"):
        (tmp_path / name).mkdir()
    ca = authority.make(tmp_path / "pki", "Op", NOW)
    ca.write_server(HOSTS, NOW)
    ca.write_ingest(NOW)
    records = Ownership(tmp_path / "ownership")
    devices = types.SimpleNamespace(check_interval_s=600, telemetry_interval_s=600, line="wired")
    settings = types.SimpleNamespace(
        operator="Op", device_url="https://cam.example:8443", hosts=HOSTS, ports=types.SimpleNamespace(mqtt=8883),
        devices=devices,
    )  # fmt: skip
    records.offer_root(settings, ca.bundle, root)
    with database.write() as session:
        session.add(Device(id="a" * 26, serial="KW1-1", ownership_sha256=records.current, enrolled_at=0))
    made = types.SimpleNamespace(ca=ca, records=records, database=database)
    show(made, ca)
    return made


def show(office, ca, number=1):
    """The camera has a certificate by this CA, and its telemetry says so."""
    made = ca.certify_device(new_key().public_key(), "KW1-1", 90, NOW + datetime.timedelta(days=number))
    ends_at = int(made.not_valid_after_utc.timestamp())
    der = made.public_bytes(serialization.Encoding.DER)
    with office.database.write() as session:
        session.get(Device, "a" * 26).telemetry = {"certificate_ends_at": ends_at}
        row = {"serial_number": f"{number}", "device_id": "a" * 26, "issued_at": 0, "expires_at": ends_at, "der": der}
        session.add(Certificate(**row))


def tell(office):
    """The camera has carried out `change_keys`."""
    with office.database.write() as session:
        session.get(Device, "a" * 26).ownership_sha256 = office.records.current


def begin(office, uri=""):
    return rotation.begin(office.ca, office.records, "Op", NOW + datetime.timedelta(days=1), uri)


def switch(office):
    with office.database.write() as session:
        return rotation.switch(session, office.ca, office.records)


def retire(office):
    with office.database.write() as session:
        return rotation.retire(session, office.ca, office.records, AT)


def standing(office):
    with office.database.read() as session:
        return [
            (one.name.split(",")[0], one.issues, one.cameras, one.shown)
            for one in rotation.standing(session, office.ca, office.records, AT)
        ]


def test_the_whole_way(office):
    first = office.ca.certificate
    second = begin(office)
    assert office.ca.certificate == first
    assert standing(office) == [("CN=Camward fleet CA", True, 1, 1), ("CN=Camward fleet CA 2", False, 0, 0)]
    with pytest.raises(Conflict, match="KW1-1"):
        switch(office)
    before = office.records.current
    tell(office)
    assert switch(office) == second
    assert office.records.current == before  # nobody needs another record for that
    with pytest.raises(Conflict, match="KW1-1"):
        retire(office)
    show(office, office.ca, 2)
    gone, key = retire(office)
    assert (gone, key) == (first, "file:ca.key.pem")
    assert standing(office) == [("CN=Camward fleet CA 2", True, 1, 1)]
    assert office.records.current != before
    tell(office)
    third = begin(office)
    assert third.subject.rfc4514_string().startswith("CN=Camward fleet CA 3,")


def test_the_servers_own_certificates_follow_at_its_next_start(office):
    begin(office)
    tell(office)
    second = switch(office)
    again = Authority(office.ca.folder)
    again.renew_own(HOSTS, NOW)
    for name in ("server", "ingest"):
        assert is_by(x509.load_pem_x509_certificate((again.folder / f"{name}.pem").read_bytes()), second)
    assert again.issued(again.certify_device(new_key().public_key(), "KW1-1", 90, NOW))


def test_what_both_have_issued_is_trusted_until_one_is_retired(office):
    old = office.ca.certify_device(new_key().public_key(), "KW1-1", 90, NOW)
    begin(office)
    tell(office)
    switch(office)
    new = office.ca.certify_device(new_key().public_key(), "KW1-1", 90, NOW)
    assert (office.ca.issued(old), office.ca.issued(new)) == (True, True)
    show(office, office.ca, 2)
    retire(office)
    assert (office.ca.issued(old), office.ca.issued(new)) == (False, True)


def test_there_are_two_at_most_and_one_at_least(office):
    for step in (switch, retire):
        with pytest.raises(Conflict, match="one CA only"):
            step(office)
    begin(office)
    with pytest.raises(Conflict, match="two CAs already"):
        begin(office)


def test_one_that_was_made_and_never_issued_can_be_taken_back(office):
    second = begin(office)
    gone, key = retire(office)
    assert (gone, key) == (second, "file:ca.key-2.pem")
    assert standing(office) == [("CN=Camward fleet CA", True, 1, 1)]


def test_the_next_key_may_be_elsewhere(office, tmp_path):
    write_key(tmp_path / "elsewhere.pem", new_key())
    begin(office, f"file:{tmp_path}/elsewhere.pem")
    tell(office)
    switch(office)
    Authority(office.ca.folder).prove()
    assert not (office.ca.folder / "ca.key-2.pem").exists()


def test_cameras_that_another_ca_certifies_hold_neither(office):
    begin(office)
    tell(office)
    switch(office)
    with office.database.write() as session:
        session.get(Certificate, "1").serial_number = "x1"
    retire(office)


def test_other_cas_stay_in_the_record_through_it_all(office):
    other = authority.as_pem(office.ca.certificate)  # any certificate will do
    (office.ca.folder / "external.pem").write_text(other)
    office.ca = Authority(office.ca.folder)
    begin(office)
    assert office.ca.bundle.count("BEGIN") == 3
    assert office.ca.bundle.endswith(other)
    (office.ca.folder / "external.pem").write_text("x")
    with pytest.raises(Misconfigured):
        Authority(office.ca.folder)


def test_a_camera_of_which_nothing_is_known_holds_the_old_one(office):
    begin(office)
    tell(office)
    switch(office)
    show(office, office.ca, 2)
    with office.database.write() as session:
        session.add(Device(id="b" * 26, serial="KW1-2", ownership_sha256=office.records.current, enrolled_at=0))
    with pytest.raises(Conflict, match="KW1-2"):
        retire(office)
    with office.database.write() as session:
        session.delete(session.get(Device, "b" * 26))
    retire(office)


def consumer(office, name, change=lambda _row: None):
    """A consumer whose certificate is by the CA that issues now."""
    with office.database.write() as session:
        change(consumers.add(session, office.ca, name, "river", AT).row)


def counted(office):
    """How many consumers have their newest certificate by each CA, the one that issues first."""
    with office.database.read() as session:
        return [one.consumers for one in rotation.standing(session, office.ca, office.records, AT)]


def test_a_ca_is_not_retired_while_a_consumer_has_no_certificate_by_the_other(office):
    consumer(office, "old")
    consumer(office, "from-before", lambda row: setattr(row, "ca_sha256", ""))
    consumer(office, "ended", lambda row: setattr(row, "expires_at", AT))
    consumer(office, "removed", lambda row: setattr(row, "removed_at", AT))
    begin(office)
    tell(office)
    assert counted(office) == [2, 0]
    switch(office)
    show(office, office.ca, 2)
    consumer(office, "new")
    assert counted(office) == [1, 2]
    with pytest.raises(Conflict, match=r"2 consumers .*: from-before, old\."):
        retire(office)
    for name in ("from-before", "old"):
        with office.database.write() as session:
            made = consumers.renew(session, office.ca, name, AT)
        assert is_by(made.certificate, office.ca.certificate)
    assert counted(office) == [3, 0]
    retire(office)


def test_a_second_ca_is_taken_back_whatever_consumers_there_are(office):
    consumer(office, "old")
    consumer(office, "from-before", lambda row: setattr(row, "ca_sha256", ""))
    begin(office)
    retire(office)
