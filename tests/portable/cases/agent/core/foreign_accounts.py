from agent.core import foreign_accounts as core
from agent.core.foreign_accounts import looked
from agent.formats import audit

settings = audit.Audit("lock", (), (audit.AccountFile("/data/users", "htpasswd", ("viewer",)),))
passwd = (
    b"root:x:0:0::/run:/bin/false\ntoor:x:0:0::/root:/bin/sh\nkeiko:x:2000:1::/tmp:/bin/sh\nkeiko:x:0:1::/tmp:\nbad\n"
)
shadow = b"root:$1$a$b:::::::\ntoor::::::::\nkeiko:$1$c$d:::::::\nben:rubbish:::::::\n"
files = (
    looked(core.PASSWD_PATH, "passwd", core.OK, passwd),
    looked(core.SHADOW_PATH, "shadow", core.OK, shadow),
    looked("/data/users", "htpasswd", core.OK, b"viewer:$apr1$a$b\neve:*\nben:\n"),
    looked("/data/clear", "plain", core.OK, b"eve:admin\n"),
    looked("/root/.ssh/authorized_keys", "authorized_keys", core.OK, b"ssh-rsa AAAA\n"),
    looked("/tmp/.ssh/authorized_keys", "authorized_keys", "loop", b""),
    looked("/x", "authorized_keys", core.ABSENT, b""),
)
print(core.key_paths(files[0].lines))


def common(name, word):
    return word == "admin"


for weak in ((), tuple([one.key for one in core.judge(files, core.Known(settings, (), {}, (), common)).trials])):
    known = core.Known(settings, ("root",), {"keiko": (2000, "$1$c$d")}, weak, common)
    judged = core.judge(files, known)
    for one in judged.findings:
        print(one, core.lockable(one.code, one.path, True))
    for one in judged.trials:
        print(one)
    print(judged.accounts)
