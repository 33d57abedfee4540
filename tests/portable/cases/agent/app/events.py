from agent.app import events

for name in sorted(dir(events)):
    kind = getattr(events, name)
    fields = getattr(kind, "FIELDS", None)
    if fields:
        print(name, fields, kind(*range(len(fields))))
