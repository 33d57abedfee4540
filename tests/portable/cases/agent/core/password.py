from agent.core import password
from agent.core.blocklist import WordList
from agent.core.password_policy import DEFAULT, parse_policy

LISTED = WordList(["admin", "password", "7ujmko0admin", "camera", "letmein"])
IPRO = parse_policy({"profile": "ipro-compatible"})

WORDS = ("Camward", "kawa-1", "KW1-000001", "52:54:00:12:34:56", "river-north")
for typed in (
    "",
    "admin",
    "7ujMko0admin",
    "7ujMko0admin!!!",
    "passwordpassword",
    "Password1234567890",
    "adminadminadmin",
    "4dm1n-p4$$w0rd!!",
    "our y4m4d4 on the bank",
    "kQ8zLr5p",
    "ａｄｍｉｎｐａｓｓｗｏｒｄ１２",
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
    for policy in (DEFAULT, IPRO):
        print(typed, [violation.code for violation in password.check(typed, "yamada", WORDS, policy, LISTED)])
for typed in ("", "a" * 200, "\t"):
    for violation in password.check(typed, "u", (), IPRO, LISTED):
        print(violation.code, violation.en, violation.ja)
