from agent.core import deny_list
from agent.formats.errors import FormatError
from firmware_sim.world.factory import product_data

made = deny_list.read_list(product_data, ("KW1-000001", "admin"))
print(made.count(), made.fingerprint)
print(made.some("anna", 0, 16))
print(made.some("anna", made.count() - 2, 10), made.some("anna", made.count(), 10))
for body in (b"{}", b'{"v":1,"passwords":[]}', b'{"v":1,"passwords":["a"]}'):
    try:
        print(deny_list.parse_denied(body))
    except FormatError as error:
        print(str(error))
