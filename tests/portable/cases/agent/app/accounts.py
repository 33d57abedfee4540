from agent.app import accounts
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents, MemoryStore

documents = Documents(Power())
found = accounts.Accounts(MemoryStore(documents))
found.load(True)
print(found.state, sorted(documents.content))
keiko = accounts.Account("keiko", "administrator", "$phc$", "0" * 32, "1" * 64, 5)
sora = accounts.Account("sora", "viewer", "$phc$2", "2" * 32, "3" * 64, 6)
found.begin({"keiko": keiko})
found.abort()
print(found.state, sorted(found.users))
found.begin({"keiko": keiko, "sora": sora})
found.commit()
for name in sorted(documents.content):
    print(name, documents.content[name])
again = accounts.Accounts(MemoryStore(documents))
again.load(False)
print(again.state, [again.users[name] for name in sorted(again.users)])
documents.content[accounts.DIGEST] = b"{}"
again.load(False)
print(again.state, len(again.users))
del documents.content[accounts.STATE]
again.load(True)
print(again.state)
for name in ("keiko", "", "Keiko", ".x", "a" * 33, "a b", "é"):
    print(name, accounts.user_name_ok(name))
