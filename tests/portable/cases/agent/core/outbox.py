from agent.core import outbox
from agent.formats.errors import FormatError

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
print(box.encode(), outbox.parse(box.encode()).encode() == box.encode())
print(box.add(outbox.Entry(8, "evidence", 900)), box.numbers())
print(box.done(8), box.done(8), box.count)
for body in (
    b"",
    b'{"v":1,"entries":[[1,"alarm",5],[1,"alarm",5]]}',
    b'{"v":1,"entries":[[1,"rumour",5]]}',
    b'{"v":1,"entries":[1]}',
):
    try:
        print(outbox.parse(body).count)
    except FormatError as error:
        print(error)
