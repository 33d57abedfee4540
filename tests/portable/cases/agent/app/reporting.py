from agent.formats import envelope, json
from tests.portable.story import ready

camera = ready()
camera.world.sensors.measured = {"uptime_s": 5, "cpu_percent": 12.5}
camera.world.run_for(1200)
for topic in ("/state", "/up/telemetry", "/up/report"):
    for payload in camera.world.broker.on(topic):
        print(topic, payload)
for payload in camera.world.broker.on("/up/telemetry"):
    for sample in envelope.parse(payload).body["samples"]:
        print(json.dump(sample))
