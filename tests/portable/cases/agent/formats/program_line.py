from agent.formats import program_line
from agent.formats.errors import FormatError

for line in (
    b'{"v":1,"n":1,"op":"publish","topic":"level","data":"Mi4zMSBt"}\n',
    b'{"v":1,"n":0,"op":"receive"}',
    b'{"v":1,"n":2,"op":"state"}',
    b'{"v":1,"n":2,"op":"state","topic":"x"}',
    b'{"v":1,"n":2,"op":"publish","topic":"a/b","data":""}',
    b'{"v":1,"n":2,"op":"publish","topic":"a","data":"YQ"}',
    b'{"v":1,"op":"state"}',
    b"\xff",
):
    try:
        print(program_line.parse_request(line))
    except FormatError as error:
        print(error)
print(program_line.encode_reply(3, {"waiting": 1}))
print(program_line.encode_refusal(3, "wait", {"retry_after_s": 2}))
print(program_line.encode_refusal(None, "bad_request", {}))
print(program_line.encode_message("interval", b"60"))
