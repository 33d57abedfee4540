from agent.core import renewal
from agent.formats.certificate import Validity

DAY_S = 86400
for found in (Validity(0, 90 * DAY_S), Validity(1763800000, 1763800000 + DAY_S), Validity(9, 5)):
    print(found, [renewal.due_at(found, fraction) for fraction in (0.0, 0.25, 0.999)])
    print([int(renewal.retry_s(found, attempt, fraction)) for attempt in (1, 5, 99) for fraction in (0.0, 0.5, 0.999)])
    print([renewal.is_later(found, found.replace(not_after_at=end)) for end in (0, 5, 2**40)])
