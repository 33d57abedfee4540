from agent.formats import utc
from agent.formats.errors import FormatError

for at in (0, 59, 86399, 86400, 68169600, 951782399, 951782400, 1800000000, 4102444800, 253402300799):
    text = utc.render(at)
    print(at, text, utc.parse(text) == at)
for text in (
    "",
    "2026-11-22",
    "2026-11-22T00:00:00",
    "2026-11-22 00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2024-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:60Z",
    "1969-12-31T23:59:59Z",
    "2026-01-01T00:00:00+00:00",
    "202a-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "２０26-01-01T00:00:00Z",
    "-026-01-01T00:00:00Z",
    " 026-01-01T00:00:00Z",
):
    try:
        print(text, utc.parse(text))
    except FormatError as error:
        print(text, error)
for at in (-1, 253402300800, 10**15):
    try:
        print(utc.render(at))
    except FormatError as error:
        print(at, error)
