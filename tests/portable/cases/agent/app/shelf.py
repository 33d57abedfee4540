from agent.app.shelf import Shelf, first_number
from agent.formats.errors import Unavailable
from tests.portable.story import ready

camera = ready()
world = camera.world
desk = world.agent._reporting._desk
shelf = Shelf(desk, "river", 65536, "01234567")
shelf.load()
shelf.put([("level", b"a"), ("level", b"b\x00c"), ("other", b"")], 1795000000)
print(shelf.count(), [name for name in sorted(world.documents.content) if name.startswith("programs/")])
found = shelf.next()
print(found)
shelf.done(found.number)
print(shelf.next(), shelf.next(), shelf.next())
shelf.again()
try:
    shelf.put([("level", bytes(70000))], 1795000000)
except Unavailable as error:
    print(error)
world.documents.broken_folder = "programs/"
try:
    shelf.put([("level", b"x")], 1795000000)
except Unavailable as error:
    print(error)
world.documents.broken_folder = ""
again = Shelf(desk, "river", 65536, "89abcdef")
again.load()
again.put([("level", b"d")], 1795000000)
while again.count():
    found = again.next()
    print(found)
    again.done(found.number)
print([name for name in world.documents.content if name.startswith("programs/")])
for name in (
    "programs/river-0000000012",
    "programs/rivers-0000000012",
    "programs/river-12",
    "programs/river-000000001x",
):
    print(first_number(name, "river"))
