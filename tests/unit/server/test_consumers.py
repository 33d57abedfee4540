"""Back ends that read what cameras' programs send: who is let in, and under which name."""

import errno
import types
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from update_server.commands import consumer as command
from update_server.errors import BadInput, Conflict, NotFound
from update_server.files import write_atomic
from update_server.fleet import consumers
from update_server.fleet.back_ends import BackEnds
from update_server.pki import authority

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return authority.make(tmp_path_factory.mktemp("pki"), "An operator", datetime.fromtimestamp(NOW, UTC))


def test_a_consumer_has_a_certificate_for_clients_alone_and_the_list_knows_it_by_its_name(database, ca):
    with database.write() as session:
        made = consumers.add(session, ca, "back-end", "river", NOW)
        shut_out, let_in = consumers.access(session, NOW)
    (name,) = made.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == made.row.client
    assert (shut_out, let_in) == (set(), {(made.row.client, "river")})
    assert made.certificate.public_key() == made.key.public_key()
    usage = made.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        made.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_one_that_was_removed_is_shut_out_while_its_certificate_is_good_and_its_name_is_another_clients(database, ca):
    with database.write() as session:
        first = consumers.add(session, ca, "back-end", "river", NOW).row
        with pytest.raises(Conflict):
            consumers.add(session, ca, "back-end", "counter", NOW)
        consumers.remove(session, "back-end", NOW + 5)
        second = consumers.add(session, ca, "back-end", "river", NOW + 6).row
        assert first.client != second.client
        assert consumers.everyone(session) == [second]
        assert consumers.access(session, NOW + 7) == ({first.client}, {(second.client, "river")})
        assert consumers.access(session, first.expires_at + 1)[0] == set()
        consumers.remove(session, "back-end", NOW + 8)
        with pytest.raises(NotFound):
            consumers.remove(session, "back-end", NOW + 9)


@pytest.mark.parametrize(
    ("name", "program"),
    [("", "river"), ("A", "river"), ("a b", "river"), ("a\nuser x", "river"), ("-a", "river"), ("x" * 33, "river")]
    + [("a", program) for program in ("", "River", "#", "+", "a/b", "river\ntopic read #", "x" * 17)],
)
def test_what_is_no_name_gets_into_no_list(database, ca, name, program):
    with database.write() as session, pytest.raises(BadInput):
        consumers.add(session, ca, name, program, NOW)


def test_one_that_is_renewed_keeps_its_client_and_is_shut_out_until_its_last_certificate_ends(database, ca):
    with database.write() as session:
        first = consumers.add(session, ca, "renewed", "river", NOW)
        client, ends_at = first.row.client, first.row.expires_at
        second = consumers.renew(session, ca, "renewed", NOW + 1000)
        assert second.row is first.row
        (name,) = second.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert (name.value, second.row.client) == (client, client)
        assert second.key.public_key() != first.key.public_key()
        assert second.certificate.public_key() == second.key.public_key()
        assert second.row.expires_at == ends_at + 1000
        assert second.row.ca_sha256 == authority.fingerprint(ca.certificate)
        consumers.remove(session, "renewed", NOW + 2000)
        assert client in consumers.access(session, ends_at + 999)[0]
        with pytest.raises(NotFound):
            consumers.renew(session, ca, "renewed", NOW + 3000)


def test_a_full_disk_leaves_neither_a_consumer_nor_a_folder_in_the_way_of_the_next_attempt(
    database, ca, tmp_path, monkeypatch
):
    def full(path, body, mode=0o644):
        if path.name == "cert.pem":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_atomic(path, body, mode)

    settings = types.SimpleNamespace(hosts=["a.example"], ports=types.SimpleNamespace(mqtt=8883))
    opened = BackEnds(database, ca, settings)
    monkeypatch.setattr(command, "write_atomic", full)
    with pytest.raises(OSError, match="No space left"):
        opened.add("back-end", "river", "somebody", NOW, lambda made: command._write(tmp_path / "out", made))
    assert not (tmp_path / "out").exists()
    with database.read() as session:
        assert consumers.everyone(session) == []
