from agent.app import trust_store
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents, MemoryStore
from tests.portable.story import ready

camera = ready()
world = camera.world
store = world.ports.store
for repository in ("image", "director"):
    found = trust_store.stored(store, repository, b"{}")
    print(repository, sorted((role, found[role] is not None) for role in found))
first = camera.operator.image.files["1.root.json"]
found = trust_store.stored(MemoryStore(Documents(Power())), "image", first)
print(found["root"] == first, found["timestamp"])
trust_store.forget_root(store, "image")
print(trust_store.stored(store, "image", b"")["root"])


class Floor:
    def reset(self, at):
        print("reset to", at)


class Found:
    floor_reset_to = None


check = Found()
print(trust_store.reset_floor(Floor(), check, None))
check.floor_reset_to = 7
print(trust_store.reset_floor(Floor(), check, None), trust_store.reset_floor(Floor(), check, 7))
