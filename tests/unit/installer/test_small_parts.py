"""Labels, passwords, addresses, languages: what the installer's tool reads and writes."""

import math
import re
import string
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import password, password_policy
from firmware_sim.world import factory
from update_server.errors import BadInput
from update_server.installer import codes, passwords
from update_server.installer.codes import Label, read_labels
from update_server.installer.looking import MAX_ADDRESSES, Place, places
from update_server.installer.texts import TEXTS, Say, language_of

SAY = Say("en")
CODE = "ABCD-EFGH-2345-WXYZ"
# As `camward-sim provision` writes it.
PRINTED = "型名 / Model: kawa-1\n製造番号 / Serial: {}\nMAC: 52:54:00:00:00:01\n登録コード / Claim code: {}\n"


def test_a_table_with_or_without_titles_and_fingerprints():
    expected = {"KW1-1": Label("KW1-1", CODE), "KW1-2": Label("KW1-2", "abcdefgh2345wxyz", "ab" * 32)}
    rows = f"KW1-1,{CODE}\n# the gate\n\nKW1-2, abcdefgh2345wxyz ,{'AB:' * 31}AB\n"
    for titles in ("", "serial,code\n", "Serial,Code,fingerprint\n", "\ufeffserial,code\n"):
        assert read_labels((titles + rows).encode(), "f", SAY) == expected


def test_texts_of_scanned_labels_one_after_the_other():
    text = PRINTED.format("KW1-1", CODE) + PRINTED.format("KW1-2", CODE.lower())
    assert read_labels(text.encode(), "f", SAY) == {
        "KW1-1": Label("KW1-1", CODE),
        "KW1-2": Label("KW1-2", CODE.lower()),
    }
    as_json = f'{{\n "serial": "KW1-1",\n "code": "{CODE}"\n}}\n'
    assert read_labels(as_json.encode(), "f", SAY) == {"KW1-1": Label("KW1-1", CODE)}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"# nothing\n", b"\xff\xfe", b"KW1-1\n", b"KW1-1,SHORT\n", b"../x," + CODE.encode(),
        b"KW1-1,%s,zz" % CODE.encode(),
        f"KW1-1,{CODE}\nKW1-1,{'A' * 16}\n".encode(), PRINTED.format("", CODE).encode(), f"Code: {CODE}\n".encode(),
        b'KW1-1,"' + b"x" * 200_000,
    ],
)  # fmt: skip
def test_what_holds_no_labels_is_refused_without_telling_a_code(body):
    with pytest.raises(BadInput) as refused:
        read_labels(body, "list.csv", SAY)
    assert "list.csv" in str(refused.value)
    assert CODE not in str(refused.value)


@settings(max_examples=200, derandomize=True)
@given(st.binary(max_size=300))
def test_whatever_is_in_the_file_there_is_one_error(body):
    try:
        found = read_labels(body, "f", SAY)
    except BadInput:
        return
    assert all(codes.is_code(label.code) for label in found.values())


def accepted(made: str, policy: password_policy.Policy) -> bool:
    words = ("camward", "kawa-1", "KW1-000001")
    return password.check(made, "admin", words, policy, factory.blocklist()) == ()


def test_a_password_has_more_than_eighty_bits_and_nothing_that_looks_alike():
    made = [passwords.new_password(groups) for groups in passwords.GROUPS for _ in range(50)]
    assert len(set(made)) == len(made)
    assert passwords.GROUPS[0] * passwords.GROUP_CHARACTERS * math.log2(len(passwords.ALPHABET)) >= 80
    for one in made:
        assert not set(one.lower()) & set("ilo01")
        kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-")
        assert all(set(one) & set(kind) for kind in kinds)


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"profile": "ipro-compatible"},
        {"profile": "custom", "min_chars": 8, "max_chars": 64, "classes": 4},
        *({"profile": "custom", "min_chars": least, "max_chars": max(64, least + 8)} for least in range(15, 65)),
    ],
    ids=str,
)
def test_one_of_the_lengths_meets_every_policy(policy):
    parsed = password_policy.parse_policy(policy)
    assert any(accepted(passwords.new_password(groups), parsed) for groups in passwords.GROUPS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.7", [Place("192.0.2.7", 443)]),
        ("192.0.2.7:8443", [Place("192.0.2.7", 8443)]),
        ("gate.local", [Place("gate.local", 443)]),
        ("fd00::7", [Place("fd00::7", 443)]),
        ("[fd00::7]:8443", [Place("fd00::7", 8443)]),
        ("192.0.2.0/30", [Place("192.0.2.1", 443), Place("192.0.2.2", 443)]),
        ("192.0.2.9/32", [Place("192.0.2.9", 443)]),
    ],
)
def test_addresses(text, found):
    assert places([text, text], SAY) == found


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/8", "192.0.2.7:99999", "a/b", "me@192.0.2.7", "192.0.2.7?x", "fd00::/64"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(BadInput):
        places([text], SAY)


def test_addresses_are_bounded_together():
    with pytest.raises(BadInput):
        places([f"10.0.{n}.0/24" for n in range(MAX_ADDRESSES // 254 + 1)], SAY)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"), ({"LANG": "ja_JP.UTF-8"}, "ja"), ({"LANG": "ja"}, "ja"), ({"LANG": "C.UTF-8"}, "en"),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "ja_JP.UTF-8"}, "en"), ({"LC_ALL": "", "LC_MESSAGES": "ja_JP"}, "ja"),
    ],
)  # fmt: skip
def test_the_language_is_the_terminals(environment, language):
    assert language_of(environment) == language


def test_every_text_is_there_in_both_languages_and_wants_the_same_values():
    for key, (english, japanese) in TEXTS.items():
        assert english, key
        assert sorted(re.findall(r"{(\w+)}", english)) == sorted(re.findall(r"{(\w+)}", japanese)), key
        assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", japanese), key


def test_a_laptop_needs_nothing_of_the_server():
    """With what `camward[installer]` brings, and nothing else."""
    foreign = ["alembic", "fastapi", "jinja2", "paho", "pydantic_settings", "securesystemslib", "sqlalchemy", "tuf"]
    foreign += ["uvicorn", "httpx", "psutil"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({foreign!r})); import update_server.installer.main as tool\n"
        "loaded = [name for name in sys.modules if name.startswith(('update_server.services', 'firmware_sim'))]\n"
        "sys.exit(bool(loaded) or tool.main(['--version']))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
