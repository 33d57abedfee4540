from agent.core import password
from agent.formats.errors import FormatError


class Words:
    def contains(self, word):
        return word in ("admin", "password", "7ujmko0admin", "camera", "letmein")


WORDS = ("Camward", "kawa-1", "KW1-000001", "52:54:00:12:34:56", "river-north")
for typed in (
    "",
    "admin",
    "7ujMko0admin",
    "7ujMko0admin!!!",
    "passwordpassword",
    "Password1234567890",
    "adminadminadmin",
    "admin-password-1",
    "abcdefghijklmnop",
    "1qaz2wsx3edc4rfv",
    "qwertyuiopasdfgh",
    "aaaaaaaaaaaaaaaa",
    "abcabcabcabcabcabc",
    "525400123456 zebra",
    "KW1000001 zebra crossing",
    "mizu-yamada-2026-x",
    "correct horse battery staple",
    "川の水位を毎朝見る人は早起きです",
    "tab\tin a password!",
    "x" * 129,
    "tGh7#kPq2$mWz9!",
    "98765432109876543210",
):
    found = password.check(typed, "yamada", WORDS, password.DEFAULT, Words())
    print(typed, [violation.code for violation in found])
for violation in password.check("", "u", (), password.DEFAULT, Words()):
    print(violation.code, violation.en, violation.ja)
for source in ({}, {"min_chars": 20}, {"min_chars": 8}, {"max_chars": 20}, {"profile": "x"}, {"colour": 1}):
    try:
        print(password.parse_policy(source))
    except FormatError as error:
        print(error)
