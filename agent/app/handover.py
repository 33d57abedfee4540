"""Leaving an operator, moving to another one, and erasing: one journal, finished before anything else runs.

`begin` writes `handover/KIND.json` and nothing more; the machine restarts, and `finish` does the work when the agent
starts, before any other part has read a thing. After a power cut `finish` begins again, so nothing ever sees a state in
between. The kind is in the document's name: a damaged content ends no erase.

What stays is a list; all else goes, whether this version knows it or not. Always kept: what the factory put in, what
is known of the manufacturer's image repository, the rollback index, and the time floor. The device's keys are replaced,
so the former operator's certificate is for a device that is no more (the device id follows from the key).
"""

from agent.app import accounts, enrolment_state, identity
from agent.app.desk import DATA_DAMAGED
from agent.core import slots, update
from agent.formats import fields, messages, token
from agent.formats.errors import FormatError, Unavailable
from agent.formats.json import dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.desk import Desk
    from agent.app.ports import Ports
    from agent.app.updating import Updating

DISOWN = "disown"
TRANSFER = "transfer"
ERASE = "erase"
KINDS = (ERASE, TRANSFER, DISOWN)  # in this order, should there ever be two journals: the one that leaves least
MAX_JOURNAL_BYTES = 8 * 1024

VOUCHER = "factory/voucher.json"
HISTORY = "evidence/history.json"
# Of what would stay: the voucher serves the first owner alone, and an issued certificate the owner that it is by.
USED_UP = (VOUCHER, "web/issued/")
ALWAYS = ("factory/", "trust/image/", "trust/rollback_index", "clock/")
OF_THE_USERS = ("credentials/", "secret/", "web/", HISTORY)  # stays when only the operator changes
KEPT = {
    ERASE: ALWAYS,
    DISOWN: ALWAYS + OF_THE_USERS,
    TRANSFER: ALWAYS + OF_THE_USERS + ("identity/",),  # where the next identity lies; the former one is overwritten
}
"""By kind, the items that stay; a name that ends with a slash stands for everything below."""

MAX_TOLD = 16  # items that evidence names
MAX_TOLD_CHARS = 200
ANSWER_S = 2.0  # until the restart, so that the answer still reaches the person's browser
_TIMER = "handover"


class Handover:
    """Begins one, if nothing speaks against it; afterwards the agent does nothing but restart."""

    def __init__(self, desk: "Desk", updating: "Updating") -> None:
        self._desk = desk
        self._updating = updating
        self.begun = ""
        self.barred_hook: "Callable[[], str]" = lambda: ""
        """Why nothing but an erase can begin now; empty if it can."""

    def obstacle(self) -> str:
        """Why nothing can begin now; empty if it can.

        While the boot loader has a say in what runs next, the update must come to its end first: minutes at most, but
        for a boot record that takes nothing.
        """
        if DATA_DAMAGED in self._desk.problems:
            return "the data partition is damaged: nothing on it can be changed"
        if self._updating.state.phase in update.BOOT_PHASES and not self._updating.trial.lasting():
            return "a new version is being tried; ask again in a few minutes"
        return ""

    def begin(self, kind: str, next_token: str = "") -> str:
        """Write the journal and restart; returns what speaks against it, empty when it has begun.

        Nothing can stop it from then on. `next_token`: of the operator that a transfer goes to, who has certified the
        key `next`.
        """
        obstacle = self.obstacle() or ("" if kind == ERASE else self.barred_hook())
        if obstacle:
            return obstacle
        desk = self._desk
        about = {"v": 1, "token": next_token, "version": desk.config.version}
        try:
            desk.ports.store.write(_journal(kind), dump(about))
        except Unavailable as error:
            return str(error)
        self.begun = kind
        desk.drop()
        # So that the operator's list does not show it for ever as it was last; nothing depends on its arriving.
        gone = messages.encode_state(messages.State(False, "", "", kind))
        desk.ports.link.publish("gone", "camward/1/" + desk.device_id + "/state", gone, True)
        desk.say("camward-agent: " + kind + " has begun")
        desk.at(_TIMER, desk.now + ANSWER_S, lambda: desk.reboot(kind))
        return ""


def finish(ports: "Ports", version: str) -> str:
    """End what `begin` began, if anything; returns its kind, or an empty text. Called before anything else is read.

    Durable when it returns. After an erase the camera is unclaimed, and `evidence/history.json` says what was found to
    be left.

    Raises:
        Unavailable: the storage fails, or credentials did not go: whoever starts the agent again goes on with it. Or
            the machine restarts, since the storage is made anew: the next start finishes the journal.
    """
    store = ports.store
    for kind in KINDS:
        body = store.read(_journal(kind))
        if body is not None:
            _FINISH[kind](ports, body, version)
            if kind == ERASE and ports.erasure.renew():
                _restart(ports)
            for name in KINDS:
                store.delete(_journal(name))
            return kind
    return ""


def _restart(ports: "Ports") -> None:
    """Raises Unavailable: always, for nothing may be written any more."""
    try:
        record = ports.boot.read()
        ports.boot.write(slots.announce(record))
    except Unavailable:
        pass  # it then counts as a restart without a word, of which one does no harm
    ports.boot.reboot()
    raise Unavailable("the camera restarts, to make its data partition anew")


def _journal(kind: str) -> str:
    return "handover/" + kind + ".json"


def _erase(ports: "Ports", body: bytes, version: str) -> None:
    _remove(ports, ERASE)
    left = _left(ports, ERASE)
    if any(item.startswith(("credentials/", "secret/", "identity/")) for item in left):
        raise Unavailable("an erase cannot remove " + left[0])
    ports.store.write(accounts.STATE, accounts.unclaimed())
    fact: "dict[str, Any]" = {"done": True, "remaining": [_shown(item) for item in left[:MAX_TOLD]]}
    try:
        fact["version_kept"] = fields.text(_source(body), "version") == version
    except FormatError:
        pass  # the journal rotted; evidence then says that it does not know
    ports.store.write(HISTORY, dump({"erase": fact}))


def _disown(ports: "Ports", _body: bytes, _version: str) -> None:
    _remove(ports, DISOWN)


def _transfer(ports: "Ports", body: bytes, version: str) -> None:
    """The former operator goes; what the next one has certified takes the place, and the enrolment goes on."""
    try:
        following = token.parse(fields.text(_source(body), "token", token.MAX_TOKEN_CHARS))
    except FormatError:
        _disown(ports, body, version)  # the journal rotted; a new token can be pasted
        return
    store = ports.store
    for key in (identity.EVIDENCE, identity.UNSEALING):
        ports.keys.forget(key)
    _remove(ports, TRANSFER)
    certificate = store.read(identity.NEXT_CERTIFICATE)
    if certificate is not None:
        store.write(identity.CERTIFICATE, certificate)
        store.delete(identity.NEXT_CERTIFICATE)
    store.delete(identity.RENEWED_CERTIFICATE)  # the former operator's
    identity.forget_rotation(ports)
    ports.keys.replace(identity.IDENTITY, identity.NEXT)
    store.write(enrolment_state.ENROLMENT, enrolment_state.encode("owning", following))


_FINISH = {ERASE: _erase, DISOWN: _disown, TRANSFER: _transfer}


def _left(ports: "Ports", kind: str) -> "list[str]":
    """What lies there now and is not to stay."""
    return [item for item in ports.erasure.contents() if not _stays(kind, item)]


def _stays(kind: str, item: str) -> bool:
    if _among(item, USED_UP):
        return False
    if item in [_journal(name) for name in KINDS]:
        return True  # until all else is done
    if item[0] == "/":
        return kind != ERASE  # what the camera keeps for its user
    return _among(item, KEPT[kind])


def _among(item: str, names: "tuple[str, ...]") -> bool:
    return any(item == name or (name[-1] == "/" and item.startswith(name)) for name in names)


def _remove(ports: "Ports", kind: str) -> None:
    """Remove what is not to stay; what the camera keeps for its user and will not go must not keep the camera shut.

    Raises:
        Unavailable: the storage fails.
    """
    for item in _left(ports, kind):
        try:
            ports.erasure.remove(item)
        except Unavailable:
            if item[0] != "/":
                raise
    if kind != TRANSFER:
        # After the files, which are overwritten: a store of keys in files would only unlink its own.
        for key in (identity.IDENTITY, identity.EVIDENCE, identity.UNSEALING, identity.NEXT, identity.ROTATED):
            ports.keys.forget(key)
    if kind == ERASE:
        ports.secret.forget()


def _shown(item: str) -> str:
    """An item for evidence: whoever writes there may call a file anything."""
    return "".join(character if " " <= character <= "~" else "?" for character in item[:MAX_TOLD_CHARS])


def _source(body: bytes) -> "dict[str, Any]":
    source = parse_object(body, MAX_JOURNAL_BYTES)
    fields.integer(source, "v", 1, 1)
    return source
