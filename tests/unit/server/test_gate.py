"""Who is shut out of the broker, and when its access control list is written and read again."""

import pytest
from sqlalchemy import select

from update_server.db.models import Certificate, Device
from update_server.fleet import broker, devices, history
from update_server.fleet.broker import Gate
from update_server.fleet.ingest import Incoming, Ingest, take_batch
from update_server.fleet.sealed import SealingKeys

NOW = 1_800_000_000


def certificate(number, device_id, expires_at):
    return Certificate(serial_number=str(number), device_id=device_id, issued_at=NOW, expires_at=expires_at, der=b"")


def test_shut_out_are_the_denied_and_the_removed_whose_certificates_have_not_ended(fleet):
    with fleet.write() as session:
        known = [device.id for device in devices.everyone(session)]
        for number, device_id in enumerate([*known[:3], "removed", "long gone"]):
            session.add(certificate(number, device_id, NOW + 10 if device_id != "long gone" else NOW - 1))
        devices.deny(session.get_one(Device, known[1]), NOW)
        devices.deny(session.get_one(Device, known[7]), NOW)
        assert devices.shut_out(session, NOW) == {known[1], known[7], "removed"}
        assert devices.shut_out(session, NOW + 11) == {known[1], known[7]}
        devices.allow(session.get_one(Device, known[1]))
        assert devices.shut_out(session, NOW) == {known[7], "removed"}


def test_a_denial_keeps_the_moment_it_began_and_shows_the_camera_offline():
    device = Device(online=True)
    devices.deny(device, NOW)
    devices.deny(device, NOW + 5)
    assert (device.denied_at, device.online) == (NOW, False)


def test_a_denial_stands_under_the_cameras_own_name_and_nobody_elses():
    text = broker.acl({"b" * 26, "a" * 26})
    assert text.endswith(f"\nuser {'a' * 26}\ntopic deny #\n\nuser {'b' * 26}\ntopic deny #\n")
    assert text.startswith(broker.acl())


def test_ingest_processes_may_read_telemetry_and_nothing_else():
    text = broker.acl({"b" * 26}, processes=2)
    for number in (1, 2):
        assert f"\nuser camward-ingest-{number}\ntopic read camward/1/+/up/telemetry\n\n" in text
    assert text.count("user camward-ingest") == 3
    assert text.endswith(f"\nuser {'b' * 26}\ntopic deny #\n")


@pytest.fixture
def gate(tmp_path):
    reloads = []
    made = Gate(tmp_path, None, (), lambda: reloads.append((tmp_path / "acl").read_text()))
    return made, reloads


def test_the_list_is_written_and_read_when_it_changes_and_not_otherwise(gate):
    gate, reloads = gate
    assert not gate.apply(set())
    assert gate.apply({"a"})
    assert not gate.apply({"a"})
    assert gate.apply(set())
    assert reloads == [broker.acl({"a"}), broker.acl()]


def test_consumers_are_in_the_list_until_they_are_removed(gate):
    gate, reloads = gate
    assert gate.apply(set(), {("consumer-a-1", "river")})
    assert not gate.apply(set(), {("consumer-a-1", "river")})
    assert gate.apply({"consumer-a-1"}, set())
    rights = "topic read camward/1/+/app/river/up/+\ntopic write camward/1/+/app/river/down/+\n"
    assert reloads[0].endswith("\nuser consumer-a-1\n" + rights)
    assert reloads[1].endswith("\nuser consumer-a-1\ntopic deny #\n")
    assert "river" not in reloads[1]


def test_what_could_not_be_written_is_tried_again(tmp_path):
    reloads = []
    gate = Gate(tmp_path / "none", None, (), lambda: reloads.append(1))
    with pytest.raises(OSError, match="No such file"):
        gate.apply({"a"})
    with pytest.raises(OSError, match="No such file"):
        gate.apply(set())  # what is written is not known any more
    (tmp_path / "none").mkdir()
    assert gate.apply({"a"})
    assert reloads == [1]


def test_what_a_denied_camera_said_before_the_broker_knew_is_refused(database, tmp_path):
    name = "a" * 26
    with database.write() as session:
        session.add(Device(id=name, serial="S", version="1.0.0", ownership_sha256="", enrolled_at=NOW, denied_at=NOW))
    said = Incoming(f"camward/1/{name}/state", b'{"v":1,"online":true,"version":"6.6.6","slot":"a"}')
    take_batch(database, Ingest(lambda *_: None, lambda *_: None, SealingKeys(tmp_path)), [said], NOW)
    with database.read() as session:
        device = session.get_one(Device, name)
        assert (device.online, device.version) == (False, "1.0.0")
        assert [one.code for one in history.refusals(session, name)] == ["denied"]


def test_certificates_that_ended_long_ago_are_forgotten_and_no_others(fleet):
    with fleet.write() as session:
        ends = (NOW - devices.KEPT_CERTIFICATES_S - 1, NOW - devices.KEPT_CERTIFICATES_S, NOW + 1)
        session.add_all(certificate(900 + number, "z" * 26, end) for number, end in enumerate(ends))
    with fleet.write() as session:
        devices.prune_certificates(session, NOW)
    with fleet.read() as session:
        left = session.scalars(select(Certificate.serial_number).where(Certificate.device_id == "z" * 26))
        assert sorted(left) == ["901", "902"]


def test_who_was_removed_stays_shut_out_for_good_where_another_ca_may_go_on_renewing(fleet):
    ended = NOW - devices.KEPT_CERTIFICATES_S - 1
    with fleet.write() as session:
        ours, theirs = certificate(950, "y" * 26, ended), certificate(951, "z" * 26, ended)
        theirs.serial_number = devices.EXTERNAL + "951"
        session.add_all((ours, theirs))
    with fleet.write() as session:
        devices.prune_certificates(session, NOW)
    with fleet.read() as session:
        assert devices.shut_out(session, NOW) & {"y" * 26, "z" * 26} == {"z" * 26}
