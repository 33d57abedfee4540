from agent.formats import range_request
from agent.formats.errors import FormatError

for lines in (
    ("GET /a HTTP/1.1", "Range: bytes=0-9"),
    ("GET /a HTTP/1.1", "RANGE:bytes=5-5", "Connection: close"),
    ("GET /a HTTP/1.1",),
    ("PUT /a HTTP/1.1", "Range: bytes=0-9"),
    ("GET /a HTTP/1.1", "Range: bytes=9-0"),
    ("GET /a HTTP/1.1", "Range: bytes=0-9,11-12"),
    ("GET /a HTTP/1.1", "Range: bytes=0-9", "Content-Length: 5"),
    ("GET /a HTTP/1.1", "Range: bytes=0-9", "a" * 3000),
):
    try:
        print(range_request.parse("\r\n".join(lines + ("", "")).encode()))
    except FormatError as error:
        print(error)
