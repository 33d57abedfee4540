"""The judgement on accounts: nobody open goes untold, nobody who belongs is told, and the worst comes first."""

from hypothesis import given
from hypothesis import strategies as st

from agent.core import foreign_accounts as core
from agent.core.foreign_accounts import PASSWD_PATH, SHADOW_PATH, Known, judge, looked
from agent.formats import account_lines as files
from agent.formats import audit
from agent.formats.shadow import Passwd, Shadow, encode_passwd, encode_shadow
from firmware_sim.camera.web.accounts_text import CODES
from tests.fuzz.seeds import YESCRYPT

NAMES = st.from_regex(r"[a-z_][a-z0-9_.-]{0,15}", fullmatch=True)
SECRETS = st.sampled_from(["", "*", "!", "!" + YESCRYPT, YESCRYPT, "$1$a$b", "rubbish"])
SHELLS = st.sampled_from(["/bin/sh", "/bin/false", "/usr/sbin/nologin"])
ENTRIES = st.dictionaries(NAMES, st.tuples(st.integers(0, 5000), SECRETS, SHELLS), max_size=6)


def known(base=(), ours=None, settings=audit.DEFAULT, weak=()):
    return Known(settings, tuple(base), ours or {}, tuple(weak), lambda _name, word: word == "admin")


def pair(entries):
    passwd = encode_passwd([Passwd(name, uid, 1, "", "/", shell) for name, (uid, _, shell) in entries.items()])
    shadow = "".join(f"{name}:{secret}:::::::\n" for name, (_, secret, _) in entries.items())
    return (
        looked(PASSWD_PATH, files.PASSWD, core.OK, passwd),
        looked(SHADOW_PATH, files.SHADOW, core.OK, shadow.encode()),
    )


def codes(judged, name):
    return {one.code for one in judged.findings if one.name == name}


@given(ENTRIES, st.data())
def test_every_account_is_judged_by_what_it_is(entries, data):
    base = data.draw(st.sets(st.sampled_from(sorted(entries)))) if entries else set()
    judged = judge(pair(entries), known(base))
    tried = {one.secret for one in judged.trials}
    for name, (uid, secret, shell) in entries.items():
        found = codes(judged, name)
        assert (core.UNKNOWN in found) == (name not in base)
        assert (core.ROOT_TWIN in found) == (uid == 0 and name != "root")
        assert (core.EMPTY in found) == (secret == "")
        opens = secret[:1] not in ("*", "!")
        assert (core.USABLE in found) == (opens and shell == "/bin/sh")
        assert (core.UNTESTED in found) == (secret == "rubbish")
        assert (secret in tried) == (secret in (YESCRYPT, "$1$a$b"))


@given(ENTRIES)
def test_whom_the_agent_put_there_is_nobody_to_tell_about(entries):
    mine = {name: (uid, YESCRYPT, shell) for name, (uid, _, shell) in entries.items() if uid}
    judged = judge(pair(mine), known(ours={name: (uid, YESCRYPT) for name, (uid, _, _) in mine.items()}))
    assert (judged.findings, judged.trials) == ((), ()), "their passwords are tried in the agent's own stores"


def test_a_weak_hash_is_told_wherever_it_stands():
    entries = {"root": (0, "$1$a$b", "/bin/false"), "eve": (5, "$1$a$b", "/bin/false")}
    (one, two) = judge(pair(entries), known(entries)).trials
    assert one.key != two.key, "the password may be made of the name"
    judged = judge(pair(entries), known(entries, weak=(one.key,)))
    assert [found.code for found in judged.findings] == [core.WEAK]


def test_the_worst_comes_first_and_the_rest_is_cut():
    rows = b"".join(b"u%d:x:5:5::/:/bin/sh\n" % number for number in range(100)) + b"toor:x:0:0::/:/bin/sh\n"
    judged = judge((looked(PASSWD_PATH, files.PASSWD, core.OK, rows),), known())
    assert len(judged.findings) == core.MAX_FINDINGS
    assert judged.findings[0].code == core.ROOT_TWIN
    ranks = [core.CODES.index(one.code) for one in judged.findings]
    assert ranks == sorted(ranks)


def test_the_manufacturers_declaration_replaces_what_its_passwd_says():
    entries = {"root": (0, "*", "/bin/false"), "debug": (5, "*", "/bin/false")}
    declared = audit.Audit(audit.LOCK, ("root",), ())
    judged = judge(pair(entries), known(entries, settings=declared))
    assert {(one.code, one.name) for one in judged.findings} == {(core.UNKNOWN, "debug")}


def test_every_finding_has_words_in_both_languages():
    assert set(CODES) == set(core.CODES)


def test_what_can_be_locked_lies_in_memory_or_on_the_data_partition():
    can = [
        path
        for path in (PASSWD_PATH, "/data/x/y", "/tmp/.ssh/k", "/run/x")
        if core.lockable(core.WEAK, path, in_memory=True)
    ]
    assert can == [PASSWD_PATH, "/data/x/y", "/tmp/.ssh/k", "/run/x"]
    for path in (
        "/etc/dropbear/authorized_keys",
        "/root/.ssh/authorized_keys",
        core.BASE_SHADOW,
        "credentials/web.json",
        "/data/camward/credentials/web.json",
        "/database/x",
    ):
        assert not core.lockable(core.WEAK, path, in_memory=True)
    assert not core.lockable(core.WEAK, SHADOW_PATH, in_memory=False)
    assert core.lockable(core.MALFORMED, PASSWD_PATH, in_memory=True)
    assert not core.lockable(core.MALFORMED, "/data/x/y", in_memory=True)


def test_keys_are_looked_for_in_every_home_and_no_path_leads_back():
    homes = (b"/tmp", b"/tmp/", b"/data/../etc", b"", b"relative", b"/root", b"/", b"//")
    rows = b"".join(b"u%d:x:5:5::%s:/bin/sh\n" % (number, home) for number, home in enumerate(homes))
    found = core.key_paths(looked(PASSWD_PATH, files.PASSWD, core.OK, rows).lines)
    assert sorted(found) == sorted(
        [f"{home}/.ssh/authorized_keys{two}" for home in ("", "/root", "/tmp") for two in ("", "2")]
        + ["/etc/dropbear/authorized_keys"]
    )
    many = b"".join(b"u%d:x:5:5::/home/%d:/bin/sh\n" % (number, number) for number in range(200))
    lines = looked(PASSWD_PATH, files.PASSWD, core.OK, many).lines
    assert len(core.key_paths(lines)) == 3 + 2 * core.MAX_HOMES


def test_our_own_writers_files_are_clean():
    passwd = encode_passwd([Passwd("root", 0, 0, "", "/run", "/bin/false")])
    found = (
        looked(PASSWD_PATH, files.PASSWD, core.OK, passwd),
        looked(SHADOW_PATH, files.SHADOW, core.OK, encode_shadow([Shadow("root", "*", 20000)])),
    )
    assert judge(found, known(("root",))).findings == ()
