from agent.app.removing import Removing
from agent.formats.errors import Unavailable


class Account:
    def __init__(self, role):
        self.role = role


class Accounts:
    def __init__(self):
        self.users = {"keiko": Account("administrator"), "sora": Account("viewer"), "hana": Account("operator")}


class Credentials:
    def remove(self, user):
        print("removed", user)
        return Unavailable("full") if user == "hana" else None


class Grants:
    def revoke(self, user):
        print("revoked", user)


class Asked:
    def __init__(self, user):
        self.arguments = {"user": user}

    def yes(self, members):
        print("yes", members)

    def no(self, code, members=None):
        print("no", code, members)


removing = Removing(Accounts(), Credentials(), Grants(), lambda asked, administrator=False: administrator)
for user in ("sora", "hana", "keiko", "nobody"):
    removing.operations()["remove_user"](Asked(user))
Removing(Accounts(), Credentials(), Grants(), lambda asked, administrator=False: None).operations()["remove_user"](
    Asked("sora")
)
