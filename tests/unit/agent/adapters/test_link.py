"""Of the link: how long a line may be silent, and one who opens it beside one who shows another certificate."""

import socket
import threading

from agent.adapters.linux import certificates
from agent.adapters.linux.link import PahoLink

ROUNDS = 4


def test_who_opens_it_and_who_shows_another_certificate_leave_one_connection(tmp_path):
    """Two would share one client id, and the broker would end each for the other, for ever."""
    key, certificate = certificates.self_signed("S1")
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "certificate.pem").write_text(certificate)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # where nobody listens any more
    link, before = (
        PahoLink(tmp_path / "certificate.pem", tmp_path / "key.pem", lambda _: None),
        set(threading.enumerate()),
    )
    link.open("127.0.0.1", port, certificate, "d" * 26, ())
    for _ in range(ROUNDS):
        both = threading.Barrier(2)

        def show(both=both):
            both.wait()
            link.show("identity/certificate.pem")

        other = threading.Thread(target=show)
        other.start()
        both.wait()
        link.open("127.0.0.1", port, certificate, "d" * 26, ())
        other.join()
    assert len(set(threading.enumerate()) - before) == 1
    link.close()
    assert set(threading.enumerate()) == before


def test_another_certificate_changes_nothing_about_how_long_the_line_may_be_silent(tmp_path):
    key, certificate = certificates.self_signed("S1")
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "certificate.pem").write_text(certificate)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # where nobody listens any more
    link = PahoLink(tmp_path / "certificate.pem", tmp_path / "key.pem", lambda _: None)
    link.open("127.0.0.1", port, certificate, "d" * 26, (), 1200)
    link.show("identity/certificate.pem")
    assert link._client._keepalive == 1200
    link.close()
