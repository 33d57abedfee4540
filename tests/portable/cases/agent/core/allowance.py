from agent.core import allowance
from agent.formats.errors import FormatError

NOVEMBER, DECEMBER = 1795910400, 1796083200
spent = allowance.NOTHING.plus(NOVEMBER, 500)
print(spent, spent.left_bytes(NOVEMBER, 800), spent.left_bytes(DECEMBER, 800), spent.left_bytes(NOVEMBER, 0))
print(allowance.parse(allowance.encode(spent)) == spent, spent.at(1000) == spent)
for wrong in (b"", b"{}", b'{"v":1,"month":"2026-13","spent":5}', b'{"v":1,"month":"2026-11","spent":-5}'):
    try:
        print(allowance.parse(wrong))
    except FormatError as error:
        print(error)
pace = allowance.Pace(1000)
print([pace.took(now, 500) for now in (10.0, 10.0, 10.0, 10.5, 20.0)], allowance.Pace(0).took(0.0, 5))
