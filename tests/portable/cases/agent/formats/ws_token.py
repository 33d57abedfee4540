from agent.formats import ws_token
from agent.formats.errors import FormatError

# The digest of the ONVIF Application Programmer's Guide's form, recomputed with openssl.
print(ws_token.digest(b"nonce", "2026-11-28T12:00:00Z", "ABCDEFGHIJKLMNOPQRST"))
made = ws_token.make_secret(bytes(range(0, 200, 10)))
print(made, ws_token.is_secret(made), ws_token.is_secret(made[1:]), ws_token.is_secret(made.lower()))
for text in ("YWJj", "", "YWJ", "Y WJj", "A" * 88, "A" * 92):
    try:
        print(len(ws_token.parse_nonce(text)))
    except FormatError as error:
        print(error)
for text in (
    "2026-11-28T12:00:00Z", "2026-11-28T12:00:00.5Z", "2026-11-28T12:00:00.123456789Z", "2026-11-28T12:00:00.Z",
    "2026-11-28T12:00:00.1234567890Z", "2026-11-28T12:00:00.x1Z", "2026-11-28T12:00:00", "2026-11-28T12:00:00+00:00",
    "2026-11-28T12:00:00ZZ", "Z", "", "2026-02-30T12:00:00Z", "12026-11-28T12:00:00Z",
):  # fmt: skip
    try:
        print(ws_token.parse_created(text))
    except FormatError as error:
        print(error)
