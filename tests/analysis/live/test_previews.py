"""Pictures of the volume: of the running one while frames come one by one, not while a heap of them waits."""

import msgspec
import numpy as np
import pytest

from analysis.live import pipeline
from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from analysis.results import Preview
from analysis.tomography.reconstruction import Reconstruction
from drivers.frames import Frame, FrameHeader, HeatPulse, SeriesEnd

HEAT = (HeatPulse(450.0, 15.0),)


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


def until_its_end(live: Pipeline, count: int) -> list[Preview]:
    end = SeriesEnd(seq=count, step="c00/A/tilt", particle="A", frames=count, planned=count)
    return [r for item in (*frames(count), end) for r in live.feed(item) if isinstance(r, Preview)]


def test_the_last_picture_is_of_the_whole_series():
    """Running ones come every fourth tilt, when there is time; 42 is not one of them."""
    last = until_its_end(Pipeline(AnalysisSettings(picture_px=48)), 42)[-1]
    assert last.frames == 42
    assert last.pixel_nm == 1.0
    cut = np.frombuffer(last.pixels, np.uint8).reshape(last.shape)
    assert cut.shape == (48, 48)
    z, y = np.mgrid[:48, :48] - 23.5
    inside = np.hypot(z, y)
    assert np.median(cut[inside < 8]) > 3 * np.median(cut[inside > 18])


def test_a_small_window_in_a_wide_field_is_as_bright_as_by_itself():
    z, y, x = np.mgrid[:20, :22, :30]
    r = np.sqrt((z - 9.5) ** 2 + (y - 10.5) ** 2 + (x - 20) ** 2)
    volume = (1.0 * (r < 8) + 1.0 * (r < 5)).astype(np.float32)
    (first,) = frames(1)
    last = pipeline._picture_of(volume, first.header, 71, 256, 256)
    cut = np.frombuffer(last.pixels, np.uint8).reshape(last.shape)
    assert cut.shape == (256, 256)
    assert set(np.unique(cut)) == {0, 127, 255}
    assert np.count_nonzero(cut == 255) == np.count_nonzero(r[:, :, 20] < 5)
    at = np.argwhere(cut).mean(axis=0)
    assert np.allclose(at, 127.5, atol=0.6)


def test_without_a_screen_there_are_no_pictures():
    assert not until_its_end(Pipeline(AnalysisSettings()), 42)


def test_what_the_first_heated_series_asks_for_is_computed_as_it_begins(monkeypatch):
    live, asked = Pipeline(AnalysisSettings()), []
    monkeypatch.setattr(pipeline.ParticleHistory, "foresee", lambda history: asked.append(history.name))
    until_its_end(live, 12)
    heated = [Frame(msgspec.structs.replace(f.header, step="c01/A/tilt", heat=HEAT), f.image) for f in frames(3)]
    assert not asked
    for frame in heated:
        live.feed(frame)
    assert asked == ["A"]
