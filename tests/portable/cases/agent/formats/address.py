from agent.formats import address
from agent.formats.errors import FormatError

RIGHT = (
    "0.0.0.0",
    "192.168.7.255",
    "::",
    "::1",
    "fd00::7:2",
    "1:2:3:4:5:6:7:8",
    "::ffff:10.0.0.1",
    "1:2:3:4:5:6:1.2.3.4",
)
WRONG = (
    "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.-4", ":", ":::", "1::2::3", "1:2:3:4:5:6:7",
    "fe80::1%eth0", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "g::", "[::1]", "1.2.3.4::", "a" * 99,
)  # fmt: skip
for text in RIGHT + WRONG:
    try:
        print(address.parse(text))
    except FormatError as error:
        print(text, error)
