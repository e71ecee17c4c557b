"""What the screen is told of the particles in each frame."""

import numpy as np
import pytest

from analysis.images.thumbnail import thumbnail
from analysis.live.live_outlines import LiveOutlines, rims_of
from drivers.frames import Frame, FrameHeader
from simulators.particle_images import draw

SIDE_PX = 96


def frame(image: np.ndarray, index: int = 0, step: str = "c00/A/tilt") -> Frame:
    header = FrameHeader(
        seq=index,
        session="s",
        step=step,
        index=index,
        particle="A",
        core="Au",
        shell="Ag",
        time_s=0.0,
        tilt_deg=0.0,
        pixel_nm=0.5,
        simulated=True,
    )
    return Frame(header, image)


def test_the_latest_frame_is_told_of_and_what_happened_since(monkeypatch):
    clock = iter(np.arange(0.0, 1000.0, 5.0))
    monkeypatch.setattr("analysis.live.live_outlines.time.monotonic", lambda: float(next(clock)))
    drawn = draw("sphere", 40, 8, np.random.default_rng(2), side_px=256, snr_db=14.55)
    live = LiveOutlines(SIDE_PX)
    assert not live.due
    live.show(frame(np.zeros((32, 32)), 0))
    live.show(frame(drawn.image, 1))
    assert live.due
    (told,) = live.results()
    assert (told.frame, told.found, told.cut, told.happened) == (1, 8, 0, ())
    assert told.diameter_nm.value == pytest.approx(20.0, rel=0.03)
    assert not live.due
    without = np.where(drawn.masks[0], drawn.image[0, 0], drawn.image)
    happened = []
    for index in range(2, 16):
        live.show(frame(without, index))
        happened += live.results()[0].happened
    assert len(happened) == 1
    assert happened[0].endswith("lost")
    live.show(frame(np.zeros((32, 32)), 20))
    assert live.results() == []


def test_rims_are_closed_curves_as_large_as_the_thumbnail():
    y, x = np.indices((300, 200))
    labels = (np.hypot(y - 150, x - 100) < 60).astype(np.int32)
    labels[(labels > 0) & (x > 100)] = 2
    rims = rims_of(labels, labels.shape, SIDE_PX)
    assert rims.shape == (75, 50)
    assert rims[labels[::4, ::4] == 0].sum() == 0
    assert 2 * 2 * 15 < rims.sum() < 4 * 2 * np.pi * 15


@pytest.mark.parametrize("shape", [(700, 1030), (513, 513), (96, 64)])
def test_outlines_of_a_large_frame_fit_its_thumbnail_and_keep_their_scale(shape):
    y, x = np.indices(shape)
    ball = 1000.0 * (np.hypot(y - 0.5 * shape[0], x - 0.4 * shape[1]) < 0.2 * min(shape))
    live = LiveOutlines(SIDE_PX)
    live.show(frame(ball + np.random.default_rng(0).normal(0.0, 30.0, shape)))
    (told,) = live.results()
    assert told.shape == thumbnail(ball, SIDE_PX).shape
    assert told.found == 1
    assert told.diameter_nm.value == pytest.approx(0.5 * 0.4 * min(shape), rel=0.03)


def test_what_cannot_be_outlined_never_ends_the_analysis(monkeypatch):
    def broken(*_):
        raise RuntimeError("no such network")

    monkeypatch.setattr("analysis.live.live_outlines.outlines", broken)
    live = LiveOutlines(SIDE_PX)
    live.show(frame(np.eye(64)))
    assert live.results() == []
    assert not live.due
