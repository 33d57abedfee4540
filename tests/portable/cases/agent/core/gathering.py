from agent.core.gathering import Gathering, most

gathering = Gathering(3)
for at in range(8):
    sample = {"at": at, "version": "1.0.0", "phase": "idle" if at < 5 else "installing", "rss_bytes": at}
    print(at, [one["at"] for one in gathering.take()] if gathering.add(sample) else None)
print([one["at"] for one in gathering.take()], gathering.take())
print(most("wired", 300), most("mobile", 300), most("mobile", 5), most("mobile", 86400))
