from agent.formats import neighbours
from agent.formats.errors import FormatError

for update in ({}, {"neighbours": {"serve": True}}, {"neighbours": {"serve": False, "port": 9000}}):
    print(neighbours.parse(update))
for wrong in (5, {}, {"serve": 1}, {"serve": True, "port": 80}, {"serve": True, "more": 1}):
    try:
        neighbours.parse({"neighbours": wrong})
    except FormatError as error:
        print(error)
