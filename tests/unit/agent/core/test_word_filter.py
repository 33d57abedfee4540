"""The filter of common passwords: every word of its list, few others, and nothing that was damaged."""

import hashlib
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import word_filter
from agent.formats.errors import FormatError
from tests.tools.common_passwords import make

SOURCE = hashlib.sha256(b"a list").digest()
SMALL = make(["herons", "egrets", "storks"], 6, 2, SOURCE)


def digest(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), unique=True, max_size=400),
    st.sampled_from((2, 3)),
)
def test_every_word_is_found_whatever_the_list(words: list[str], size: int) -> None:
    made = word_filter.parse(make(words, 1, size, SOURCE))
    assert made.count == len(words)
    assert all(made.holds(digest(word)) for word in words)


def test_the_file_says_what_it_was_made_of() -> None:
    made = word_filter.parse(SMALL)
    assert (made.count, made.min_chars, made.source_sha256()) == (3, 6, SOURCE)


def test_the_same_words_give_the_same_bytes() -> None:
    words = [f"word{number}" for number in range(3000)]
    assert make(words, 5, 3, SOURCE) == make(list(words), 5, 3, SOURCE)


def test_others_are_taken_for_a_word_as_rarely_as_sixteen_bits_promise() -> None:
    """A million strangers: 15 expected, 40 would be six standard deviations away."""
    made = word_filter.parse(make([f"word{number}" for number in range(5000)], 5, 2, SOURCE))
    some = random.Random(20261128)
    assert sum(made.holds(some.randbytes(32)) for _ in range(1_000_000)) < 40


def test_any_damage_is_seen() -> None:
    for at, change in itertools.product(range(len(SMALL)), (1, 0x80)):
        spoilt = bytearray(SMALL)
        spoilt[at] ^= change
        with pytest.raises(FormatError):
            word_filter.parse(bytes(spoilt))
    for size in range(len(SMALL)):
        with pytest.raises(FormatError):
            word_filter.parse(SMALL[:size])


@pytest.mark.parametrize(
    ("at", "put"),
    [
        (0, b"CWF2"),
        (8, b"\0"),
        (8, b"\xff"),
        (9, bytes((word_filter.WINDOWS,))),
        (10, b"\1"),
        (10, b"\3"),
        (11, b"\1"),
        (12, bytes(4)),
        (12, b"\0\0\0\5"),
        (12, b"\0\1\0\0"),
        (16, bytes(4)),
        (16, b"\0\1\0\0"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_though_its_hash_does(at: int, put: bytes) -> None:
    body = SMALL[:at] + put + SMALL[at + len(put) : -32]
    with pytest.raises(FormatError):
        word_filter.parse(body + hashlib.sha256(body).digest())


def test_a_file_beyond_the_memory_it_may_cost_is_not_even_hashed() -> None:
    with pytest.raises(FormatError, match="no word filter"):
        word_filter.parse(SMALL + bytes(word_filter.MAX_FILTER_BYTES))
