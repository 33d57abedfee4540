"""Writes docs/schema/release-manifest.schema.json: the shape of a release manifest, from the parser's own limits.

A schema cannot say everything: what it leaves to the parser is listed in docs/release-manifest.md, and
tests/unit/agent/formats/test_release.py holds the two against each other.
"""

import json
from typing import Any

from agent.formats import release
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES

Schema = dict[str, Any]


def _integer(low: int, high: int, says: str) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, "description": says}


def _text(max_chars: int, says: str) -> Schema:
    return {"type": "string", "maxLength": max_chars, "description": says}


def _name(max_chars: int, says: str) -> Schema:
    return _text(max_chars, says) | {"pattern": r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"}


def _hex(size_bytes: int, says: str) -> Schema:
    return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * size_bytes}}}$", "description": says}


def _object(says: str, required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    properties = required | (optional or {})
    return {"type": "object", "description": says, "required": list(required), "properties": properties}


def _requires() -> Schema:
    return {
        "type": "object",
        "description": "What this component works with: the lowest index of each component named. Absent: nothing.",
        "maxProperties": release.MAX_COMPONENTS,
        "propertyNames": _name(128, "A component of this manifest."),
        "additionalProperties": _integer(0, release.MAX_INDEX, "The lowest index."),
    }


def _slot() -> Schema:
    tree = _object(
        "The file of leaf hashes, a target of its own: the SHA-256 of each block, one after the other.",
        {
            "name": _name(128, "Name of that target."),
            "length": _integer(HASH_BYTES, HASH_BYTES * release.MAX_BLOCKS, "Bytes: 32 for each block."),
            "sha256": _hex(32, "SHA-256 of the file."),
        },
    )
    return _object(
        "The whole slot: root file system, its verity tree, and the signed FIT with kernel and initramfs.",
        {
            "name": {"const": release.SLOT},
            "layout": _name(64, "Name of the disk layout that the image was made for."),
            "block_bytes": {"const": BLOCK_BYTES, "description": "Bytes of a block."},
            "block_count": _integer(1, release.MAX_BLOCKS, "Blocks; times block_bytes it is the target's length."),
            "tree_root": _hex(HASH_BYTES, "Root of the block tree over every block of the slot."),
            "tree": tree,
        },
        {
            "index": _integer(0, release.MAX_INDEX, "The security epoch again. Absent: the same."),
            "requires": _requires(),
        },
    )


def _fixed() -> Schema:
    return _object(
        "A component that the camera has and the release leaves alone.",
        {"name": _name(release.MAX_NAME_CHARS, "Unlike any other of this manifest."), "fixed": {"const": True}},
        {
            "index": _integer(0, release.MAX_INDEX, "Its rollback counter. Absent: 0."),
            "requires": _requires(),
        },
    )


def schema() -> Schema:
    """The schema of the object under `camward`."""
    part = r"(0|[1-9][0-9]{0,5})"
    made = _object(
        "The release manifest of Camward, version 1: `custom.camward` of the slot's target.",
        {
            "v": {"const": 1, "description": "Version of the format."},
            "model": _name(64, "The camera model."),
            "hardware": {
                "type": "array",
                "description": "The hardware revisions that the release is for.",
                "minItems": 1,
                "maxItems": release.MAX_HARDWARE,
                "items": _name(release.MAX_NAME_CHARS, "A hardware revision."),
            },
            "version": {"type": "string", "pattern": rf"^{part}\.{part}\.{part}$", "description": "X.Y.Z"},
            "security_epoch": _integer(0, release.MAX_EPOCH, "The slot's rollback counter, also in the FIT."),
            "severity": {"enum": list(release.SEVERITIES), "description": "How urgent the update is."},
            "support_ends": {
                "type": "string",
                "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                "description": "Last day of security updates for the model, UTC.",
            },
            "notes": _object(
                "Short release notes, plain text.",
                {
                    "en": _text(release.MAX_NOTES_CHARS, "English."),
                    "ja": _text(release.MAX_NOTES_CHARS, "Japanese."),
                },
            ),
            "components": {
                "type": "array",
                "description": "The slot, then what is fixed.",
                "minItems": 1,
                "maxItems": release.MAX_COMPONENTS,
                "prefixItems": [_slot()],
                "items": _fixed(),
            },
        },
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Camward release manifest", **made}


def document() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=2)
