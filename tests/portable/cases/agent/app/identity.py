from agent.app import identity

for key in (b"", b"key", b"x" * 91):
    print(identity.device_id(key), len(identity.device_id(key)) == identity.ID_CHARS)
