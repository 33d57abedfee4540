import re
from pathlib import Path

import pytest

from firmware_sim.camera.messages import Head
from firmware_sim.camera.web import pages
from firmware_sim.camera.web.origin import host_allowed, same_origin
from firmware_sim.camera.web.text import TEXTS, Language, choose_language

STATIC = Path(pages.__file__).parent.parent / "static"
EVIL = "<script>alert(1)</script>\"'"


def all_pages(language: Language) -> list[str]:
    return [
        pages.claim_page(language, EVIL, EVIL),
        pages.sign_in_page(language),
        pages.notice_page(language, "locked"),
        pages.notice_page(language, "unavailable"),
        pages.quarantine_page(language, EVIL),
        pages.quarantine_page(language, ""),
        pages.home_page(language, EVIL, "administrator"),
        pages.home_page(language, EVIL, "viewer"),
    ]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_pages_hold_no_inline_script_or_style_and_escape_what_they_show(language: Language) -> None:
    for page in all_pages(language):
        assert re.findall(r"<script[^>]*>", page) == [
            f'<script src="/static/{name}.js" defer>'
            for name in ("app", "updates", "offers", "due", "accounts", "ssh", "plain_rtsp", "ws_tokens")
        ]
        assert not re.search(r"\son[a-z]+=|style=|javascript:", page)
        assert "alert(1)</script>" not in page
        assert f'<html lang="{language}">' in page


def test_every_text_has_both_languages_and_the_same_places_to_fill() -> None:
    for key, (english, japanese) in TEXTS.items():
        assert english, key
        assert japanese, key
        assert re.findall(r"{\w+}", english) == re.findall(r"{\w+}", japanese), key


def test_the_script_uses_only_texts_that_the_page_brings_and_elements_that_some_page_has() -> None:
    script = "".join(
        (STATIC / f"{name}.js").read_text("utf-8")
        for name in ("app", "updates", "accounts", "ssh", "plain_rtsp", "ws_tokens")
    )
    brought = set(pages._SCRIPT_TEXTS)

    assert set(re.findall(r"texts\.(\w+)", script)) <= brought
    everything = "".join(all_pages("en"))
    for identifier in set(re.findall(r'find\("([\w-]+)"\)', script)):
        assert f'id="{identifier}"' in everything
    assert "innerHTML" not in script


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "en"),
        ("en;q=0.1, ja;q=0.2", "ja"),
        ("fr, de;q=0.9", "en"),
        ("ja;q=0", "en"),
        ("ja;q=nonsense", "en"),
        (",;=,;q=", "en"),
    ],
)
def test_the_language_follows_the_browser(header: str, language: str) -> None:
    assert choose_language(header) == language


def head(**headers: str) -> Head:
    return Head("POST", "/", "HTTP/1.1", {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    "host", ["192.168.0.10", "192.168.0.10:8443", "[fe80::1]:443", "localhost:1", "camera.local", "mine.example"]
)
def test_the_camera_answers_to_addresses_and_names_that_are_its_own(host: str) -> None:
    assert host_allowed(head(host=host), ("mine.example",))


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:443", "a b", "local", "1.2.3.4.evil.example", "[::1", "a@b"]
)
def test_a_name_that_somebody_else_pointed_here_is_refused(host: str) -> None:
    assert not host_allowed(head(host=host), ("mine.example",))


def test_only_the_same_origin_or_no_browser_at_all_may_post() -> None:
    assert same_origin(head(host="10.0.0.1"))
    assert same_origin(head(host="10.0.0.1:8443", origin="https://10.0.0.1:8443", sec_fetch_site="same-origin"))
    for bad in (
        head(host="10.0.0.1", origin="http://10.0.0.1"),
        head(host="10.0.0.1", origin="https://10.0.0.2"),
        head(host="10.0.0.1", origin="null"),
        head(host="10.0.0.1", origin=""),
        head(host="10.0.0.1", sec_fetch_site="cross-site"),
        head(host="10.0.0.1", sec_fetch_site="same-site"),
    ):
        assert not same_origin(bad)
