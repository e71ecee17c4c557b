import asyncio
import time
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.images.off_centre import off_centre_px
from analysis.particles.target import Target
from controller.acquire.centring import Centring
from controller.plan.session_file import Tracking
from drivers.clock import WallClock
from drivers.interfaces import ScanSettings


def discs(*places, side: int = 96, radius: float = 10.0) -> np.ndarray:
    y, x = np.indices((side, side)) - 0.5 * (side - 1)
    return 100.0 + sum(1000.0 * (np.hypot(y - at_y, x - at_x) < radius) for at_y, at_x in places)


def test_a_lone_particle_is_found_where_it_is():
    np.testing.assert_allclose(off_centre_px(discs((7.0, -12.0))), (7.0, -12.0), atol=0.1)


def test_of_two_particles_the_nearest_to_the_middle_is_followed():
    np.testing.assert_allclose(off_centre_px(discs((3.0, 2.0), (3.0, 34.0))), (3.0, 2.0), atol=0.1)


def test_a_particle_cut_by_the_field_and_an_empty_field_are_not_followed(rng):
    assert off_centre_px(discs((0.0, 47.0), radius=30.0)) is None
    assert off_centre_px(np.zeros((64, 64))) is None


@pytest.mark.parametrize("method", ["watershed", "learned"])
def test_a_target_is_told_from_its_neighbours_by_the_pattern_of_all(rng, method):
    """Heat moves the field by 40 px, so that a neighbour is now nearest to the middle."""
    places = np.array([(2.0, 1.0), (-38.0, 14.0), (30.0, -60.0), (55.0, 40.0), (-60.0, -50.0)])
    target, still = Target(method), np.zeros(2)
    noise = [rng.normal(0.0, 40.0, (192, 192)) for _ in range(2)]
    first = discs(*places, side=192) + noise[0]
    np.testing.assert_allclose(target.off_centre_px(first, 1.0, still), places[0], atol=0.3)
    jump = np.array([40.0, -12.0])
    moved = discs(*(places + jump), side=192) + noise[1]
    np.testing.assert_allclose(target.off_centre_px(moved, 1.0, still), places[0] + jump, atol=0.3)
    np.testing.assert_allclose(off_centre_px(moved), places[1] + jump, atol=0.3)
    # Brought back by the image shift, seen with larger pixels: still the same one.
    finer = discs(*(0.5 * places), side=192, radius=5.0) + noise[0]
    shifted_nm = np.array([-40.0, 12.0])
    np.testing.assert_allclose(target.off_centre_px(finer, 2.0, shifted_nm), 0.5 * places[0], atol=0.3)
    assert target.off_centre_px(np.zeros((64, 64)), 1.0, still) is None


def test_a_target_that_was_lost_for_good_is_looked_for_in_the_middle_again():
    target, still = Target("watershed"), np.zeros(2)
    np.testing.assert_allclose(target.off_centre_px(discs((5.0, 3.0)), 1.0, still), (5.0, 3.0), atol=0.3)
    elsewhere = discs((30.0, -30.0), radius=4.0)
    assert [target.off_centre_px(elsewhere, 1.0, still) for _ in range(2)] == [None] * 2
    assert not target.known
    np.testing.assert_allclose(target.off_centre_px(discs((-2.0, 4.0)), 1.0, still), (-2.0, 4.0), atol=0.3)


def test_a_speck_is_no_target_and_one_at_the_border_is_still_brought_back():
    speck = discs((12.0, 30.0), radius=25.0, side=144) + discs((-20.0, -8.0), radius=5.0, side=144) - 100.0
    np.testing.assert_allclose(Target("watershed").off_centre_px(speck, 1.0, np.zeros(2)), (12.0, 30.0), atol=0.3)
    leaving = discs((50.0, 0.0), radius=25.0, side=144)
    assert Target("watershed").off_centre_px(leaving, 1.0, np.zeros(2))[0] == pytest.approx(48.0, abs=2.0)


def test_one_chosen_by_its_size_is_no_speck_beside_a_large_one():
    field = discs((2.0, 1.0), radius=6.0, side=144) + discs((36.0, 30.0), radius=25.0, side=144) - 100.0
    own = Target("watershed", diameter_nm=12.0).off_centre_px(field, 1.0, np.zeros(2))
    np.testing.assert_allclose(own, (2.0, 1.0), atol=0.3)
    brightest = Target("watershed").off_centre_px(field, 1.0, np.zeros(2))
    np.testing.assert_allclose(brightest, (36.0, 30.0), atol=0.3)


def test_looking_for_a_particle_leaves_the_event_loop_alive():
    """The guard takes a loop that stands still for a controller that hangs."""

    class Slow(Target):
        def off_centre_px(self, image, pixel_nm, image_shift_nm):
            time.sleep(0.5)
            return np.zeros(2)

    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.02)
                ticks += 1

        async def look(*_):
            return SimpleNamespace(image=np.zeros((16, 16)), pixel_nm=1.0, image_shift_nm=(0.0, 0.0))

        async def shift(*_):
            pass

        ticking = asyncio.create_task(tick())
        settings = ScanSettings(1.0, (16, 16), 1e-6)
        beam = SimpleNamespace(
            look=look, clock=WallClock(), settings=settings, image_shift_nm={"A": np.zeros(2)}, shift_image=shift
        )
        centring = Centring(
            beam, Tracking(centre=True), SimpleNamespace(write=lambda _: None), {"A": Slow("watershed")}
        )
        await centring.bring_back(SimpleNamespace(id="c00/A/tilt", particle=SimpleNamespace(name="A", choose="")))
        ticking.cancel()
        return ticks

    assert asyncio.run(main()) >= 5
