from agent.app import identity
from agent.formats.errors import FormatError

for key in (b"", b"key", b"x" * 91):
    print(identity.device_id(key), len(identity.device_id(key)) == identity.ID_CHARS)
body = identity.encode_name("a" * 26, "ab" * 32)
print(body, identity.parse_name(body))
for wrong in (b"", b"{}", body.replace(b"ab", b"xy"), body.replace(b"a" * 26, b"A" * 26)):
    try:
        print(identity.parse_name(wrong))
    except FormatError as error:
        print(error)


class Store:
    def __init__(self):
        self.content = {identity.NAME: body, identity.CERTIFICATE: b"new", identity.ROTATED_CERTIFICATE: b"new"}

    def read(self, name):
        return self.content.get(name)

    def delete(self, name):
        self.content.pop(name, None)


class Ports:
    def __init__(self):
        self.store, self.keys = Store(), self

    def replace(self, name, by):
        print("replace", name, by)

    def forget(self, name):
        print("forget", name)


ports = Ports()
print(identity.named(ports.store))
identity.finish_rotation(ports)
identity.finish_rotation(ports)
print(sorted(ports.store.content))
identity.forget_rotation(ports)
print(sorted(ports.store.content), identity.named(ports.store))
ports.store.content[identity.NAME] = b"damaged"
print(identity.named(ports.store))
