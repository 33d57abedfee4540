from agent.app import update_state
from agent.core.trust import Release
from agent.formats import json
from agent.formats.errors import FormatError
from tests.portable import wire


def value(name):
    if name == "hardware":
        return ("a", "b")
    return 4096 if name.endswith(("bytes", "count", "epoch")) else name


release = Release(*[value(name) for name in Release.FIELDS])
state = update_state.FRESH.replace(slot="b", release=update_state.saved(release), failed=("1.1.0",), cause="x")
body = update_state.encode(state)
print(body)
again = update_state.decode(body)
print(
    again == state,
    update_state.release_of(again.release) == release,
    update_state.decode(update_state.encode(update_state.FRESH)) == update_state.FRESH,
)
for name, value in (
    ("phase", "dancing"),
    ("slot", "c"),
    ("release", {}),
    ("release", {"hardware": []}),
    ("failed", 5),
    ("v", 2),
):
    changed = json.parse_object(body, 100000)
    changed[name] = value
    try:
        update_state.decode(json.dump(changed))
        print(name, "taken")
    except FormatError as error:
        print(name, error.code)
wire.show("update_state")
