"""Of the link: how long a line may be silent, and one who opens it beside one who shows another certificate."""

import socket
import threading
from html import unescape

from agent.adapters.linux import certificates, troubles
from agent.adapters.linux.link import MAX_DELAY_S, MAX_NEAR_DELAY_S, PahoLink
from firmware_sim.camera.web import pages
from firmware_sim.camera.web.link_text import LINK_TEXTS

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


class Waiting:
    """What the link tells paho."""

    def __init__(self):
        self.delays = []

    def reconnect_delay_set(self, low, high):
        assert low == high
        self.delays.append(low)


def test_trouble_in_the_cameras_own_network_is_tried_again_soon_and_a_broker_that_is_down_is_spared(tmp_path):
    longest = {}
    for code in ("name", "network", "portal", "unreachable", "closed", "refused"):
        link, client = PahoLink(tmp_path / "c", tmp_path / "k", lambda _: None), Waiting()
        for _ in range(200):
            link._delay(client, code)
        longest[code] = max(client.delays)
    for code in ("name", "network", "portal"):
        assert longest[code] <= MAX_NEAR_DELAY_S
    for code in ("unreachable", "closed", "refused"):
        assert MAX_NEAR_DELAY_S < longest[code] <= MAX_DELAY_S


def test_the_page_has_words_for_every_trouble_in_both_languages():
    codes = {value for name, value in vars(troubles).items() if name.isupper() and isinstance(value, str)}
    assert codes | {"silent", "up"} == {name.removeprefix("link_") for name in LINK_TEXTS}
    for number, language in enumerate(("en", "ja")):
        page = unescape(pages.home_page(language, "u", "viewer"))
        for name, texts in LINK_TEXTS.items():
            assert f'"{name}"' in page
            assert texts[0] != texts[1]
            assert texts[number][:10] in page
