from agent.app.ports import Ports

ports = Ports(*range(len(Ports.FIELDS)))
for name in Ports.FIELDS:
    print(name, getattr(ports, name))
