"""The release manifest: what is read, what is refused, and that the published schema agrees with the parser."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.formats import release, tuf
from agent.formats.errors import FormatError
from tests.repositories import make_release

ROOT = Path(__file__).resolve().parents[4]
SCHEMA = json.loads((ROOT / "docs" / "schema" / "release-manifest.schema.json").read_text(encoding="utf-8"))
MADE = make_release()
Manifest = dict[str, Any]
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether the value has the schema's shape (JSON Schema 2020-12, the keywords that ours uses and no others)."""
    return all(_KEYWORDS[word](schema, value) for word in schema)


def _pattern(schema: dict[str, Any], value: Any) -> bool:
    # ECMA's $ is the very end; Python's is also before a last line break.
    return not isinstance(value, str) or re.search(schema["pattern"].removesuffix("$") + r"\Z", value) is not None


def _items(schema: dict[str, Any], value: Any) -> bool:
    first = schema.get("prefixItems", [])
    rest = value[len(first) :] if isinstance(value, list) else []
    return all(fits(schema["items"], item) for item in rest)


def _additional(schema: dict[str, Any], value: Any) -> bool:
    known = schema.get("properties", {})
    return not isinstance(value, dict) or all(
        fits(schema["additionalProperties"], value[name]) for name in value if name not in known
    )


def _size(value: Any, kind: str) -> int | None:
    return len(value) if TYPES[kind](value) else None


def _between(word: str, kind: str, *, most: bool) -> Callable[[dict[str, Any], Any], bool]:
    def check(schema: dict[str, Any], value: Any) -> bool:
        size = value if kind == "integer" and TYPES[kind](value) else _size(value, kind) if kind != "integer" else None
        return size is None or (size <= schema[word] if most else size >= schema[word])

    return check


def _same(one: Any, two: Any) -> bool:
    return type(one) is type(two) and one == two


_KEYWORDS: dict[str, Callable[[dict[str, Any], Any], bool]] = {
    "$schema": lambda schema, value: True,
    "title": lambda schema, value: True,
    "description": lambda schema, value: True,
    "type": lambda schema, value: TYPES[schema["type"]](value),
    "const": lambda schema, value: _same(value, schema["const"]),
    "enum": lambda schema, value: any(_same(value, item) for item in schema["enum"]),
    "required": lambda schema, value: not isinstance(value, dict) or all(n in value for n in schema["required"]),
    "properties": lambda schema, value: (
        not isinstance(value, dict) or all(fits(s, value[n]) for n, s in schema["properties"].items() if n in value)
    ),
    "propertyNames": lambda schema, value: (
        not isinstance(value, dict) or all(fits(schema["propertyNames"], n) for n in value)
    ),
    "additionalProperties": _additional,
    "prefixItems": lambda schema, value: (
        not isinstance(value, list) or all(fits(s, v) for s, v in zip(schema["prefixItems"], value, strict=False))
    ),
    "items": _items,
    "pattern": _pattern,
    "minimum": _between("minimum", "integer", most=False),
    "maximum": _between("maximum", "integer", most=True),
    "maxLength": _between("maxLength", "string", most=True),
    "minItems": _between("minItems", "array", most=False),
    "maxItems": _between("maxItems", "array", most=True),
    "maxProperties": _between("maxProperties", "object", most=True),
}


def parses(manifest: Any) -> bool:
    """Whether the agent takes the manifest for the target that it belongs to."""
    try:
        release.parse(tuf.Target(MADE.target, MADE.length_bytes, MADE.sha256, {"camward": manifest}))
    except FormatError:
        return False
    return True


def manifest(**changes: Any) -> Manifest:
    made: Manifest = copy.deepcopy(release.custom(MADE)["camward"])
    made.update(changes)
    return made


SLOT = manifest()["components"][0]
BOOTLOADER = {"name": "bootloader", "fixed": True, "index": 3}
PTZ = {"name": "ptz", "fixed": True}


def parts(*rest: Any, **slot: Any) -> Manifest:
    """A manifest with these components behind the slot, and these members added to the slot."""
    return manifest(components=[{**SLOT, **slot}, *rest])


# What both must say, by name. (Made before both were compared; a disagreement is a defect of one of them.)
GOOD: dict[str, Manifest] = {
    "as the server makes it": manifest(),
    "the slot alone": parts(),
    "unknown members everywhere": parts(
        {**BOOTLOADER, "vendor": "x"}, {**PTZ, "colour": [1]}, future={"a": 1}, unit="mm"
    ),
    "the slot's index said again": parts(index=1),
    "requires nothing, said": parts(BOOTLOADER, requires={}),
    "requires exactly what is there": parts(BOOTLOADER, requires={"bootloader": 3}),
    "requires less than is there": parts(BOOTLOADER, PTZ, requires={"bootloader": 0, "ptz": 0}),
    "a fixed component requires the slot": parts({**BOOTLOADER, "requires": {"slot": 1}}),
    "a chain": parts(
        {**BOOTLOADER, "requires": {"ptz": 1}}, {**PTZ, "index": 1, "requires": {"model": 0}},
        {"name": "model", "fixed": True}, requires={"bootloader": 3},
    ),
    "sixteen components": parts(*({"name": f"part-{n}", "fixed": True, "index": 65535} for n in range(15))),
    "no notes": manifest(notes={"en": "", "ja": ""}),
    "the last epoch": manifest(security_epoch=65535),
    "the longest version": manifest(version="999999.0.999999"),
}  # fmt: skip
BAD: dict[str, Any] = {
    "no object": [],
    "another version of the format": manifest(v=2),
    "a version that is true": manifest(v=True),
    "no model": {name: value for name, value in manifest().items() if name != "model"},
    "a model with a path": manifest(model="a/b"),
    "an empty model": manifest(model=""),
    "a model that is too long": manifest(model="a" * 65),
    "a model with a line break": manifest(model="a\n"),
    "no hardware": manifest(hardware=[]),
    "too much hardware": manifest(hardware=["a"] * 33),
    "two numbers": manifest(version="1.1"),
    "a leading zero": manifest(version="01.1.0"),
    "a suffix": manifest(version="1.1.0-rc1"),
    "digits of another script": manifest(version="１.1.0"),
    "an epoch below 0": manifest(security_epoch=-1),
    "an epoch above 65535": manifest(security_epoch=65536),
    "an epoch that is text": manifest(security_epoch="1"),
    "another severity": manifest(severity="grave"),
    "a date without dashes": manifest(support_ends="20311231"),
    "notes in one language": manifest(notes={"en": ""}),
    "notes without end": manifest(notes={"en": "x" * 4001, "ja": ""}),
    "no components": manifest(components=[]),
    "seventeen components": parts(*({"name": f"part-{n}", "fixed": True} for n in range(16))),
    "a component that is a number": parts(1),
    "the slot last": manifest(components=[BOOTLOADER, SLOT]),
    "a component to install": parts({**PTZ, "fixed": False}),
    "a component that does not say": parts({"name": "ptz"}),
    "a component with a long name": parts({**PTZ, "name": "p" * 33}),
    "an index above 65535": parts({**PTZ, "index": 65536}),
    "an index that is true": parts({**PTZ, "index": True}),
    "requires a list": parts(PTZ, requires=["ptz"]),
    "requires a path": parts(PTZ, requires={"../ptz": 0}),
    "requires below 0": parts(PTZ, requires={"ptz": -1}),
    "requires seventeen": parts(PTZ, requires={f"part-{n}": 0 for n in range(17)}),
    "blocks of another size": parts(block_bytes=512),
    "no blocks": parts(block_count=0),
    "more blocks than 4 GiB": parts(block_count=2**20 + 1),
    "a short root": parts(tree_root="00"),
    "a root in capitals": parts(tree_root="AB" * 32),
    "a tree with a path": parts(tree=SLOT["tree"] | {"name": "../tree"}),
    "no tree": parts(tree=None),
}
# What a schema cannot say: relations between members. The documentation lists them under these names.
RELATIONS: dict[str, Manifest] = {
    "no such date": manifest(support_ends="2031-02-30"),
    "tree.length is not 32 times block_count": parts(tree=SLOT["tree"] | {"length": 64}),
    "block_count is not the target's length": parts(block_count=4, tree=SLOT["tree"] | {"length": 128}),
    "the slot's index is not the security epoch": parts(index=2),
    "two components of one name": parts(PTZ, PTZ),
    "a second slot": parts({"name": "slot", "fixed": True}),
    "an unknown dependency": parts(BOOTLOADER, requires={"ptz": 0}),
    "an unsatisfied dependency": parts(BOOTLOADER, requires={"bootloader": 4}),
    "an unsatisfied dependency of a fixed component": parts({**BOOTLOADER, "requires": {"ptz": 1}}, PTZ),
    "a component that requires itself": parts({**BOOTLOADER, "requires": {"bootloader": 3}}),
    "a circle of two": parts({**BOOTLOADER, "requires": {"ptz": 0}}, {**PTZ, "requires": {"bootloader": 0}}),
    "a circle through the slot": parts({**BOOTLOADER, "requires": {"slot": 0}}, requires={"bootloader": 0}),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_manifests_are_taken_by_parser_and_schema(name: str) -> None:
    assert parses(GOOD[name])
    assert fits(SCHEMA, GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_bad_manifests_are_refused_by_parser_and_schema(name: str) -> None:
    assert not parses(BAD[name])
    assert not fits(SCHEMA, BAD[name])


@pytest.mark.parametrize("name", RELATIONS)
def test_what_the_schema_cannot_say_is_refused_by_the_parser_and_documented(name: str) -> None:
    assert not parses(RELATIONS[name])
    assert fits(SCHEMA, RELATIONS[name])
    assert f"- {name}" in (ROOT / "docs" / "release-manifest.md").read_text(encoding="utf-8")


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every member and item below a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in ((*way, key), *places(item, (*way, key)))]


BASE = GOOD["a chain"]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**21), st.text(max_size=6), st.sampled_from(["slot", "ptz", "0.0.0"]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.sampled_from(["ptz", "slot", "x"]), st.integers(-1, 9)),
)  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(places(BASE)), ODD)
def test_the_schema_never_refuses_what_the_parser_takes(way: tuple[Any, ...], odd: Any) -> None:
    changed = copy.deepcopy(BASE)
    at = changed
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = odd
    assert fits(SCHEMA, changed) or not parses(changed)


def read(found: Manifest) -> release.Release:
    return release.parse(tuf.Target(MADE.target, MADE.length_bytes, MADE.sha256, {"camward": found}))


def test_components_are_read_and_written_back() -> None:
    found = read(GOOD["a chain"])
    assert found.requires == (("bootloader", 3),)
    assert found.fixed == (
        release.Component("bootloader", 3, (("ptz", 1),)),
        release.Component("ptz", 1, (("model", 0),)),
        release.Component("model", 0, ()),
    )
    assert release.custom(found)["camward"] == GOOD["a chain"]


def test_a_manifest_of_the_first_release_reads_as_before_and_is_written_as_before() -> None:
    first = manifest()
    assert first["components"] == [SLOT, {"name": "bootloader", "fixed": True}]
    assert not {"index", "requires"} & set(SLOT)
    found = read(first)
    assert (found.requires, found.fixed) == ((), (release.BOOTLOADER,))


def test_the_documentation_names_every_member_of_the_schema() -> None:
    text = (ROOT / "docs" / "release-manifest.md").read_text(encoding="utf-8")

    def names(schema: dict[str, Any]) -> set[str]:
        found = set(schema.get("properties", {}))
        below = [*schema.get("properties", {}).values(), *schema.get("prefixItems", [])]
        for part in below + [schema[word] for word in ("items",) if word in schema]:
            found |= names(part)
        return found

    missing = {name for name in names(SCHEMA) if f"`{name}`" not in text}
    assert not missing


def test_the_checker_knows_every_keyword_and_a_broken_schema_is_noticed() -> None:
    with pytest.raises(KeyError):
        fits({"oneOf": []}, 1)
    loose = copy.deepcopy(SCHEMA)
    del loose["properties"]["model"]["pattern"]
    assert any(fits(loose, bad) for bad in BAD.values())
