from agent.formats import json, release
from agent.formats.errors import FormatError
from agent.formats.tuf import Target
from tests.portable import wire

made = release.Release(
    target="kawa-1-1.1.0.slot",
    length_bytes=8192,
    sha256="aa" * 32,
    model="kawa-1",
    hardware=("a", "b"),
    version="1.1.0",
    security_epoch=1,
    severity="high",
    support_ends="2031-12-31",
    block_count=2,
    block_bytes=4096,
    tree_root="bb" * 32,
    tree_name="kawa-1-1.1.0.tree",
    tree_length_bytes=64,
    tree_sha256="cc" * 32,
    layout="ab-1",
    requires=(),
    fixed=(release.BOOTLOADER,),
    notes_en="Fixes.",
    notes_ja="修正。",
)
custom = release.custom(made)
print(json.dump(custom))
print(release.parse(Target(made.target, made.length_bytes, made.sha256, custom)) == made)
for path in (
    ("v", 2),
    ("model", "a/b"),
    ("hardware", []),
    ("version", "1.1"),
    ("security_epoch", 70000),
    ("severity", "grave"),
    ("support_ends", "2031-02-30"),
    ("components", []),
    ("components", [{"name": "boot"}]),
    ("notes", {}),
    ("components", custom["camward"]["components"] + [{"name": "ptz", "fixed": False}]),
):
    manifest = dict(custom["camward"])
    manifest[path[0]] = path[1]
    try:
        release.parse(Target(made.target, made.length_bytes, made.sha256, {"camward": manifest}))
        print(path[0], "taken")
    except FormatError as error:
        print(path[0], error)
slot = custom["camward"]["components"][0]
boot, ptz = {"name": "bootloader", "fixed": True, "index": 4}, {"name": "ptz", "fixed": True}
for components in (
    [dict(slot, index=1, requires={"bootloader": 4}), dict(boot, requires={"slot": 0}), ptz],
    [dict(slot, requires={"bootloader": 4, "ptz": 0}), dict(boot, requires={"ptz": 0}), ptz],
    [dict(slot, requires={"bootloader": 5}), boot],
    [dict(slot, requires={"radio": 0}), boot],
    [slot, dict(boot, requires={"bootloader": 0})],
    [slot, boot, boot],
    [dict(slot, index=2), boot],
    [slot, dict(boot, index=-1)],
    [slot, dict(boot, requires=[])],
    [slot, dict(boot, requires={"../x": 0})],
):
    manifest = dict(custom["camward"])
    manifest["components"] = components
    try:
        read = release.parse(Target(made.target, made.length_bytes, made.sha256, {"camward": manifest}))
        print(read.requires, read.fixed, release.parse(Target("x", 8192, "", release.custom(read))).fixed == read.fixed)
    except FormatError as error:
        print(error)
for target in (Target("x", 4096, "", custom), Target("../x", 8192, "", custom), Target("x", 8192, "", {})):
    try:
        print(release.parse(target).target)
    except FormatError as error:
        print(error)
for version in (
    "1.2.3",
    "0.0.0",
    "999999.0.1",
    "1.2",
    "1.2.3.4",
    "01.2.3",
    "1.2.x",
    "-1.2.3",
    "1000000.0.0",
    "",
    "1..2",
    "１.2.3",
):
    try:
        print(version, release.version_key(version))
    except FormatError as error:
        print(version, error)
wire.show("release")
