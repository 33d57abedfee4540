import sys

from agent.core import blocklist, password
from agent.core.password_policy import DEFAULT
from agent.formats.errors import FormatError, Unavailable


def read(name):
    with open(sys.path[0] + "/agent/core/" + name, "rb") as file:
        return file.read()


def gone(name):
    raise Unavailable(name)


print(blocklist.WordList(["admin"]).commonness("admin", 1), len(blocklist.parse_words(read(blocklist.WORDS))))
for common in ("10k", "100k"):
    listed = blocklist.ShippedList(read, common)
    for word in ("7ujmko0admin", "suii", "sunshine", "manchesterunited", "zqheronkx", "川の水位"):
        print(common, word, [listed.commonness(word, least) for least in (1, 2, 3)])
    for typed in (
        "correct horse battery staple",
        "sunshinebutterfly",
        "P@ssw0rd-P@$$w0rd",
        "5un5h1n3-butt3rfly",
        "Manchester-United",
        "KasenKanshi-Kamera",
        "suzukihanako2026",
        "mizu wa shizuka ni",
        "川の水位を毎朝見る人は早起きです",
    ):
        print(typed, [one.code for one in password.check(typed, "", (), DEFAULT, listed)])
for listed in (blocklist.ShippedList(gone, "10k"), blocklist.ShippedList(lambda name: b"{}", "100k")):
    print([one.code for one in password.check("correct horse battery staple", "", (), DEFAULT, listed)])
for body in (b"{}", b'{"v":2,"groups":[{"words":["a b"]},{"words":["c"]}]}', b'{"v":2,"groups":[{"words":["A"]}]}'):
    try:
        print(blocklist.parse_words(body))
    except FormatError as error:
        print(error)
