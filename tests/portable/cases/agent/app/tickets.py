from agent.app import tickets
from agent.app.desk import Desk
from agent.app.digest import response, secret


class Entropy:
    made = 0

    def bytes(self, count):
        self.made += 1
        return bytes([self.made]) * count


class Ports:
    entropy = Entropy()


desk = Desk(Ports(), None, None)
out = tickets.Tickets(desk)
COUNTED = ("00000001", "c", "auth")


def ask(ticket, method, password):
    ha1 = secret("SHA-256", ticket.user, password)
    answer = response("SHA-256", ha1, method, "/", "n", COUNTED)
    given = {"method": method, "algorithm": "SHA-256", "uri": "/", "nonce": "n", "response": answer}
    return out.admits(ticket, given, COUNTED)


first = out.issue("rtsp", "127.1.2.3")
print(first, len(out.grant()))
for method in tickets.METHODS + ("PLAY", "GET"):
    print(method, ask(first, method, first.password))
second = out.issue("rtsp", "127.1.2.3")
for where in (("rtsp", "127.1.2.3", second.user), ("web", "127.1.2.3", second.user), ("rtsp", "127.1.2.3", first.user)):
    print(out.find(*where) == second)
print(ask(second, "DESCRIBE", "x"), out.find("rtsp", "127.1.2.3", second.user))
third = out.issue("rtsp", "127.1.2.3")
desk.now = tickets.TICKET_LIFE_S + 1
print(out.find("rtsp", "127.1.2.3", third.user))
