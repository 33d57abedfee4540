from agent.formats.value import Value


class Point(Value):
    FIELDS = ("x", "y")


class Other(Value):
    FIELDS = ("x", "y")


point = Point(1, y=2)
print(point, point.x, point.y, point.as_dict() == {"x": 1, "y": 2})
print(point == Point(1, 2), point == Other(1, 2), point == point.replace(y=3), len({point, Point(1, 2)}))


def attempt(action):
    try:
        action()
        print("no error")
    except (TypeError, AttributeError) as error:
        print(str(error))


attempt(lambda: Point(1))
attempt(lambda: Point(1, 2, 3))
attempt(lambda: Point(1, x=2))
attempt(lambda: Point(1, z=2))
attempt(lambda: point.replace(z=1))
attempt(lambda: setattr(point, "x", 5))
attempt(lambda: point.z)
