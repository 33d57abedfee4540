from agent.formats import delivery
from agent.formats.errors import FormatError

artifact = delivery.Artifact("ab" * 32, "a.delta", 500, "cd" * 32, 100, "ef" * 32, b"e", b"s")
made = delivery.Delivery(True, (delivery.Source("https://a", ""), delivery.Source("https://b:1", "cam")), artifact)
print(delivery.parse(delivery.as_json(made)))
print(delivery.parse({"v": 1}) == delivery.PLAIN)
for wrong in ({}, {"v": 2}, {"v": 1, "install": "x"}, {"v": 1, "sources": [{"url": "http://a"}]}):
    try:
        delivery.parse(wrong)
    except FormatError as error:
        print(error)
