from agent.app import change_state
from agent.formats import json
from agent.formats.errors import FormatError
from agent.formats.required_change import RequiredChange

order = RequiredChange(1000, 1000, 2000, 0, "compromised")
for state in (
    change_state.NOTHING,
    change_state.State(
        1000, 1010, order, "reminder", "accepted", 2, {"keiko": ("$argon2id$a", "$argon2id$b"), "sora": ()}
    ),
):
    print(change_state.decode(change_state.encode(state)) == state)
whole = json.parse_object(change_state.encode(change_state.NOTHING), 4096)
for wrong in (
    {"v": 2}, {"reached": "x"}, {"told": "x"}, {"behind": 33}, {"order": {}}, {"old": {"Keiko": []}},
    {"old": {"keiko": ["a"] * 4}}, {"old": {"keiko": [1]}},
):  # fmt: skip
    try:
        print(change_state.decode(json.dump(dict(whole, **wrong))))
    except FormatError as error:
        print(error)
