from agent.core.clock import Time
from agent.core.trust import Device
from agent.core.trust_owner import OwnerCheck
from agent.formats.errors import Rejected, Unavailable
from tests.portable.story import NOW, Stage, verify

camera = Stage()
operator = camera.operator
for version, epoch in (("1.1.0", 1), ("1.10.0", 1), ("9.0.0", 0), ("0.9.0", 1)):
    camera.release(version, epoch)
operator.image.publish()
operator.serve()


def play(wanted="", hardware="a", missing="", now=NOW):
    print("==", wanted, hardware, missing)
    stored = {"image": {"root": operator.image.files["1.root.json"]}}
    try:
        check = OwnerCheck(Device("me", "kawa-1", hardware, "1.0.0", 1), stored, Time(now, 0, 0), verify, wanted)
        while True:
            request = check.wants()
            if request is None:
                break
            body = operator.files.get("/tuf/image/" + request.path)
            print(request, body is not None)
            if body is None or (missing and missing in request.path):
                check.absent()
            else:
                check.feed(body)
            print([(name, len(found) > 0) for name, found in check.accepted()])
        print(None if check.outcome is None else check.outcome.version)
    except (Rejected, Unavailable) as error:
        print(error)


play()
play("kawa-1-a-1.1.0.slot")
play("kawa-1-a-1.0.0.slot")
play("kawa-1-a-0.9.0.slot")
play("kawa-1-a-9.0.0.slot")
play("kawa-1-a-6.6.6.slot")
play("kawa-1-a-1.1.0.slot", "z")
play("", "z")
play(missing="timestamp")
play(now=NOW + 40000000)
