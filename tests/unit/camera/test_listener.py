"""Who finds a place at a crowded listener."""

from firmware_sim.camera.listener import OWN_PLACES, has_place


def test_strangers_cannot_take_the_places_of_the_cameras_own_programs() -> None:
    limit = 8
    taken = 0
    while has_place("192.0.2.66", taken, limit):
        taken += 1
    assert taken == limit - OWN_PLACES
    for source in ("127.0.0.1", "127.93.4.5"):
        assert has_place(source, taken, limit)
        assert has_place(source, limit - 1, limit)
        assert not has_place(source, limit, limit)
