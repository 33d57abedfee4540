from firmware_sim.world.power import DISK_OUTCOMES, KEPT, LOST, OUTCOMES, TORN, Power, PowerCut


def settle(power, settled):
    return lambda: settled.append([power.survives() for _ in range(12)])


for outcome in OUTCOMES:
    power = Power(3)
    settled = []
    power.settles(settle(power, settled))
    power.cut_at(2, outcome)
    for number in range(4):
        try:
            if power.operation("work " + str(number)):
                raise power.fail()
            print(number, "done")
        except PowerCut as cut:
            print(number, str(cut))
    print(settled, power.is_off(), power.count, power.trace)
    power.restore()
    print(power.is_off(), power.operation("again"))

power = Power()
power.unplug(KEPT)
print(power.is_off(), power.count, power.survives())
try:
    power.cut_at(1, "half")
except ValueError as error:
    print("refused", str(error))
print(LOST, KEPT, TORN)

for outcome in DISK_OUTCOMES:
    power = Power(8)
    power.unplug(outcome)
    print(outcome, [power.erases() for _ in range(12)])
