from agent.app.standing import Standing


class Account:
    def __init__(self, role, phc):
        self.role = role
        self.phc = phc


class Accounts:
    def __init__(self):
        self.users = {"keiko": Account("administrator", "$argon2id$1"), "sora": Account("viewer", "$argon2id$2")}
        self.replaced = None
        self.quarantined, self.quarantines = False, 0


class Changing:
    def shuts_out(self, account):
        return account.phc == "$argon2id$2"


accounts = Accounts()
standing = Standing(accounts, Changing(), "nobody")
print(standing.generation("keiko"), standing.standing("keiko"))
print(standing.generation("sora"), standing.standing("sora"))
print(standing.generation("hana"), standing.standing("hana"))
accounts.replaced = accounts.users
accounts.users = {"keiko": Account("administrator", "$argon2id$3"), "sora": Account("viewer", "$argon2id$4")}
print(standing.standing("keiko"), standing.standing("sora"))
accounts.quarantined, accounts.quarantines = True, 7
print(standing.generation("keiko"), standing.standing("keiko"))
accounts.quarantined = False
print(standing.generation("keiko"), standing.standing("keiko"))
