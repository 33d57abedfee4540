"""The signed release manifest: the `custom` object of a target (`{"camward": {"v": 1, ...}}`), and versions.

The same object stands in the image repository's targets (what exists) and in the director's (what this device shall
install). Members we do not know are ignored, so that a later server can add some; a `v` we do not know is refused.
"""

from agent.formats import fields, utc
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES
from agent.formats.errors import FormatError
from agent.formats.tuf import Target
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SEVERITIES = ("low", "medium", "high", "critical")
MAX_HARDWARE = 32
MAX_COMPONENTS = 16
MAX_NOTES_CHARS = 4000
MAX_VERSION_PART = 999999
MAX_EPOCH = 0xFFFF
MAX_BLOCKS = 2**20  # 4 GiB


class Release(Value):
    """What one release is; made by `parse`. `sha256`, `tree_root`, `tree_sha256` are lower-case hexadecimal."""

    FIELDS = (
        "target",
        "length_bytes",
        "sha256",
        "model",
        "hardware",
        "version",
        "security_epoch",
        "severity",
        "support_ends",
        "block_count",
        "block_bytes",
        "tree_root",
        "tree_name",
        "tree_length_bytes",
        "tree_sha256",
        "layout",
        "notes_en",
        "notes_ja",
    )
    target: str
    length_bytes: int
    sha256: str
    model: str
    hardware: "tuple[str, ...]"
    version: str
    security_epoch: int
    severity: str
    support_ends: str
    block_count: int
    block_bytes: int
    tree_root: str
    tree_name: str
    tree_length_bytes: int
    tree_sha256: str
    layout: str
    notes_en: str
    notes_ja: str


def parse(target: Target) -> Release:
    """Read the manifest that a target carries.

    Raises:
        FormatError: it carries none, or one that contradicts itself.
    """
    manifest = fields.obj(target.custom, "camward")
    fields.integer(manifest, "v", 1, 1)
    hardware = tuple(
        fields.as_name(item, "a hardware revision", 32) for item in fields.array(manifest, "hardware", MAX_HARDWARE)
    )
    if not hardware:
        raise FormatError("hardware is empty")
    slot = _slot_component(manifest)
    tree = fields.obj(slot, "tree")
    notes = fields.obj(manifest, "notes")
    version = fields.text(manifest, "version", 32)
    version_key(version)
    support_ends = fields.text(manifest, "support_ends", 10)
    utc.parse_date(support_ends)
    release = Release(
        target=fields.as_name(target.path, "the target's path"),
        length_bytes=target.length_bytes,
        sha256=target.sha256,
        model=fields.name(manifest, "model", 64),
        hardware=hardware,
        version=version,
        security_epoch=fields.integer(manifest, "security_epoch", 0, MAX_EPOCH),
        severity=fields.choice(manifest, "severity", SEVERITIES),
        support_ends=support_ends,
        block_count=fields.integer(slot, "block_count", 1, MAX_BLOCKS),
        block_bytes=fields.integer(slot, "block_bytes", BLOCK_BYTES, BLOCK_BYTES),
        tree_root=fields.hexadecimal(slot, "tree_root", HASH_BYTES),
        tree_name=fields.name(tree, "name"),
        tree_length_bytes=fields.integer(tree, "length"),
        tree_sha256=fields.hexadecimal(tree, "sha256", 32),
        layout=fields.name(slot, "layout", 64),
        notes_en=fields.text(notes, "en", MAX_NOTES_CHARS),
        notes_ja=fields.text(notes, "ja", MAX_NOTES_CHARS),
    )
    if release.length_bytes != release.block_count * release.block_bytes:
        raise FormatError("the slot's length is not block_count blocks")
    if release.tree_length_bytes != release.block_count * HASH_BYTES:
        raise FormatError("the tree's length is not one hash per block")
    return release


def custom(release: Release) -> "dict[str, Any]":
    """The `custom` object for a release: what `parse` reads (server side; the bootloader is fixed in version 1)."""
    slot = {
        "name": "slot",
        "layout": release.layout,
        "block_bytes": release.block_bytes,
        "block_count": release.block_count,
        "tree_root": release.tree_root,
        "tree": {
            "name": release.tree_name,
            "length": release.tree_length_bytes,
            "sha256": release.tree_sha256,
        },
    }
    return {
        "camward": {
            "v": 1,
            "model": release.model,
            "hardware": list(release.hardware),
            "version": release.version,
            "security_epoch": release.security_epoch,
            "severity": release.severity,
            "support_ends": release.support_ends,
            "notes": {"en": release.notes_en, "ja": release.notes_ja},
            "components": [slot, {"name": "bootloader", "fixed": True}],
        }
    }


def version_key(version: str) -> "tuple[int, int, int]":
    """`X.Y.Z` as a tuple that orders versions.

    Raises:
        FormatError: another form (signs, leading zeros, suffixes and parts above 999999 included).
    """
    parts = version.split(".")
    if len(parts) != 3:
        raise FormatError("a version is X.Y.Z")
    for part in parts:
        digits = all(character in "0123456789" for character in part)
        if not part or len(part) > len(str(MAX_VERSION_PART)) or not digits or (part[0] == "0" and part != "0"):
            raise FormatError("a version is X.Y.Z")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _slot_component(manifest: "dict[str, Any]") -> "dict[str, Any]":
    """The first component, the slot; any further one must be fixed: this agent installs nothing else.

    Raises:
        FormatError: there is no slot, or a component this agent would have to install and cannot.
    """
    components = fields.array(manifest, "components", MAX_COMPONENTS)
    if not components:
        raise FormatError("components is empty")
    slot = fields.as_object(components[0], "a component")
    if fields.name(slot, "name", 32) != "slot":
        raise FormatError("the first component is not the slot")
    for item in components[1:]:
        component = fields.as_object(item, "a component")
        if not fields.boolean(component, "fixed"):
            raise FormatError("component " + fields.name(component, "name", 32) + " is not fixed")
    return slot
