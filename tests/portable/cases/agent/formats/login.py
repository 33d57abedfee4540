from agent.formats import login
from agent.formats.errors import FormatError

for op in sorted(login.OPERATIONS):
    needed, optional = login.OPERATIONS[op]
    arguments = {name: "x" for name, _ in needed + optional}
    line = login.encode_request(op, "192.0.2.7", arguments)
    request = login.parse_request(line)
    print(line, request.op, request.source, sorted(request.arguments.items()))
for line in (
    b"",
    b"{}",
    b'{"v":2}',
    b'{"v":1,"op":"shell","source":"x"}',
    b'{"v":1,"op":"state"}',
    b'{"v":1,"op":"state","source":""}',
    b'{"v":1,"op":"state","source":"x","user":"y"}',
    b'{"v":1,"op":"login","source":"x","user":"y"}',
    b'{"v":1,"op":"login","source":"x","user":1,"password":"z"}',
    b"x" * 5000,
):
    try:
        print(login.parse_request(line))
    except FormatError as error:
        print(error)
print(login.encode_reply({"role": "viewer"}), login.encode_refusal("wait", {"retry_after_s": 5}))
for make in (lambda: login.encode_refusal("maybe", {}), lambda: login.encode_reply({"x": "y" * 5000})):
    try:
        print(make())
    except FormatError as error:
        print(error)
