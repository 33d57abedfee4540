from agent.core import update
from agent.formats.boot_record import FRESH

print(update.diagram())
for row in update.TABLE:
    again = update.advance(row.phase, row.event)
    print(again.phase, again.event, again.then, again.actions)
try:
    update.advance("idle", "nonsense")
except LookupError as error:
    print(error)
for phase in update.PHASES:
    for booted in "ab":
        for trial, left, fails, active in (
            ("-", 0, 0, "a"), ("b", 3, 0, "a"), ("b", 3, 3, "a"), ("b", 0, 0, "a"), ("-", 0, 0, "b"),
        ):  # fmt: skip
            record = FRESH.replace(generation=1, active=active, trial=trial, left=left, fails=fails)
            print(phase, booted, trial, left, fails, active, update.start_event(phase, "b", booted, record))
