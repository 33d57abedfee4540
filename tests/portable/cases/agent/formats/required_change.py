from agent.formats import required_change
from agent.formats.errors import FormatError
from agent.formats.required_change import ChangeReport, RequiredChange

order = RequiredChange(1000, 1000, 2000, 3000, "staff_left")
print(required_change.parse(required_change.as_json(order)) == order)
for made in (
    order.replace(restrict_at=0),
    order.replace(claim_only_at=0),
    order.replace(restrict_at=0, claim_only_at=0),
):
    print(sorted(required_change.as_json(made).items()), required_change.parse(required_change.as_json(made)) == made)
least = {"v": 1, "since_at": 5, "remind_at": 5, "reason": "routine"}
for wrong in (
    [], {}, dict(least, v=2), dict(least, reason="x"), dict(least, user="a"), dict(least, since_at=0),
    dict(least, restrict_at=4), dict(least, claim_only_at=4), dict(least, restrict_at=9, claim_only_at=8),
):  # fmt: skip
    try:
        print(required_change.parse(wrong))
    except FormatError as error:
        print(error)
body = required_change.report_body(ChangeReport("done", 1000, 0, 3, ""))
print(sorted(body.items()))
print(required_change.parse_report(body))
for wrong in ({"kind": "update"}, {"event": "begun"}, {"behind": 1001}, {"code": "x" * 33}):
    try:
        print(required_change.parse_report(dict(body, **wrong)))
    except FormatError as error:
        print(error)
