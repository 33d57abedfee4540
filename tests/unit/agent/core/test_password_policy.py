"""The policy's profiles, and the floors under everything a configuration may choose."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import password, password_policy
from agent.core.blocklist import WordList
from agent.core.password_policy import DEFAULT, for_role, parse_policy
from agent.formats.errors import FormatError

CUSTOM = {"profile": "custom"}
SHORT = {"profile": "custom", "min_chars": 8, "classes": 3}


def test_the_default_is_nist() -> None:
    assert parse_policy({}) == parse_policy({"profile": "nist"}) == DEFAULT
    assert (DEFAULT.min_chars, DEFAULT.max_chars, DEFAULT.classes, DEFAULT.remind_days) == (15, 128, 0, 0)


def test_the_profile_for_fleets_of_i_pro_cameras() -> None:
    policy = parse_policy({"profile": "ipro-compatible"})
    assert (policy.min_chars, policy.max_chars, policy.classes) == (8, 32, 3)
    assert policy.rules == password_policy.OPTIONAL_RULES


def test_a_custom_profile_is_nist_until_it_says_otherwise() -> None:
    assert parse_policy(CUSTOM).replace(profile="nist") == DEFAULT
    chosen = parse_policy({**CUSTOM, "min_chars": 12, "max_chars": 40, "classes": 4, "rules": ["repeats"]})
    assert (chosen.min_chars, chosen.max_chars, chosen.classes, chosen.rules) == (12, 40, 4, ("repeats",))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"profile": "weak"}, "profile"),
        ({"colour": 1}, "colour"),
        ({"min_chars": 14}, "15..64"),
        ({"min_chars": 65}, "15..64"),
        ({"max_chars": 63}, "64..128"),
        ({"max_chars": 129}, "64..128"),
        ({"min_chars": 60, "max_chars": 64}, "8 below max_chars"),
        ({"classes": 0}, "has no member classes"),
        ({"rules": []}, "has no member rules"),
        ({"blocklist": False}, "has no member blocklist"),
        ({"profile": "ipro-compatible", "min_chars": 7}, "8..64"),
        ({"profile": "ipro-compatible", "min_chars": 30}, "8 below max_chars 32"),
        ({"profile": "ipro-compatible", "max_chars": 64}, "has no member max_chars"),
        ({"profile": "ipro-compatible", "classes": 2}, "has no member classes"),
        ({**SHORT, "min_chars": 7}, "8..64"),
        ({**SHORT, "classes": 2}, "classes of at least 3"),
        ({"profile": "custom", "min_chars": 14}, "classes of at least 3"),
        ({**SHORT, "classes": 5}, "0..4"),
        ({**SHORT, "max_chars": 31}, "32..128"),
        ({**CUSTOM, "rules": ["common"]}, "hold in any case, not common"),
        ({**CUSTOM, "rules": ["context"]}, "hold in any case, not context"),
        ({**CUSTOM, "rules": ["repeats"] * 3}, "rules has more than 2"),
        ({**CUSTOM, "common": "none"}, "100k, 10k"),
        ({**CUSTOM, "common": 0}, "common"),
        ({**CUSTOM, "blocklist": []}, "has no member blocklist"),
        ({**CUSTOM, "words": ["K-1"]}, "K-1 has fewer than 4"),
        ({**CUSTOM, "words": ["--------"]}, "fewer than 4"),
        ({"remind_days": 29}, "neither 0 nor at least 30"),
        ({"remind_days": True}, "remind_days"),
        ({"remind_days": 4000}, "0..3650"),
        ({"role_min_chars": {"owner": 20}}, "owner"),
        ({"role_min_chars": {"viewer": 14}}, "15..64"),
        ({**SHORT, "max_chars": 32, "role_min_chars": {"viewer": 25}}, "8..24"),
    ],
    ids=repr,
)
def test_no_configuration_gets_below_the_floors_and_hears_why(source: dict[str, Any], told: str) -> None:
    with pytest.raises(FormatError) as refused:
        parse_policy(source)
    assert told in str(refused.value)


def test_a_role_may_have_to_have_longer_passwords() -> None:
    policy = parse_policy({"role_min_chars": {"administrator": 20}})
    assert for_role(policy, "administrator").min_chars == 20
    assert for_role(policy, "viewer").min_chars == for_role(policy, "").min_chars == 15


def test_a_reminder_is_only_a_number() -> None:
    assert parse_policy({"remind_days": 365}).remind_days == 365
    assert parse_policy({"remind_days": 0}) == DEFAULT


sources = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(("nist", "ipro-compatible", "custom")),
        "min_chars": st.integers(0, 200),
        "max_chars": st.integers(0, 200),
        "classes": st.integers(-1, 6),
        "rules": st.lists(st.sampled_from(("repeats", "pattern", "common", "context")), max_size=3),
        "role_min_chars": st.dictionaries(st.sampled_from(("administrator", "viewer", "x")), st.integers(0, 90)),
        "common": st.sampled_from(("10k", "100k", "")),
        "remind_days": st.integers(-1, 5000),
        "words": st.lists(st.text(max_size=8), max_size=3),
    },
)


@settings(max_examples=500)
@given(sources)
def test_whatever_is_configured_keeps_the_floors(source: dict[str, Any]) -> None:
    try:
        policy = parse_policy(source)
    except FormatError:
        return
    assert 8 <= policy.min_chars <= policy.max_chars - 8
    assert 32 <= policy.max_chars <= 128
    assert policy.min_chars >= 15 or policy.classes >= 3
    assert policy.common in password_policy.COMMON_WORDS
    for role in ("administrator", "operator", "viewer", ""):
        least = for_role(policy, role).min_chars
        assert policy.min_chars <= least <= policy.max_chars - 8
    listed = WordList(["7ujmko0admin"])
    for user, context in itertools.product(("kawasemi99", "x"), (("kawasemi99",), ())):
        found = {one.code for one in password.check("Kawasemi99-7ujMko0admin-Xq", user, context, policy, listed)}
        assert ("context" in found) == ("kawasemi99" in (user, *context))
    assert "common" in {one.code for one in password.check("7ujMko0admin!", "x", (), policy, listed)}


def test_the_fingerprint_tells_policies_apart_and_nothing_else() -> None:
    same = [{}, {"profile": "nist"}, {"min_chars": 15, "remind_days": 0}]
    assert len({password_policy.fingerprint(parse_policy(source)) for source in same}) == 1
    others = [{"min_chars": 16}, {"words": ["Mizube"]}, {"role_min_chars": {"viewer": 20}}, {"remind_days": 30}, CUSTOM]
    assert len({password_policy.fingerprint(parse_policy(source)) for source in [*same, *others]}) == 1 + len(others)
