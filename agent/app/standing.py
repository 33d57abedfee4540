"""Which logins stand: what services compare, so that sessions and streams end with the password that has opened them.

A generation is made of the account as it is stored, so nothing has to be counted, kept or told in time: it is another
one after any change of password or role and after a quarantine, the same after a restart, and what it was before when a
change is put back.
"""

from binascii import hexlify
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.accounts import Account, Accounts
    from agent.app.changing import Changing

GENERATION_BYTES = 16  # of a hash over a random salt that nobody is told: says nothing about the password


class Standing:
    """The generations of accounts."""

    def __init__(self, accounts: "Accounts", changing: "Changing", nobody: str) -> None:
        """`nobody`: a random text, so that a generation does not say whether there is such a user."""
        self._accounts = accounts
        self._changing = changing
        self._nobody = nobody

    def generation(self, user: str) -> str:
        """What a login as this user is remembered by, from now on."""
        return self._of(self._accounts.users, user)

    def standing(self, user: str) -> "list[str]":
        """The generations whose logins stand; none for who is shut out, and none in quarantine.

        While a change is being proved, those of before stand too: it may be put back.
        """
        users, before = self._accounts.users, self._accounts.replaced
        found: "list[str]" = []
        if self._accounts.quarantined:
            return found
        for view in (users,) if before is None else (users, before):
            account = view.get(user)
            if account is None or not self._changing.shuts_out(account):
                found.append(self._of(view, user))
        return found

    def _of(self, users: "dict[str, Account]", user: str) -> str:
        account = users.get(user)
        secret = self._nobody if account is None else account.role + "\0" + account.phc
        if self._accounts.quarantines:
            secret += "\0" + str(self._accounts.quarantines)
        return str(hexlify(sha256((user + "\0" + secret).encode()).digest()[:GENERATION_BYTES]), "utf-8")
