"""A particle that loses volume diffuses over shorter ways: what its pulses count."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis.live.diffusivity import _seconds
from analysis.live.fitted_state import FittedState
from drivers.frames import HeatPulse

PULSES = (HeatPulse(450.0, 10.0), HeatPulse(430.0, 20.0), HeatPulse(450.0, 30.0))
REFERENCE = SimpleNamespace(measurement=SimpleNamespace(particle=SimpleNamespace(surface_px2=600.0, volume_px=1000.0)))


def heated(*lost: float | None) -> list[FittedState]:
    """States that have lost such parts of their volume, nothing where they are not told to."""
    return [
        FittedState(
            header=SimpleNamespace(heat=PULSES[: n + 1]),
            degree=0.5,
            artefact_degree=0.0,
            projections=None,
            reshaped=False,
            problems=[],
            state=SimpleNamespace(
                causes=() if part is None else ("lost",),
                point=SimpleNamespace(change=SimpleNamespace(moved_px=np.array([(part or 0.3) / 0.6, 0.0, 0.0]))),
            ),
        )
        for n, part in enumerate(lost)
    ]


def test_one_that_keeps_its_volume_has_the_seconds_that_it_was_heated():
    found = _seconds(heated(None, None, None), (430.0, 450.0), REFERENCE)
    np.testing.assert_allclose(found, [[0.0, 10.0], [20.0, 10.0], [20.0, 40.0]])


def test_d_t_counts_by_the_square_of_the_way():
    """By half of the volume all ways are shorter by its cube root; a pulse has the mean of before and after."""
    found = _seconds(heated(None, 0.5, 0.5), (430.0, 450.0), REFERENCE)
    shorter = 0.5 ** (-2.0 / 3.0)
    np.testing.assert_allclose(found[1], [20.0 * 0.5 * (1.0 + shorter), 10.0])
    np.testing.assert_allclose(found[2] - found[1], [0.0, 30.0 * shorter])


def test_a_ball_that_shrinks_at_once_has_its_fourier_number():
    """D t over the square of the radius is all that the composition of a ball depends on."""
    part = 0.271
    seconds = float(_seconds(heated(part, part, part), (430.0, 450.0), REFERENCE)[2].sum())
    radius = (1.0 - part) ** (1.0 / 3.0)
    assert seconds == pytest.approx((0.5 * (1.0 + radius**-2) * 10.0) + 50.0 / radius**2)
