from agent.formats.errors import FormatError, Rejected
from firmware_sim.world import bundle
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents

documents = Documents(Power())
sticks = {"/media/a": bundle.make({"/targets/a": b"0123456789", "/tuf/image/b": b"xyz"}, "a.slot")}
reader, uploads = bundle.WorldBundle(sticks, documents), bundle.WorldUploads(documents)


def show(call, *arguments):
    try:
        print(call(*arguments))
    except (Rejected, FormatError) as error:
        print(error)


show(reader.get, "/targets/a", 100)
show(reader.open, "/media/b", "me")
found = reader.open("/media/a", "me")
print(found.release, sorted(found.files.items()))
for arguments in (
    ("/targets/a", 100),
    ("/targets/a", 3),
    ("/targets/a", 5, 2, 5),
    ("/targets/a", 9, 8, 9),
    ("/targets/b", 9),
):
    show(reader.get, *arguments)
sticks["/media/a"] += b"x"
show(reader.open, "/media/a", "me")
sticks.clear()
show(reader.get, "/targets/a", 100)
reader.close()
show(uploads.finish)
documents.room_bytes = 100
show(uploads.begin, 101)
show(uploads.begin, 100)
uploads.fill(b"abc" * 100)
show(uploads.finish)
print(len(documents.content[bundle.UPLOAD]))
show(reader.open, uploads.finish(), "me")
uploads.discard()
uploads.discard()
show(uploads.finish)
