"""The signed release manifest: the `custom` object of a target (`{"camward": {"v": 1, ...}}`), and versions.

The same object stands in the image repository's targets (what exists) and in the director's (what this device shall
install). Members we do not know are ignored, so that a later server can add some; a `v` we do not know is refused.
docs/release-manifest.md says what each member means, and tests/unit/agent/formats/test_release.py holds its schema
against this parser.

A release has components, the slot first. Each has an index, its own rollback counter (the slot's is the security
epoch), and names the lowest index of each other component that it works with. This agent installs the slot alone: any
other component has to be fixed, that is what the camera has and the release leaves alone.
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
MAX_INDEX = MAX_EPOCH  # the slot's index is the security epoch
MAX_BLOCKS = 2**20  # 4 GiB
MAX_NAME_CHARS = 32  # of a component or a hardware revision
SLOT = "slot"


class Component(Value):
    """A component that the release leaves alone.

    Fields:
        name: unlike that of any other component of the release.
        index: 0..65535, its rollback counter.
        requires: what it works with, as pairs of component name and lowest index, by name.
    """

    FIELDS = ("name", "index", "requires")
    name: str
    index: int
    requires: "tuple[tuple[str, int], ...]"


BOOTLOADER = Component("bootloader", 0, ())
"""What a camera has whose maker counts no versions of its boot loader."""


class Release(Value):
    """What one release is; made by `parse`. `sha256`, `tree_root`, `tree_sha256` are lower-case hexadecimal.

    `requires` is what the slot requires (as in `Component`), `fixed` the components beside the slot, in their order.
    """

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
        "requires",
        "fixed",
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
    requires: "tuple[tuple[str, int], ...]"
    fixed: "tuple[Component, ...]"
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
        fields.as_name(item, "a hardware revision", MAX_NAME_CHARS)
        for item in fields.array(manifest, "hardware", MAX_HARDWARE)
    )
    if not hardware:
        raise FormatError("hardware is empty")
    epoch = fields.integer(manifest, "security_epoch", 0, MAX_EPOCH)
    slot, requires, fixed = _components(manifest, epoch)
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
        security_epoch=epoch,
        severity=fields.choice(manifest, "severity", SEVERITIES),
        support_ends=support_ends,
        block_count=fields.integer(slot, "block_count", 1, MAX_BLOCKS),
        block_bytes=fields.integer(slot, "block_bytes", BLOCK_BYTES, BLOCK_BYTES),
        tree_root=fields.hexadecimal(slot, "tree_root", HASH_BYTES),
        tree_name=fields.name(tree, "name"),
        tree_length_bytes=fields.integer(tree, "length"),
        tree_sha256=fields.hexadecimal(tree, "sha256", 32),
        layout=fields.name(slot, "layout", 64),
        requires=requires,
        fixed=fixed,
        notes_en=fields.text(notes, "en", MAX_NOTES_CHARS),
        notes_ja=fields.text(notes, "ja", MAX_NOTES_CHARS),
    )
    if release.length_bytes != release.block_count * release.block_bytes:
        raise FormatError("the slot's length is not block_count blocks")
    if release.tree_length_bytes != release.block_count * HASH_BYTES:
        raise FormatError("the tree's length is not one hash per block")
    return release


def custom(release: Release) -> "dict[str, Any]":
    """The `custom` object for a release: what `parse` reads, without members that say what absence says as well."""
    slot = {
        "name": SLOT,
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
    components = [_with_requires(slot, release.requires)]
    for part in release.fixed:
        described: "dict[str, Any]" = {"name": part.name, "fixed": True}
        if part.index:
            described["index"] = part.index
        components.append(_with_requires(described, part.requires))
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
            "components": components,
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


def _with_requires(component: "dict[str, Any]", requires: "tuple[tuple[str, int], ...]") -> "dict[str, Any]":
    if requires:
        component["requires"] = dict(requires)
    return component


def _components(
    manifest: "dict[str, Any]", epoch: int
) -> "tuple[dict[str, Any], tuple[tuple[str, int], ...], tuple[Component, ...]]":
    """The slot as the manifest describes it, what it requires, and the fixed components.

    Raises:
        FormatError: there is no slot, a component that this agent would have to install and cannot, two of one name,
            a slot whose index is not the epoch, or requirements that do not hold (see `_check_requirements`).
    """
    components = fields.array(manifest, "components", MAX_COMPONENTS)
    if not components:
        raise FormatError("components is empty")
    slot = fields.as_object(components[0], "a component")
    if fields.name(slot, "name", MAX_NAME_CHARS) != SLOT:
        raise FormatError("the first component is not the slot")
    if "index" in slot and fields.integer(slot, "index", 0, MAX_INDEX) != epoch:
        raise FormatError("the slot's index is not the security epoch")
    parts = [Component(SLOT, epoch, _requires(slot))]
    for item in components[1:]:
        component = fields.as_object(item, "a component")
        name = fields.name(component, "name", MAX_NAME_CHARS)
        if not fields.boolean(component, "fixed"):
            raise FormatError("component " + name + " is not fixed")
        index = fields.integer(component, "index", 0, MAX_INDEX) if "index" in component else 0
        parts.append(Component(name, index, _requires(component)))
    _check_requirements(parts)
    return slot, parts[0].requires, tuple(parts[1:])


def _requires(component: "dict[str, Any]") -> "tuple[tuple[str, int], ...]":
    if "requires" not in component:
        return ()
    wanted = fields.obj(component, "requires")
    if len(wanted) > MAX_COMPONENTS:
        raise FormatError("requires has more than " + str(MAX_COMPONENTS) + " members")
    return tuple(
        (fields.as_name(name, "a component's name"), fields.integer(wanted, name, 0, MAX_INDEX))
        for name in sorted(wanted)
    )


def _check_requirements(parts: "list[Component]") -> None:
    """Refuse a release that could not work as a whole.

    Raises:
        FormatError: two components have one name, one requires what is not there or a higher index than is there, or
            some require each other in a circle (then no order of installation would work).
    """
    indexes = {part.name: part.index for part in parts}
    if len(indexes) != len(parts):
        raise FormatError("two components have one name")
    for part in parts:
        for name, lowest in part.requires:
            if name not in indexes:
                raise FormatError(part.name + " requires the unknown component " + name)
            if indexes[name] < lowest:
                raise FormatError(part.name + " requires " + name + " " + str(lowest) + " or later")
    settled: "set[str]" = set()
    waiting = parts
    while waiting:
        left = [part for part in waiting if any(name not in settled for name, _ in part.requires)]
        if len(left) == len(waiting):
            raise FormatError("components require each other in a circle")
        settled.update(part.name for part in waiting if part not in left)
        waiting = left
