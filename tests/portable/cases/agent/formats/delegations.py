from agent.formats import canonical_json, delegations, tuf
from agent.formats.errors import FormatError

for path, pattern in (
    ("foo.tgz", "*.tgz"),
    ("targets/foo.tgz", "*.tgz"),
    ("targets/foo.tgz", "targets/*.tgz"),
    ("targets/foo.txt", "targets/*.tgz"),
    ("foo-version-2.tgz", "foo-version-?.tgz"),
    ("foo-version-alpha.tgz", "foo-version-?.tgz"),
    ("a/b/c", "*/*/*"),
    ("a/b/c", "*/*"),
    ("/a", "*"),
    ("a/", "a/*"),
    ("", "*"),
    ("", ""),
    ("a", ""),
    ("abcab", "*ab"),
    ("aaaaaaaaaaab", "*a*a*a*b"),
    ("aaaaaaaaaaac", "*a*a*a*b"),
    ("x1", "x[0-9]"),
    ("xa", "x[0-9]"),
    ("xa", "x[!0-9]"),
    ("x]", "x[]]"),
    ("x-", "x[a-]"),
    ("x[", "x["),
    ("x!", "x[!]"),
    ("[!]", "[!]"),
    ("xz", "x[z-a]"),
    ("\u00fc\u5ddd", "\u00fc?"),
    (".hidden", "*"),
    ("a\nb", "a?b"),
):
    print(path, pattern, delegations.matches(path, pattern))

KEY = {"keytype": "novel", "scheme": "novel", "keyval": {}}


def role(name, **more):
    found = {"name": name, "keyids": ["k"], "threshold": 1, "terminating": False, "paths": ["*"]}
    found.update(more)
    return {member: found[member] for member in found if found[member] is not None}


def show(delegated, path="a"):
    signed = {"delegations": delegated} if delegated is not None else {}
    targets = tuf.Metadata("targets", 1, 1, (), canonical_json.encode(signed), signed)
    try:
        keys, found = delegations.responsible(targets, path, tuf.read_p256_key)
        print(sorted(keys), [(one.name, one.role.keyids, one.role.threshold, one.terminating) for one in found])
    except FormatError as error:
        print(error)


show(None)
show({})
show({"keys": {"k": KEY}})
show({"keys": {"k": KEY}, "roles": [role("x"), role("y", paths=["b"]), role("z", terminating=True), role("w")]})
show({"keys": {}, "roles": [role("x"), role("x")]})
for name in ("", "root", "timestamp", "snapshot", "targets", "\u5ddd" * 23, "../x", "targets2"):
    show({"keys": {}, "roles": [role(name)]})
show({"keys": {}, "roles": [role("x", paths=None)]})
show({"keys": {}, "roles": [role("x", path_hash_prefixes=[""])]})
show({"keys": {}, "roles": [role("x", paths=None, path_hash_prefixes=["ca97"]), role("y", terminating=None)]})
for prefixes in ([""], ["ca97"], ["CA97"], ["ca98", "c"], ["0" * 65], []):
    show({"keys": {}, "roles": [role("x", paths=None, path_hash_prefixes=prefixes)]})
for bits in (0, 1, 3, 4, 5, 8, 9, 16, 31, 32, 33):
    succinct = {"bit_length": bits, "name_prefix": "bin", "keyids": ["k"], "threshold": 2}
    show({"keys": {}, "succinct_roles": succinct})
    show({"keys": {}, "succinct_roles": succinct}, "another/path")
show({"keys": {}, "succinct_roles": succinct, "roles": []})
