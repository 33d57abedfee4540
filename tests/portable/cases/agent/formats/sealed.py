from agent.formats import sealed
from agent.formats.errors import FormatError

body = sealed.encode(b"\x00\xffsealed")
print(body, sealed.parse(body, 100), sealed.parse(b'{"v":1,"users":{}}', 100))
for other in (
    b"",
    b"{}",
    b'{"v":3}',
    b'{"v":2}',
    body[:-1],
    body.replace(b"/", b"."),
    b'{"v":2,"sealed":"","x":1}',
    body + b" " * 99,
):
    try:
        print(sealed.parse(other, 100))
    except FormatError as error:
        print(str(error))
