"""Pictures of the running volume: while frames come one by one, not while a heap of them waits."""

import numpy as np
import pytest

from analysis.live import pipeline
from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from analysis.results import Preview
from analysis.tomography.reconstruction import Reconstruction
from drivers.frames import Frame, FrameHeader, SeriesEnd


class Clock:
    """Moves while a volume is improved, and to when the next frame comes."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def iterate(self, _: Reconstruction, n: int) -> None:
        self.now_s += 0.05 * n


def frames(count: int) -> list[Frame]:
    y, x = np.mgrid[:48, :48]
    ball = np.random.default_rng(1).poisson(5.0 + 90.0 * (np.hypot(y - 24, x - 24) < 12)).astype(np.uint16)
    header = {"session": "s", "step": "c00/A/tilt", "particle": "A", "core": "Au", "shell": "Ag", "pixel_nm": 1.0}
    return [
        Frame(FrameHeader(seq=n, index=n, time_s=float(n), tilt_deg=-70.0 + 2.0 * n, **header), ball)
        for n in range(count)
    ]


@pytest.mark.parametrize(("every_s", "wanted"), [(2.0, 15), (0.0, 1)], ids=["as they are taken", "from a heap"])
def test_previews_take_no_time_from_what_waits(monkeypatch, every_s, wanted):
    clock = Clock()
    monkeypatch.setattr(pipeline.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(Reconstruction, "iterate", lambda self, n: clock.iterate(self, n))
    live, given = Pipeline(AnalysisSettings(picture_px=32)), 0
    monkeypatch.setattr(Reconstruction, "volume", lambda self: np.ones(self.shape, np.float32))
    for frame in frames(60):
        clock.now_s += every_s
        given += sum(isinstance(result, Preview) for result in live.feed(frame))
    assert given == wanted


def test_the_last_picture_is_of_the_whole_series_however_little_time_there_was():
    live, seen = Pipeline(AnalysisSettings(picture_px=48)), frames(40)
    end = SeriesEnd(seq=40, step="c00/A/tilt", particle="A", frames=40, planned=40)
    given = [r for item in (*seen, end) for r in live.feed(item) if isinstance(r, Preview)]
    last = given[-1]
    assert last.frames == 40
    assert last.pixel_nm == 1.0
    cut = np.frombuffer(last.pixels, np.uint8).reshape(last.shape)
    assert cut.shape == (48, 48)
    z, y = np.mgrid[:48, :48] - 23.5
    inside = np.hypot(z, y)
    assert np.median(cut[inside < 8]) > 3 * np.median(cut[inside > 18])


def test_without_a_screen_there_are_no_pictures():
    live, seen = Pipeline(AnalysisSettings()), frames(40)
    end = SeriesEnd(seq=40, step="c00/A/tilt", particle="A", frames=40, planned=40)
    assert not [r for item in (*seen, end) for r in live.feed(item) if isinstance(r, Preview)]
