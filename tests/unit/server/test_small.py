"""Small parts: settings, passwords, sockets, atomic files, texts for people."""

import itertools
import json
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.formats import delivery as formats
from update_server import settings
from update_server.access import passwords
from update_server.commands import shared
from update_server.errors import BadInput, Conflict, Misconfigured
from update_server.files import write_atomic
from update_server.pki import authority
from update_server.repository import delivery
from update_server.repository.blobs import Blobs, sha256_of
from update_server.serving.listener import bind, tls_context
from update_server.web import shapes
from update_server.web.texts import Texts, preferred

GOOD_MIRRORS = ["https://cache.example", "https://cache.example:8443", "https://192.0.2.1", "https://[2001:db8::1]:443"]
BAD_MIRRORS = [
    "http://cache.example", "https://", "cache.example", "https://cache.example/targets", "https://u:p@cache.example",
    "https://cache.example?x=1", "https://cache.example:99999", "https://cache example", "https://" + "a" * 300,
    "https://[::1", "https://-x.example",
]  # fmt: skip


def test_mirrors_are_https_origins_as_the_camera_reads_them(tmp_path):
    made = settings.validated(operator="Op", hosts=["cam.example"], mirrors=[*GOOD_MIRRORS, "https://slash.example/"])
    assert made.mirrors == (*GOOD_MIRRORS, "https://slash.example")
    (tmp_path / "server.toml").write_text(settings.as_toml(made), encoding="utf-8")
    assert settings.load(tmp_path).mirrors == made.mirrors
    said = delivery.of(None, made.mirrors)
    assert [source.url for source in formats.parse(said).sources] == list(made.mirrors)


@pytest.mark.parametrize("url", BAD_MIRRORS)
def test_what_is_no_mirror_is_refused_by_name(url):
    with pytest.raises(Misconfigured, match="mirrors"):
        settings.validated(operator="Op", hosts=["cam.example"], mirrors=[url])


def test_a_camera_is_told_of_eight_mirrors_at_most():
    many = [f"https://cache-{number}.example" for number in range(9)]
    assert len(settings.validated(operator="Op", hosts=["cam.example"], mirrors=many[:8]).mirrors) == 8
    with pytest.raises(Misconfigured, match="mirrors"):
        settings.validated(operator="Op", hosts=["cam.example"], mirrors=many)


@given(st.text(min_size=1, max_size=40).filter(lambda text: "\x00" not in text))
def test_settings_survive_the_file(tmp_path_factory, operator):
    folder = tmp_path_factory.mktemp("settings")
    made = settings.validated(operator=operator, hosts=["cam.example", "::1"])
    (folder / "server.toml").write_text(settings.as_toml(made), encoding="utf-8")
    read = settings.load(folder)
    assert read.model_dump(exclude={"folder"}) == made.model_dump(exclude={"folder"})


def test_addresses_are_made_for_urls():
    made = settings.validated(operator="Op", hosts=["2001:db8::1"])
    assert made.device_url == "https://[2001:db8::1]:8443"


@pytest.mark.parametrize("host", ["", "a b", "-a", "a..b", "https://a", "a" * 300, "a/b", "a:8443"])
def test_what_is_no_host_is_refused(host):
    with pytest.raises(Misconfigured):
        settings.validated(operator="Op", hosts=[host])


def test_a_password_is_kept_as_argon2id_and_only_itself_matches():
    stored = passwords.hash_password("correct horse battery")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.matches("correct horse battery", stored)
    assert not passwords.matches("correct horse batterY", stored)
    assert not passwords.matches("x" * 10_000, stored)
    assert passwords.hash_password("correct horse battery") != stored


def test_random_passwords_differ_and_are_long():
    made = {passwords.random_password() for _ in range(50)}
    assert len(made) == 50
    assert {len(password) for password in made} == {23}


def test_listeners_answer_without_waiting_for_the_peers_acknowledgement():
    listener = bind("127.0.0.1", 0)
    assert listener.proto == socket.IPPROTO_TCP  # what asyncio looks at before it sets TCP_NODELAY
    with pytest.raises(Conflict):
        bind("127.0.0.1", listener.getsockname()[1])
    listener.close()
    with pytest.raises(Misconfigured):
        bind("192.0.2.1", 0)


def test_tls_has_its_floor_and_modern_ciphers_only(tmp_path):
    with pytest.raises(Misconfigured):
        tls_context(tmp_path, client_certificates=True)
    authority.make(tmp_path, "Op", authority.utc(1_800_000_000)).write_server(("a",), authority.utc(1_800_000_000))
    context = tls_context(tmp_path, client_certificates=True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_OPTIONAL
    for cipher in context.get_ciphers():
        assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE-ECDSA-")
        assert cipher["aead"]


def test_a_file_is_replaced_whole_with_its_mode(tmp_path):
    path = tmp_path / "secret"
    write_atomic(path, b"old", 0o600)
    with pytest.raises(TypeError):
        write_atomic(path, "no bytes", 0o600)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**6)), max_size=6))
def test_bars_fill_exactly_their_length(parts):
    made = shapes.bar(parts)
    assert sum(segment.count for segment in made) == sum(count for _, count in parts)
    for before, after in itertools.pairwise(made):
        assert abs(before.start + before.width - after.start) < 0.01
    if made:
        assert abs(made[-1].start + made[-1].width - 100) < 0.01


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (150 * 1024, "150 KiB"),
        (31_400_000, "29.9 MiB"),
        (2**50, "1024 TiB"),
    ],
)
def test_sizes(value, text):
    assert shapes.size(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (65, "1 min 5 s"), (3700, "1 h 1 min"), (90_000, "1 d 1 h")])
def test_durations(seconds, text):
    assert shapes.duration(seconds) == text


def test_times_are_told_relative_to_now():
    t = Texts("ja")
    assert shapes.ago(None, 100, t) == "なし"
    assert [shapes.ago(10**6 - age, 10**6, t) for age in (-5, 59, 60, 7200, 200_000)] == [
        "0 秒前", "59 秒前", "1 分前", "2 時間前", "2 日前"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        ("ja", "en", "ja"),
        (None, "ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        (None, "fr,de", "en"),
        ("xx", "", "en"),
        (None, "fr, ja", "ja"),
    ],
)
def test_the_language_is_the_chosen_or_the_browsers(cookie, header, language):
    assert preferred(cookie, header) == language


HOSTILE = "\x1b]0;owned\x07\x9b31m[/bold][link=http://x]\u202egnp\r\n"


def test_what_a_camera_says_neither_steers_the_terminal_nor_is_taken_for_markup(capsys):
    shared.print_table("Cameras", ("serial", "attention"), [("川 1\u3000号", HOSTILE), (None, 7)])
    out = capsys.readouterr().out
    assert "[/bold][link=http://x]" in out
    assert "川 1\u3000号" in out
    assert not set(out) & set("\x1b\x07\x9b\u202e\r")


def test_json_for_programs_keeps_every_character_and_steers_no_terminal(capsys):
    shared.print_json({"a": HOSTILE, "b": "川\u3000\U000e0001"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": HOSTILE, "b": "川\u3000\U000e0001"}
    assert all(character.isprintable() or character in "\n\u3000" for character in out)


def test_a_target_that_changes_while_it_is_read_is_not_kept(tmp_path):
    (tmp_path / "blobs").mkdir()
    source, blobs = tmp_path / "k.slot", Blobs(tmp_path / "blobs")
    source.write_bytes(b"measured")
    digest = sha256_of(source)
    source.write_bytes(b"changed.")
    with pytest.raises(BadInput):
        blobs.put(source, "k.slot", digest)
    assert list((tmp_path / "blobs").iterdir()) == []
    source.write_bytes(b"measured")
    (tmp_path / "blobs" / f"{digest}.k.slot").write_bytes(b"rotten..")
    blobs.put(source, "k.slot", digest)
    assert blobs.path(f"{digest}.k.slot").read_bytes() == b"measured"
