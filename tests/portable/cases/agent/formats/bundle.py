from agent.formats import bundle
from agent.formats.errors import FormatError

IMAGE, SLOT = "/tuf/image/timestamp.json", bundle.target_path("ab" * 32, "kawa-1-a-1.1.0.slot")
MINE, OTHER = "/tuf/director/me/1.targets.json", "/tuf/director/other/1.targets.json"
body = bundle.encode("kawa-1-a-1.1.0.slot", [(IMAGE, 5), (SLOT, 4096), (MINE, 7)], {OTHER: MINE})
head = bundle.parse_head(body[: bundle.HEAD_BYTES])
print(len(body), head.index_bytes, head.total_bytes)
index = body[bundle.HEAD_BYTES :]
for device in ("me", "other", "nobody"):
    found = bundle.parse_index(index, head, device)
    print(device, found.release, sorted(found.files.items()), found.devices)


def show(read, *arguments):
    try:
        print(read(*arguments))
    except FormatError as error:
        print(error)


show(bundle.parse_head, body[:20])
show(bundle.parse_head, b"CWBNDL2\n" + body[8:52])
show(bundle.parse_head, body[:8] + b"\xff" * 4 + body[12:52])
show(bundle.parse_head, body[:12] + b"\xff" * 8 + body[20:52])
show(bundle.parse_index, index[:-1], head, "me")
show(bundle.parse_index, index[:-1] + b"\xff", head, "me")
for paths in (
    ["/etc/passwd"],
    ["/tuf/image/../a"],
    ["/targets/a", "/targets/a"],
    ["/targets/a b"],
    ["/targets/" + "a" * 300],
):
    show(bundle.encode, "a.slot", [(path, 1) for path in paths])
show(bundle.encode, "", [])
show(bundle.encode, "a.slot", [(bundle.TARGETS + str(number), 0) for number in range(bundle.MAX_FILES + 1)])
