from agent.app import enrolment_state
from agent.formats import token
from agent.formats.errors import FormatError

made = token.Token("https://operator.test:8443", "secret", "t1", b"\x30\x00", "ab" * 32)
for phase in enrolment_state.PHASES:
    body = enrolment_state.encode(phase, made)
    print(body)
    print(enrolment_state.decode(body) == (phase, made))
for body in (
    b"",
    b"{}",
    b'{"phase":"owning"}',
    b'{"phase":"x","token":"camward1.e30"}',
    b'{"phase":"owning","token":"x"}',
):
    try:
        print(enrolment_state.decode(body))
    except FormatError as error:
        print(error)
