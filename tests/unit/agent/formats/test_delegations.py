"""Who is responsible for a path: pattern matching against the standard library's, the rest against python-tuf's."""

import contextlib
import fnmatch
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole, SuccinctRoles

from agent.formats import canonical_json, delegations, tuf
from agent.formats.errors import FormatError

KEY = {"keytype": "novel", "scheme": "novel", "keyval": {}}


def responsible(delegated: Any, path: str = "a") -> list[delegations.Delegation]:
    signed = {"delegations": delegated}
    targets = tuf.Metadata("targets", 1, 1, (), canonical_json.encode(signed), signed)
    return delegations.responsible(targets, path, tuf.read_p256_key)[1]


def names(delegated: Any, path: str = "a") -> list[str]:
    return [delegation.name for delegation in responsible(delegated, path)]


def role(name: str = "x", *without: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "keyids": ["k"], "threshold": 1, "terminating": False, "paths": ["*"]} | more
    return {member: value for member, value in found.items() if member not in without}


def roles(*listed: Any) -> dict[str, Any]:
    return {"keys": {}, "roles": list(listed)}


GLOB = st.text("ab-]![*?^\\.", max_size=8)


@settings(max_examples=600)
@given(st.text("ab-]![*^\\.", max_size=6), GLOB)
def test_components_match_as_in_the_standard_library(text: str, pattern: str) -> None:
    assert delegations.matches(text, pattern) == fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("b", "[a-c]"),
        ("-", "[a-c]"),
        ("a", "[!a-c]"),
        ("b", "[c-a]"),
        ("-", "[a-]"),
        ("-", "[-a]"),
        ("]", "[]a]"),
        ("]", "[!]a]"),
        ("x", "[!]a]"),
        ("!", "[!]"),
        ("[!]", "[!]"),
        ("[a", "[a"),
        ("!", "[a!]"),
        ("^", "[^a]"),
        ("b", "[^a]"),
        ("d", "[a-cd-f]"),
        ("", "**"),
        ("ab", "*b*"),
        ("ab", "a*c"),
        ("ab", "a"),
        ("a", "ab"),
        (".a", "*"),
        ("a\nb", "a?b"),
        ("\\", "\\"),
        ("*", "\\*"),
    ],
)
def test_sets_and_stars(text: str, pattern: str) -> None:
    assert delegations.matches(text, pattern) == fnmatch.fnmatchcase(text, pattern)


@settings(max_examples=300)
@given(st.text("ab/.", max_size=8), st.text("ab/*?", max_size=8))
def test_paths_match_as_in_python_tuf(path: str, pattern: str) -> None:
    theirs = DelegatedRole("x", [], 1, False, paths=[pattern]).is_delegated_path(path)
    assert delegations.matches(path, pattern) == theirs


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("targets/foo.tgz", "*.tgz"),
        ("targets/foo.tgz", "*"),
        ("targets/foo.tgz", "targets?foo.tgz"),
        ("targets/foo.tgz", "targets[/]foo.tgz"),
        ("targets/foo.tgz", "targets[!a]foo.tgz"),
        ("/foo.tgz", "*.tgz"),
        ("foo.tgz/", "*"),
        ("FOO.tgz", "foo.tgz"),
        ("foo-version-alpha.tgz", "foo-version-?.tgz"),
        ("", "?"),
    ],
)
def test_wildcards_never_reach_across(path: str, pattern: str) -> None:
    assert not delegations.matches(path, pattern)


def test_a_hostile_pattern_takes_no_exponential_time() -> None:
    assert not delegations.matches("a" * 1000, "*a" * 120 + "*b")


@settings(max_examples=300)
@given(st.text(max_size=12), st.lists(st.text("0123456789abcdefA", max_size=3), max_size=3))
def test_prefixes_are_judged_as_in_python_tuf(path: str, prefixes: list[str]) -> None:
    theirs = DelegatedRole("x", [], 1, False, path_hash_prefixes=prefixes).is_delegated_path(path)
    ours = names(roles(role("x", "paths", path_hash_prefixes=prefixes)), path)
    assert ours == (["x"] if theirs else [])


@settings(max_examples=300)
@given(st.text(max_size=12), st.integers(1, 32))
def test_bins_are_those_of_python_tuf(path: str, bits: int) -> None:
    succinct = {"bit_length": bits, "name_prefix": "bin", "keyids": ["k"], "threshold": 2}
    found = responsible({"keys": {}, "succinct_roles": succinct}, path)
    theirs = SuccinctRoles(["k"], 2, bits, "bin").get_role_for_target(path)
    assert found == [delegations.Delegation(theirs, tuf.RoleKeys(("k",), 2), True)]


def test_order_and_termination() -> None:
    listed = roles(
        role("first"),
        role("other", paths=["b"], terminating=True),
        role("second", terminating=True),
        role("third"),
    )
    assert names(listed) == ["first", "second"]
    assert names(listed, "b") == ["first", "other"]
    assert [one.terminating for one in responsible(listed)] == [False, True]


def test_keys_are_those_of_the_file() -> None:
    signed = {"delegations": {"keys": {"k": KEY}, "roles": []}}
    targets = tuf.Metadata("targets", 1, 1, (), b"", signed)
    assert delegations.responsible(targets, "a", tuf.read_p256_key) == ({"k": tuf.Key("k", "novel", "", b"")}, [])


def test_none_at_all() -> None:
    assert delegations.responsible(tuf.Metadata("targets", 1, 1, (), b"", {}), "a", tuf.read_p256_key) == ({}, [])


SUCCINCT = {"bit_length": 8, "name_prefix": "bin", "keyids": ["k"], "threshold": 1}


@pytest.mark.parametrize(
    "delegated",
    [
        None,
        [],
        {},
        {"keys": {}},
        {"roles": []},
        {"keys": [], "roles": []},
        {"keys": {"k": 1}, "roles": []},
        {"keys": {}, "roles": {}},
        {"keys": {}, "roles": [role()], "succinct_roles": SUCCINCT},
        {"keys": {}, "succinct_roles": []},
        {"keys": {}, "succinct_roles": SUCCINCT | {"bit_length": 0}},
        {"keys": {}, "succinct_roles": SUCCINCT | {"bit_length": 33}},
        {"keys": {}, "succinct_roles": SUCCINCT | {"bit_length": True}},
        {"keys": {}, "succinct_roles": SUCCINCT | {"name_prefix": 1}},
        {"keys": {}, "succinct_roles": SUCCINCT | {"name_prefix": "x" * 198}},
        {"keys": {}, "succinct_roles": SUCCINCT | {"threshold": 0}},
        {"keys": {}, "succinct_roles": SUCCINCT | {"keyids": ["k", "k"]}},
        roles("x"),
        roles(role("x"), role("x")),
        roles(role("x", paths=["b"]), role("x", paths=["c"])),
        roles(role("")),
        roles(role("root")),
        roles(role("timestamp")),
        roles(role("snapshot")),
        roles(role("targets")),
        roles(role("targets", paths=["b"])),
        roles(role("x" * 201)),
        roles(role("川" * 23)),
        roles(role("x", "name")),
        roles(role("x", "keyids")),
        roles(role("x", "threshold")),
        roles(role("x", "terminating")),
        roles(role("x", "paths")),
        roles(role(terminating=0)),
        roles(role(threshold=0)),
        roles(role(threshold=-1)),
        roles(role(threshold=33)),
        roles(role(keyids=["k", "k"])),
        roles(role(keyids=[1])),
        roles(role(paths="*")),
        roles(role(paths=[1])),
        roles(role(paths=["x" * 257])),
        roles(role(path_hash_prefixes=[])),
        roles(role("x", "paths", path_hash_prefixes=[1])),
        roles(role("x", "paths", path_hash_prefixes=["0" * 65])),
        roles(*[role(str(number)) for number in range(1025)]),
        {"keys": {str(number): KEY for number in range(65)}, "roles": []},
    ],
)
def test_malformed(delegated: Any) -> None:
    with pytest.raises(FormatError):
        responsible(delegated)


ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70) | st.text(max_size=3) | st.sampled_from(["*", "x", "k", "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
MEMBER = st.sampled_from(
    ["keys", "roles", "succinct_roles", "roles/name", "roles/keyids", "roles/threshold", "roles/terminating"]
    + ["roles/paths", "roles/path_hash_prefixes", "succinct_roles/bit_length", "succinct_roles/name_prefix"]
)


@settings(max_examples=300)
@given(st.booleans(), MEMBER, ANY)
def test_odd_values_only_format_errors(succinct: bool, member: str, odd: Any) -> None:
    delegated: dict[str, Any] = {"keys": {}, "succinct_roles": dict(SUCCINCT)} if succinct else roles(role())
    head, _, tail = member.partition("/")
    if not tail:
        delegated[head] = odd
    elif head == "roles":
        delegated["roles"] = [role(**{tail: odd})]
    else:
        delegated["succinct_roles"] = SUCCINCT | {tail: odd}
    with contextlib.suppress(FormatError):
        responsible(delegated)
