"""What can happen to a repository between two refreshes: honest work and attacks, each steered by two small numbers.

`CHANGES` is the table the stories draw from. A number picks from a table of values, so that small numbers (what
Hypothesis shrinks to) are the tame ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tests.unit.differential.keys import ALL_KEYS, signer
from tests.unit.differential.model import DAY_S, ROLES, Model, moment

Change = Callable[[Model, int, int], None]


def pick(values: Sequence[Any], number: int) -> Any:
    return values[number % len(values)]


def add(tricks: dict[str, Any], role: str, trick: Any) -> None:
    """One trick of a kind per role and publication: two on the same object would trip over each other."""
    tricks[role] = trick


# Honest work


def rotate_role(model: Model, a: int, b: int) -> None:
    """Other keys for one role, sometimes keeping some, with another threshold."""
    role = pick(ROLES, a)
    old_root_keys = list(model.keys["root"])
    first, count = b % model.key_count, 1 + b // model.key_count % 3
    model.keys[role] = [(first + index) % model.key_count for index in range(count)]
    model.thresholds[role] = 1 + a // 4 % count
    model.next_root(old_root_keys)


def add_key(model: Model, a: int, b: int) -> None:
    """One key more for a role: the old signatures stay valid."""
    role = pick(ROLES, a)
    old_root_keys = list(model.keys["root"])
    if b % model.key_count not in model.keys[role]:
        model.keys[role] = [*model.keys[role], b % model.key_count]
    model.next_root(old_root_keys)


def same_root_again(model: Model, a: int, b: int) -> None:
    """New root versions that change nothing but their life."""
    model.life_s["root"] = pick((365 * DAY_S, 30 * DAY_S, DAY_S, 1, 0), b)
    for _ in range(1 + a % 3):
        model.next_root()


def change_threshold(model: Model, a: int, b: int) -> None:
    role = pick(ROLES, a)
    model.thresholds[role] = 1 + b % 3
    model.next_root()


def switch_consistent_snapshots(model: Model, a: int, b: int) -> None:
    model.consistent = not model.consistent
    model.next_root()


def list_targets(model: Model, a: int, b: int) -> None:
    path = pick(("a/b", "c", "new", "a/b/c", "ü/名", "x y"), a)
    content = "content " + str(b)
    body = {"length": len(content), "hashes": {"sha256": f"{b:064x}"}}
    if b % 3 == 1:
        body["custom"] = {"note": b}
    pick([model.targets, *model.delegated.values()], b).targets[path] = body


def unlist_target(model: Model, a: int, b: int) -> None:
    model.targets.targets.pop(pick(("a/b", "c"), a), None)


def let_time_pass(model: Model, a: int, b: int) -> None:
    model.now += pick((0, 1, 3600, DAY_S, 2 * DAY_S - 1, 2 * DAY_S, 7 * DAY_S, 90 * DAY_S, 365 * DAY_S), a)
    model.tricks.silent = b % 2 == 1


def publish_nothing(model: Model, a: int, b: int) -> None:
    model.tricks.silent = True


def lose_stored_file(model: Model, a: int, b: int) -> None:
    model.tricks.lost.add(pick(model.online(), a))


# Versions and times


def jump(model: Model, a: int, b: int) -> None:
    """Another version than the next one; 2**24 is our limit of one step, 2**31 our limit of all."""
    role = pick(model.online(), a)
    step = pick((5, -1, 2**24 - 1, 2**24, -2, 2**24 + 1, 1000, -1000, 2**31, 2**53), b)
    if model.version(role) + step >= 1:
        model.set_version(role, model.version(role) + step)
        model.tricks.hold.add(role)


def hold_version(model: Model, a: int, b: int) -> None:
    """The same version again; with b odd over other content."""
    role = pick(model.online(), a)
    model.tricks.hold.add(role)
    if b % 2:
        add(model.tricks.signed, role, lambda signed: signed.update({"x-note": b}))


def short_life(model: Model, a: int, b: int) -> None:
    role, life_s = pick(model.online(), a), pick((1, 0, -1, -DAY_S, 30 * DAY_S), b)

    def expire(signed: dict[str, Any]) -> None:
        signed["expires"] = moment(model.now + life_s)

    add(model.tricks.signed, role, expire)


def replay(model: Model, a: int, b: int) -> None:
    """One file, or all of them, as they were some publications ago."""

    def back(served: dict[str, bytes]) -> None:
        old = model.history[-1 - b % len(model.history)]
        names = {0: ["timestamp.json"], 1: ["timestamp.json", *old]}.get(a % 3, [pick(sorted(served), a // 3)])
        for name in names:
            if name in old:
                served[name] = old[name]

    model.tricks.served.append(back)


# Signatures


def _dropped(signatures: list[Any], message: bytes) -> list[Any]:
    return signatures[:-1]


def _none(signatures: list[Any], message: bytes) -> list[Any]:
    return []


def _twice(signatures: list[Any], message: bytes) -> list[Any]:
    return [signatures[0], *signatures] if signatures else []


def _reversed(signatures: list[Any], message: bytes) -> list[Any]:
    return signatures[::-1]


def _spoiled(signatures: list[Any], message: bytes) -> list[Any]:
    return [{**one, "sig": one["sig"][:-2] + ("00" if one["sig"][-2:] != "00" else "01")} for one in signatures]


def _one_spoiled(signatures: list[Any], message: bytes) -> list[Any]:
    return [*_spoiled(signatures[:1], message), *signatures[1:]]


def _no_hexadecimal(signatures: list[Any], message: bytes) -> list[Any]:
    return [{**one, "sig": "zz" + one["sig"]} for one in signatures]


def _odd(signatures: list[Any], message: bytes) -> list[Any]:
    return [{**one, "sig": one["sig"][1:]} for one in signatures]


def _empty(signatures: list[Any], message: bytes) -> list[Any]:
    return [{**one, "sig": ""} for one in signatures]


def _upper(signatures: list[Any], message: bytes) -> list[Any]:
    return [{**one, "sig": one["sig"].upper()} for one in signatures]


def _over_another_message(signatures: list[Any], message: bytes) -> list[Any]:
    by_keyid = {signer(number).keyid: signer(number) for number in range(ALL_KEYS)}
    return [by_keyid[one["keyid"]].sign(message + b" ") for one in signatures if one["keyid"] in by_keyid]


def _under_another_name(signatures: list[Any], message: bytes) -> list[Any]:
    """Each key signs under the id of the next one."""
    keyids = [one["keyid"] for one in signatures]
    return [{**one, "keyid": keyid} for one, keyid in zip(signatures, keyids[1:] + keyids[:1], strict=True)]


def _strangers(signatures: list[Any], message: bytes) -> list[Any]:
    return [signer(8).sign(message), signer(9).sign(message)]


def _unknown_beside(signatures: list[Any], message: bytes) -> list[Any]:
    return [{"keyid": "00" * 32, "sig": "00" * 70}, *signatures]


def _extra_members(signatures: list[Any], message: bytes) -> list[Any]:
    return [{**one, "x-more": {"a": [1]}} for one in signatures]


def _no_list(signatures: list[Any], message: bytes) -> Any:
    return {"signatures": signatures}


def _wrong_types(signatures: list[Any], message: bytes) -> list[Any]:
    return [*signatures, {"keyid": 5, "sig": 7}]


def _missing_member(signatures: list[Any], message: bytes) -> list[Any]:
    return [*signatures, {"keyid": "00"}]


SIGNATURES = (
    _dropped,
    _none,
    _twice,
    _reversed,
    _spoiled,
    _one_spoiled,
    _no_hexadecimal,
    _odd,
    _empty,
    _upper,
    _over_another_message,
    _under_another_name,
    _strangers,
    _unknown_beside,
    _extra_members,
    _no_list,
    _wrong_types,
    _missing_member,
)


def sign_wrongly(model: Model, a: int, b: int) -> None:
    role = pick(("root", *model.online()), a)
    add(model.tricks.signatures, role, pick(SIGNATURES, b))
    if role == "root":
        model.next_root()


def sign_with_former_keys(model: Model, a: int, b: int) -> None:
    """Whoever has a key of any time signs this role."""
    role = pick(("root", *model.online()), a)
    numbers = [(b + index) % model.key_count for index in range(3)]
    add(model.tricks.signatures, role, lambda signatures, message: [signer(key).sign(message) for key in numbers])
    if role == "root":
        model.next_root()


# Contents


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(signed: dict[str, Any]) -> None:
        signed[name] = value

    return change


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    def change(signed: dict[str, Any]) -> None:
        signed.pop(name, None)

    return change


SIGNED = (
    _set("x-extra", {"nested": ["a", 1, None, True, "名"]}),
    _set("spec_version", "1.0"),
    _set("spec_version", "1.99.0"),
    _set("spec_version", "2.0.0"),
    _set("spec_version", "1"),
    _set("spec_version", 1),
    _set("_type", "mirrors"),
    _set("_type", "targets"),
    _set("_type", "timestamp"),
    _set("version", 0),
    _set("version", -1),
    _set("version", "2"),
    _set("version", None),
    _set("expires", "2027-01-15"),
    _set("expires", "2030-13-01T00:00:00Z"),
    _set("expires", "2030-01-01T00:00:00.000Z"),
    _set("expires", 5),
    _set("meta", {}),
    _set("meta", []),
    _set("targets", []),
    _set("targets", {"a/b": {"length": -1, "hashes": {"sha256": "00"}}}),
    _set("roles", {}),
    _set("keys", {}),
    _drop("version"),
    _drop("expires"),
    _drop("spec_version"),
    _drop("_type"),
    _drop("meta"),
    _drop("targets"),
    _drop("keys"),
    _drop("roles"),
)


def say_something_else(model: Model, a: int, b: int) -> None:
    role = pick(("root", *model.online()), a)
    add(model.tricks.signed, role, pick(SIGNED, b))
    if role == "root":
        model.next_root()


def skip_a_root(model: Model, a: int, b: int) -> None:
    """A root whose file name and version differ."""
    add(model.tricks.signed, "root", _set("version", max(1, model.root_version + pick((2, 3, 0, -1), a))))
    model.next_root()


def root_by_new_keys_alone(model: Model, a: int, b: int) -> None:
    model.keys["root"] = [(7 + a + index) % model.key_count for index in range(2)]
    model.thresholds["root"] = 1 + b % 2
    model.next_root()


def root_by_old_keys_alone(model: Model, a: int, b: int) -> None:
    old = list(model.keys["root"])
    model.keys["root"] = [(7 + a + index) % model.key_count for index in range(2)]
    add(model.tricks.signatures, "root", lambda signatures, message: [signer(number).sign(message) for number in old])
    model.next_root()


def odd_keys(model: Model, a: int, b: int) -> None:
    """A root with an odd set of keys."""
    odd = pick((_lonely_keyid, _one_key_two_ids, _unknown_key, _mirrors, _many_keys), a)
    add(model.tricks.signed, "root", odd)
    model.next_root()
    if odd is _one_key_two_ids:
        add(model.tricks.signatures, "timestamp", _under_both_names)


def _lonely_keyid(signed: dict[str, Any]) -> None:
    """A role names a key that the root does not carry."""
    signed["roles"]["timestamp"]["keyids"].append("00" * 32)


def _one_key_two_ids(signed: dict[str, Any]) -> None:
    """The timestamp's first key once more under another id, and both are needed."""
    role = signed["roles"]["timestamp"]
    role["threshold"] = 2
    signed["keys"]["11" * 32] = dict(signed["keys"][role["keyids"][0]])
    role["keyids"].append("11" * 32)


def _under_both_names(signatures: list[Any], message: bytes) -> list[Any]:
    return [*signatures, {**signatures[0], "keyid": "11" * 32}]


def _unknown_key(signed: dict[str, Any]) -> None:
    """A key type of the future."""
    signed["keys"]["22" * 32] = {"keytype": "future", "scheme": "future-1", "keyval": {"public": "00"}}
    signed["roles"]["targets"]["keyids"].append("22" * 32)


def _mirrors(signed: dict[str, Any]) -> None:
    """The role that the specification once had (4.3)."""
    signed["roles"]["mirrors"] = dict(signed["roles"]["timestamp"])


def _many_keys(signed: dict[str, Any]) -> None:
    for number in range(70):
        signed["keys"][f"{number:064x}"] = dict(signer(0).entry)


META: tuple[Callable[[dict[str, Any]], Any], ...] = (
    lambda meta: meta.pop("length"),
    lambda meta: meta.pop("hashes"),
    lambda meta: (meta.pop("length"), meta.pop("hashes")),
    lambda meta: meta.update(length=meta["length"] + 1),
    lambda meta: meta.update(length=meta["length"] - 1),
    lambda meta: meta.update(length=0),
    lambda meta: meta.update(length=-1),
    lambda meta: meta.update(length="5"),
    lambda meta: meta.update(hashes={"sha256": "00" * 32}),
    lambda meta: meta.update(hashes={"sha256": "zz"}),
    lambda meta: meta.update(hashes={}),
    lambda meta: meta.update(hashes=[]),
    lambda meta: meta.update(version=meta["version"] + 1),
    lambda meta: meta.update(version=max(1, meta["version"] - 1)),
    lambda meta: meta.update(version=0),
    lambda meta: meta.update(version="1"),
    lambda meta: meta.pop("version"),
    lambda meta: meta.update({"x-extra": [1, 2]}),
    lambda meta: meta["hashes"].update(sha512="00" * 64),
    lambda meta: meta.update(hashes={"sha512": "00" * 64}),
    lambda meta: meta["hashes"].update(sha999="00"),
    lambda meta: meta["hashes"].update(sha256=meta["hashes"]["sha256"].upper()),
)


def describe_wrongly(model: Model, a: int, b: int) -> None:
    """What the timestamp says about the snapshot, or the snapshot about the targets."""
    add(model.tricks.meta, pick(("snapshot", "targets", *model.delegated), a), pick(META, b))


def name_more_files(model: Model, a: int, b: int) -> None:
    """The snapshot names one more file, or forgets targets.json."""
    if a % 4 == 3:
        add(model.tricks.signed, "snapshot", lambda signed: signed["meta"].pop("targets.json", None))
    else:
        entry = {"version": 1 + b % 3}
        add(model.tricks.signed, "snapshot", lambda signed: signed["meta"].update({f"other{a % 3}.json": entry}))


# Bytes


def _cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _nothing(body: bytes) -> bytes:
    return b""


def _spaced(body: bytes) -> bytes:
    return b" \n" + body.replace(b'", "', b'" ,\t"') + b"\n "


def _marked(body: bytes) -> bytes:
    return b"\xef\xbb\xbf" + body


def _followed(body: bytes) -> bytes:
    return body + b"{}"


def _invalid_utf8(body: bytes) -> bytes:
    return body.replace(b'"spec_version"', b'"x": "\xff", "spec_version"', 1)


def _list_instead(body: bytes) -> bytes:
    return b"[" + body + b"]"


def _unsigned_member(body: bytes) -> bytes:
    return body[:-1] + b', "x-unsigned": [1, "a", null]}'


def _padded(body: bytes) -> bytes:
    return body + b" " * (600 * 1024)


def _twice_a_member(body: bytes) -> bytes:
    """A member of the signed part twice: readers that keep the last one see what was signed."""
    return body.replace(b'"signed": {', b'"signed": {"version": 7, ', 1)


def _nan(body: bytes) -> bytes:
    return body[:-1] + b', "x-unsigned": NaN}'


def _deep(body: bytes) -> bytes:
    return body[:-1] + b', "x-unsigned": ' + b"[" * 100 + b"]" * 100 + b"}"


def _huge_integer(body: bytes) -> bytes:
    return body[:-1] + b', "x-unsigned": 1' + b"0" * 40 + b"}"


BODIES = (
    _spaced,
    _cut,
    _nothing,
    _marked,
    _followed,
    _invalid_utf8,
    _list_instead,
    _padded,
    _unsigned_member,
    _twice_a_member,
    _nan,
    _deep,
    _huge_integer,
)


def spoil_bytes(model: Model, a: int, b: int) -> None:
    role = pick(("root", *model.online()), a)
    add(model.tricks.body, role, (pick(BODIES, b), b // len(BODIES) % 2 == 0))
    if role == "root":
        model.next_root()


def remove_file(model: Model, a: int, b: int) -> None:
    def remove(served: dict[str, bytes]) -> None:
        names = sorted(served)
        served.pop(pick(names, -1 - a), None)

    model.tricks.served.append(remove)


def swap_files(model: Model, a: int, b: int) -> None:
    def swap(served: dict[str, bytes]) -> None:
        names = sorted(served)
        first, second = pick(names, -1 - a), pick(names, -1 - b)
        served[first], served[second] = served[second], served[first]

    model.tricks.served.append(swap)


CHANGES: tuple[Change, ...] = (
    list_targets,
    publish_nothing,
    let_time_pass,
    rotate_role,
    rotate_role,
    add_key,
    same_root_again,
    change_threshold,
    switch_consistent_snapshots,
    unlist_target,
    lose_stored_file,
    jump,
    hold_version,
    short_life,
    replay,
    replay,
    sign_wrongly,
    sign_with_former_keys,
    say_something_else,
    skip_a_root,
    root_by_new_keys_alone,
    root_by_old_keys_alone,
    odd_keys,
    describe_wrongly,
    name_more_files,
    spoil_bytes,
    remove_file,
    swap_files,
)
