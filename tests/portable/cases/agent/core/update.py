from agent.core import update
from agent.formats.boot_record import BootRecord

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
        for trial, left, active in (("-", 0, "a"), ("b", 3, "a"), ("b", 0, "a"), ("-", 0, "b")):
            record = BootRecord(1, active, trial, left, 0, 1)
            print(phase, booted, trial, left, active, update.start_event(phase, "b", booted, record))
