from agent.app import audit_state
from agent.app.audit_state import CLEAN, FITS, State
from agent.formats.errors import FormatError, Rejected
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import Power
from firmware_sim.world.secrets import UnsafeDeviceSecret
from firmware_sim.world.store import Documents

secret = UnsafeDeviceSecret(Documents(Power()), Chance(1))
state = State("0f" * 8, {"0f" * 16: 17, "f0" * 16: CLEAN, "ff" * 16: FITS}, ("keys None  /root",))
body = audit_state.encode(state, secret)
print(len(body), audit_state.decode(body, secret) == state, b"root" in body)
for text in (b"{}", b'{"v":1,"list":"","progress":{},"told":[]}', b'{"v":1,"list":"","progress":{"x":1},"told":[]}'):
    try:
        print(audit_state.parse_state(text))
    except FormatError as error:
        print(str(error))
for text in (b'{"v":1}', b'{"v":2,"sealed":"AAAA"}'):
    try:
        print(audit_state.decode(text, secret))
    except Rejected as error:
        print(error.code)
