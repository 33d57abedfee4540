from agent.core import password_policy
from agent.formats.errors import FormatError

for source in (
    {},
    {"min_chars": 20, "remind_days": 90},
    {"profile": "ipro-compatible"},
    {"profile": "custom", "min_chars": 8, "classes": 3, "rules": ["repeats"], "common": "10k"},
    {"role_min_chars": {"administrator": 20}, "words": ["Mizube Denki"]},
    {"min_chars": 8},
    {"max_chars": 20},
    {"profile": "x"},
    {"colour": 1},
    {"profile": "custom", "min_chars": 8},
    {"profile": "custom", "rules": ["common"]},
    {"remind_days": 5},
    {"words": ["a-b"]},
    {"role_min_chars": {"owner": 20}},
    {"min_chars": 64, "max_chars": 64},
):
    try:
        policy = password_policy.parse_policy(source)
        print(policy)
        print([password_policy.for_role(policy, role).min_chars for role in ("administrator", "viewer", "")])
    except FormatError as error:
        print(error)
