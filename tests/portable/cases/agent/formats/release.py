from agent.formats import json, release
from agent.formats.errors import FormatError
from agent.formats.tuf import Target

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
