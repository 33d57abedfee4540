"""Of the link: how long a line may be silent, and one who opens it beside one who shows another certificate."""

import socket
import threading
import time
import types
from html import unescape

import pytest

from agent.adapters.linux import certificates, troubles
from agent.adapters.linux.link import (
    FIRST_DELAY_S,
    MAX_DELAY_S,
    MAX_NEAR_DELAY_S,
    MIN_DELAY_S,
    SETTLED_DELAY_S,
    SETTLED_S,
    PahoLink,
    delay_s,
)
from firmware_sim.camera.web import pages
from firmware_sim.camera.web.link_text import LINK_TEXTS

ROUNDS = 4


def test_who_opens_it_and_who_shows_another_certificate_leave_one_connection(tmp_path):
    """Two would share one client id, and the broker would end each for the other, for ever."""
    key, certificate = certificates.self_signed("S1")
    (tmp_path / "tls.key.pem").write_text(key)
    (tmp_path / "certificate.pem").write_text(certificate)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # where nobody listens any more
    link, before = (
        PahoLink(tmp_path / "certificate.pem", tmp_path / "tls.key.pem", lambda _: None),
        set(threading.enumerate()),
    )
    link.open("127.0.0.1", port, certificate, "d" * 26, ())
    for _ in range(ROUNDS):
        both = threading.Barrier(2)

        def show(both=both):
            both.wait()
            link.show("identity/certificate.pem", "tls")

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
    (tmp_path / "tls.key.pem").write_text(key)
    (tmp_path / "certificate.pem").write_text(certificate)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # where nobody listens any more
    link = PahoLink(tmp_path / "certificate.pem", tmp_path / "tls.key.pem", lambda _: None)
    link.open("127.0.0.1", port, certificate, "d" * 26, (), 1200)
    link.show("identity/certificate.pem", "tls")
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


@pytest.mark.parametrize(("stood_s", "first_s"), [(SETTLED_S - 5, FIRST_DELAY_S), (SETTLED_S + 5, SETTLED_DELAY_S)])
def test_after_a_session_that_stood_for_long_the_waits_begin_wide(tmp_path, stood_s, first_s):
    """A broker that was started again is not to have its whole fleet at its door at once."""
    key, certificate = certificates.self_signed("S1")
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "certificate.pem").write_text(certificate)
    link = PahoLink(tmp_path / "certificate.pem", tmp_path / "key.pem", lambda _: None)
    waits = []
    link._client = types.SimpleNamespace(reconnect_delay_set=lambda least, most: waits.append((least, most)))
    link._random = types.SimpleNamespace(random=lambda: 0.5)
    link._connected, link._since = True, time.monotonic() - stood_s
    link._on_disconnect(link._client, None, None, "gone", None)
    for _ in range(2):
        link._on_connect_fail(link._client, None)
    assert waits == [(0.5 * first_s * 2**n, 0.5 * first_s * 2**n) for n in range(3)]


def test_no_wait_is_none_and_none_is_for_ever():
    assert delay_s(1, 0.0, 0.0) == MIN_DELAY_S
    assert delay_s(40, SETTLED_S, 0.999) == pytest.approx(0.999 * MAX_DELAY_S)
