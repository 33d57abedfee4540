"""The passwords that the audit tries: all that attackers are known to try, as they spell them, each once."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent.core
from agent.core import blocklist, deny_list
from agent.core.deny_list import DenyList
from agent.formats.errors import FormatError

CORE = Path(agent.core.__file__).parent
ATTACKS = Path(__file__).resolve().parents[4] / "firmware_sim" / "attacks"


def read(name: str) -> bytes:
    return (CORE / name).read_bytes()


def test_it_has_what_botnets_and_makers_are_known_for_letter_by_letter():
    mirai = json.loads((ATTACKS / "mirai_credentials.json").read_text())["pairs"]
    vendors = json.loads((ATTACKS / "vendor_defaults.json").read_text())
    tried = {word for _, word in mirai} | {row[2] for row in vendors["pairs"]} | set(vendors["botnet_passwords"])
    assert set(deny_list.parse_denied(read(deny_list.DENIED))) == tried - {""}


def test_every_mirai_pair_and_our_own_words_are_candidates_for_the_account():
    made = deny_list.read_list(read)
    every = set(made.some("root", 0, made.count()))
    assert {word for user, word in json.loads((ATTACKS / "mirai_credentials.json").read_text())["pairs"]} <= every
    assert set(blocklist.parse_words(read(blocklist.WORDS))) <= every
    assert made.some("root", 0, 3) == ("", "root", "root1")


@given(st.integers(0, 40), st.integers(1, 40))
def test_pieces_of_whatever_size_give_the_same_whole(first, count):
    made = DenyList([f"word-{number}" for number in range(20)], ("KW1-000001",))
    whole = made.some("anna", 0, 1000)
    assert len(whole) == made.count()
    assert made.some("anna", first, count) == whole[first : first + count]


def test_another_list_has_another_fingerprint():
    assert DenyList(["a"]).fingerprint == DenyList(["a", "a"]).fingerprint != DenyList(["a"], ("b",)).fingerprint


@pytest.mark.parametrize(
    "body", [b"{}", b'{"v":1,"passwords":[]}', b'{"v":1,"passwords":[""]}', b'{"v":2,"passwords":["a"]}']
)
def test_a_damaged_list_is_none(body):
    with pytest.raises(FormatError):
        deny_list.parse_denied(body)
