from agent.formats.errors import Unavailable
from firmware_sim.world.power import OUTCOMES, Misuse, Power, PowerCut
from firmware_sim.world.store import Documents, MemoryErasure, MemorySpool, MemoryStore

for outcome in OUTCOMES:
    documents = Documents(Power(2))
    store = MemoryStore(documents)
    store.write("a/one", b"old")
    store.write("a/two", b"old")
    store.delete("a/two")
    store.delete("a/three")
    documents.power.cut_at(3, outcome)
    try:
        store.write("a/one", b"new")
    except PowerCut as cut:
        print(str(cut))
    try:
        store.read("a/one")
    except PowerCut as cut:
        print(str(cut))
    documents.power.restore()
    print(store.read("a/one"), store.names("a"), store.free_bytes())

documents = Documents(Power())
store = MemoryStore(documents)
for name in ("x", "a/b/c/d", "b/z", "b/a", "b/c/d"):
    store.write(name, b"1")
print(store.names("b"), store.read("none"))
for name in ("", "/a", "a//b", "../a", "a/b/c/d/e", "A", ".a"):
    try:
        store.read(name)
        print("taken", name)
    except Misuse as error:
        print(str(error))
documents.room_bytes = 6
for work in (lambda: store.write("x", b"12"), lambda: store.write("x", b"123"), lambda: store.write("y", b"")):
    try:
        work()
        print("done", store.free_bytes())
    except Unavailable as error:
        print(str(error))
documents.broken = True
for work in (lambda: store.read("x"), lambda: store.names("b"), lambda: store.delete("x"), store.free_bytes):
    try:
        work()
        print("done")
    except Unavailable as error:
        print(str(error))

documents = Documents(Power())
store = MemoryStore(documents)
for name in ("b", "a/one", "a/two"):
    store.write(name, b"1")
erasure = MemoryErasure(documents, ("b",))
print(erasure.contents())
for item in ("a/one", "a/one", "b"):
    erasure.remove(item)
print(erasure.contents(), documents.power.trace)

for outcome in OUTCOMES:
    documents = Documents(Power(3))
    spool = MemorySpool(documents)
    print(spool.append("a/log", b"first"), spool.append("a/log", b"second"), spool.read("a/log", 3, 4))
    documents.power.cut_at(2, outcome)
    try:
        spool.append("a/log", b"third")
    except PowerCut as cut:
        print(str(cut))
    documents.power.restore()
    print(spool.read("a/log", 0, 100), spool.read("a/none", 0, 5), documents.power.trace)
    documents.room_bytes = 20
    try:
        print(spool.append("a/log", b"x" * 20))
    except Unavailable as error:
        print(str(error))
