from agent.core import attack
from agent.formats.errors import FormatError

state = attack.Attack()
for number in range(30):
    told = state.wrong("10.0.0." + str(number // 4), "viewer" if number % 3 else "", float(number), 1000 + number)
    if told is not None:
        print(number, told)
for number in range(300):
    told = state.wrong("10.0." + str(number // 256) + "." + str(number % 256), "claim", 40.0, 2000)
    if told is not None:
        print(number, told)
print(state.encode())
again = attack.Attack()
again.resume(state.encode(), 50.0)
print(again.encode() == state.encode(), again.wake_at())
for now in (60.0, 700.0, 2000.0, 3639.0, 3641.0, 3700.0):
    print(now, state.due(now), state.wake_at(), again.due(now))
for wrong in (3, 10, 11, 12, 13, 14):
    print(state.got_in("192.0.2.1", "viewer", wrong, 4000.0, 5000))
for body in (b"", b"{}", b'{"v":1,"again_s":1}'):
    try:
        print(attack.Attack().resume(body, 0.0))
    except FormatError as error:
        print(error)
