from agent.core import outbox


def file_of(lane, first, count, thinned=0):
    made = outbox.File(lane, first, thinned)
    for number in range(first, first + count):
        made.add(number, made.size_bytes, 100 + number)
        made.size_bytes += 10
    return made


def told(box):
    return [(file.name, file.live, file.size_bytes, file.last_at) for file in box.files()]


box = outbox.Outbox(max_count=12, max_bytes=130)
for made in (file_of("telemetry", 20, 4), file_of("paper", 9, 1), file_of("telemetry", 1, 5), file_of("alarm", 7, 2)):
    box.insert(made)
print(told(box), box.count, box.size_bytes, box.over(), box.over(1))
place = box.next()
while place is not None:
    number = place.file.number(place.index)
    print(number, place.file.span(place.index), place.file.state(place.index))
    place.file.mark(place.index, outbox.FLYING if number % 2 else outbox.SENT)
    place = box.next()
print(box.rewind((outbox.SENT,), ("alarm", "paper")), box.rewind((outbox.FLYING, outbox.SENT)))
for number in (0, 1, 5, 6, 7, 9, 23, 24):
    found = box.find(number)
    print(number, None if found is None else (found.file.lane, found.index))
thin = box.to_thin()
print([file.first for file in thin], [outbox.kept(file) for file in thin])
for file in thin:
    box.remove(file)
merged = outbox.File("telemetry", 1, 1)
for file in thin:
    for index in outbox.kept(file):
        merged.add(file.number(index), merged.size_bytes, file.last_at, file.state(index))
        merged.size_bytes += file.span(index)[1]
box.insert(merged)
print(told(box), [box.find(number) is not None for number in range(1, 25)])
for lane in ("alarm", "paper", "telemetry"):
    given = box.to_give_up(lane)
    print(lane, None if given is None else given.name)
print([file.name for file in box.expired(123)], [file.name for file in box.expired(124)])
merged.mark(merged.living()[0], outbox.GONE)
print(merged.living(), merged.next_waiting(), outbox.kept(merged))
