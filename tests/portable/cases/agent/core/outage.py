from agent.core.outage import Outage

outage = Outage()
outage.down("", 0.0)
outage.up(10.0, 1000)
print(outage.facts())
outage.down("closed", 100.0)
for trouble in ("name", "portal", "closed"):
    outage.down(trouble, 200.0)
outage.up(400.5, 2000)
print(sorted(outage.facts().items()))
outage.down("name", 500.0)
outage.up(799.0, 3000)
print(sorted(outage.facts().items()))
outage.down("name", 0.0)
outage.up(5000.0, 100)
print(sorted(outage.facts().items()))
