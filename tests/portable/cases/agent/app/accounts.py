from agent.app import account_stores, accounts
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import Power
from firmware_sim.world.secrets import UnsafeDeviceSecret
from firmware_sim.world.store import Documents, MemoryStore

documents = Documents(Power())


def opened(first_boot=False, on_trial=False):
    made = accounts.Accounts(MemoryStore(documents), UnsafeDeviceSecret(documents, Chance(1)))
    made.load(first_boot, on_trial)
    return made


found = opened(True)
print(found.state, sorted(documents.content))
keiko = account_stores.Account("keiko", "administrator", "$phc$", "0" * 32, "1" * 64, 5, "", 0, "")
sora = account_stores.Account("sora", "viewer", "$phc$2", "2" * 32, "3" * 64, 6, "", 0, "")
found.begin({"keiko": keiko})
found.abort()
print(found.state, sorted(found.users))
found.begin({"keiko": keiko, "sora": sora})
found.commit()
for name in sorted(documents.content):
    print(name, documents.content[name])
again = opened()
print(again.state, [again.users[name] for name in sorted(again.users)], again.must_settle(), again.has_shell("keiko"))
whole = dict(documents.content)
for name in (accounts.DIGEST, accounts.WEB, "secret/device.key"):
    documents.content[name] = b"{}"
    damaged = opened()
    print(name, damaged.state, len(damaged.users))
    documents.content.update(whole)
del documents.content[accounts.STATE]
print(opened(True).state)

documents = Documents(Power())
trial = opened(True, True)
trial.begin({"keiko": keiko})
trial.commit()
print(documents.content[accounts.DIGEST], trial.must_settle())
trial.committed()
print(trial.must_settle())
trial.begin(dict(trial.users))
trial.commit()
print(opened().state, b"users" in documents.content[accounts.DIGEST], trial.must_settle())
