from agent.formats import token
from agent.formats.errors import FormatError
from tests.portable import wire

made = token.Token(
    url="https://10.0.2.2:8443", secret="s3cret", id="t-1", ca=b"\x30\x82der", ownership_sha256="ab" * 32
)
text = token.encode(made)
print(text)
print(token.parse("  " + text[:40] + "\n " + text[40:] + "\n") == made)
for wrong in (
    "",
    "camward1.",
    "camward2." + text[9:],
    text + "A",
    text[:-4],
    "x" * 9000,
    "camward1.e30",
    text.replace(".", "._", 1),
):
    try:
        print(token.parse(wrong))
    except FormatError as error:
        print(error)
for url in (
    "http://x",
    "https://",
    "https://x/path",
    "https://u@x",
    "https://x y",
    "https://x?q",
    "https://é",
    "https://x:1",
    "https://[fd00::1]:1",
    "https://a..b:1",
    "https://" + "x" * 64 + ".example",
):
    try:
        token.parse(token.encode(made.replace(url=url)))
        print(url, "taken")
    except FormatError as error:
        print(url, error)
for est in (
    "",
    "https://est.example/.well-known/est",
    "https://est.example:8443/.well-known/est/cameras",
    "https://est.example/.well-known/est/",
    "https://est.example/.well-known/est/a/b",
    "https://est.example/.well-known/est/a?b",
    "https://est.example/.well-known/estate",
    "https://est.example/est",
    "http://est.example/.well-known/est",
    "https://u@est.example/.well-known/est",
):
    other = made.replace(est_url=est, est_ca=b"\x30\x00" if est else b"", secret="")
    try:
        print(est, token.parse(token.encode(other)) == other)
    except FormatError as error:
        print(est, error)
wire.show("token")
