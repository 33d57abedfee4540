from agent.core import outbox

box = outbox.Outbox(max_count=6, max_bytes=1000)
for seq in range(5):
    print(box.add(outbox.Entry(seq, "telemetry", 100)))
print(
    box.add(outbox.Entry(5, "alarm", 100)),
    box.add(outbox.Entry(6, "report", 100)),
    box.add(outbox.Entry(7, "evidence", 100)),
)
print(box.numbers(), box.count, box.size_bytes)
print([entry.seq for entry in box.next(10)], [entry.seq for entry in box.next(2, {5})])
print(box.add(outbox.Entry(8, "evidence", 900)), box.numbers())
print(box.done(8), box.done(8), box.count)
