"""What the trust benchmarks verify: the product's thresholds, and a camera that knows the last release."""

from pathlib import Path

from tests.repositories import DEVICE, World, make_release


def world(now: int) -> World:
    """A camera that has looked before, and an operator who has assigned a new release since: every role is news.

    Image root 3 of 5, image targets 2 of 3, director root 2 of 3, one key for each online role.
    """
    made = World(now)
    made.offer(make_release("1.0.0"))
    made.run(DEVICE.replace(version="0.9.0"))
    made.offer(make_release("1.1.0"))
    return made


def write(folder: Path, made: World) -> None:
    """The files as tests/bench/trust_device.py reads them."""
    for name in ("image", "director"):
        served, stored = folder / "served" / name, folder / "stored" / name
        served.mkdir(parents=True)
        stored.mkdir(parents=True)
        for path, body in made.repository(name).files.items():
            (served / path).write_bytes(body)
        for role, kept in made.stored[name].items():
            (stored / role).write_bytes(kept or b"")
