"""Particles keep their names through drift, jumps, gaps and mergers."""

import numpy as np
import pytest

from analysis.particles.following import Following, Seen, common_shift


def field(rng, number: int, side_px: float, apart_px: float) -> np.ndarray:
    """Places that lie at least so far apart."""
    places: list[np.ndarray] = []
    while len(places) < number:
        place = rng.uniform(0.0, side_px, 2)
        if all(np.hypot(*(place - p)) > apart_px for p in places):
            places.append(place)
    return np.array(places)


@pytest.mark.parametrize("seed", range(5))
def test_fifty_particles_keep_their_names_for_two_hundred_images(seed):
    """3 px of drift per image, 5 % not detected, places and sizes with errors, and a jump of 40 px by heating."""
    rng = np.random.default_rng(seed)
    places, sizes = field(rng, 50, 2000.0, 60.0), rng.uniform(20.0, 45.0, 50)
    way = rng.normal(size=2)
    drift = 3.0 * way / np.hypot(*way)
    following, kept, total = Following(), 0, 0
    true_names: dict[int, int] = {}
    for image in range(200):
        places = places + drift + (40.0 * np.array([0.6, -0.8]) if image == 100 else 0.0)
        there = np.flatnonzero(rng.random(50) > 0.05)
        seen = [Seen(*(places[n] + rng.normal(0.0, 0.5, 2)), sizes[n] * rng.normal(1.0, 0.02)) for n in there]
        for n, name in zip(there, following.add(seen), strict=True):
            kept += true_names.setdefault(n, name) == name
            total += 1
    assert kept / total >= 0.98, f"seed {seed}: {kept / total}"
    assert not [e for e in following.events if e.what == "merged"]


def test_the_common_shift_is_that_of_most(rng):
    before = field(rng, 30, 500.0, 25.0)
    after = before + np.array([13.0, -41.0])
    after[:8] += rng.uniform(-60.0, 60.0, (8, 2))
    assert common_shift(before, after, np.zeros(2)) == pytest.approx([13.0, -41.0], abs=0.5)
    assert common_shift(before, before[:0], np.zeros(2)) == pytest.approx([0.0, 0.0])


def test_two_that_touch_become_one_and_a_newcomer_is_new():
    following = Following()
    near = [Seen(100.0, 100.0, 40.0), Seen(100.0, 150.0, 40.0)]
    far = [Seen(300.0, 300.0, 50.0), Seen(300.0, 100.0, 35.0), Seen(60.0, 400.0, 30.0)]
    first = following.add([*near, *far])
    assert first == [0, 1, 2, 3, 4]
    merged = following.add([Seen(100.0, 125.0, 40.0 * np.sqrt(2.0)), *far])
    assert merged[1:] == [2, 3, 4]
    told = [(e.what, e.name, e.into) for e in following.events if e.what == "merged"]
    assert told == [("merged", 0, merged[0]), ("merged", 1, merged[0])]
    newcomer = following.add([Seen(100.0, 125.0, 56.0), *far, Seen(200.0, 200.0, 25.0)])
    assert newcomer[:4] == merged
    assert following.events[-1].what == "new"
    assert following.events[-1].name == newcomer[-1]


def test_one_that_is_away_for_long_is_lost_and_one_for_a_moment_is_not():
    following = Following()
    others = [Seen(30.0 + 60.0 * n, 250.0, 20.0) for n in range(5)]
    shy = Seen(100.0, 100.0, 30.0)
    names = following.add([shy, *others])
    for image in range(4):
        following.add([Seen(o.y_px + 2.0 * (image + 1), o.x_px, 20.0) for o in others])
    # Carried along by the others' drift meanwhile.
    back = following.add([Seen(110.0, 100.0, 30.0), *(Seen(o.y_px + 10.0, o.x_px, 20.0) for o in others)])
    assert back == names
    for _ in range(12):
        following.add([Seen(o.y_px + 10.0, o.x_px, 20.0) for o in others])
    assert [(e.what, e.name) for e in following.events if e.what != "new"] == [("lost", names[0])]


def test_an_empty_image_is_no_end():
    following = Following()
    seen = [Seen(10.0, 20.0, 8.0), Seen(60.0, 90.0, 9.0), Seen(140.0, 30.0, 9.0)]
    names = following.add(seen)
    assert following.add([]) == []
    assert following.add(seen) == names
