from agent.core import schedule
from agent.core.schedule import Case
from agent.formats import utc
from agent.formats.errors import FormatError

policy = schedule.parse(
    {"windows": "mon-fri 01:30-04:00; sat,sun 23:00-05:00", "time_zone": "CET-1CEST,M3.5.0,M10.5.0/3"}
)
print(policy.windows, policy.text, sorted(policy.postpone_days.items()))
for day in range(20, 30):
    now = utc.parse(f"2026-03-{day}T02:00:00Z")
    for case in (
        Case(now, True, 0, "low", False, 0),
        Case(now, True, 0, "low", False, now + 86400),
        Case(now, True, 0, "high", False, now + 5 * 86400),
        Case(now, False, 0, "low", False, 0),
        Case(now, False, 86400, "low", False, 0),
        Case(now, True, 0, "critical", False, now + 86400),
    ):
        print(day, schedule.decide(policy, case))
for wrong in ({"windows": "mon 01:00"}, {"windows": "mon 01:00-01:20"}, {"time_zone": "?"}, {"download": "no"}):
    try:
        print(schedule.parse(wrong))
    except FormatError as error:
        print(error)
try:
    print(schedule.overlay(policy, {"postpone_days": {"low": 15}}))
except FormatError as error:
    print(error)
print(schedule.overlay(policy, {"windows": "", "postpone_days": {"low": 1}}).windows)
