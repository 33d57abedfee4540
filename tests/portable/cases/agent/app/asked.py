from agent.app.asked import Asked
from agent.formats.login import Request


class Desk:
    def send(self, connection, line):
        print(connection, line)


asked = Asked(Desk(), 7, "web", Request("login", "192.0.2.1", {"user": "keiko"}))
print(asked.service, asked.source, asked.arguments)
asked.yes({"role": "viewer"})
asked.yes({"role": "x" * 5000})
asked.no("denied")
asked.no("busy", {"detail": "later"})
