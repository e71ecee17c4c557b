"""What a microscope tells of a scan is kept with its frame, in our words and in NeXus's, and a turned scan is told."""

from dataclasses import replace

import h5py
import pytest

from controller import events as ev
from controller.session import Session
from drivers.clock import SteppedClock
from drivers.frames import Frame
from drivers.interfaces import Scan, ScanSettings
from drivers.recorded.folder import SessionFolder
from drivers.recorded.session import read_session
from simulators.bare_microscope import BareMicroscope
from tests.torture.rig import NoAnalysis, file_of


class Talkative(BareMicroscope):
    """Tells all that can be told."""

    turned_deg = 0.0

    async def scan(self, settings: ScanSettings) -> Scan:
        scan = await super().scan(settings)
        return replace(scan, detector="DF4", beam_kev=200.0, current_pa=48.5, rotation_deg=self.turned_deg)


class Turned(Talkative):
    turned_deg = -7.5


@pytest.mark.parametrize("kind", [Talkative, Turned])
def test_it_is_kept_and_a_turned_scan_is_said_once_a_series(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("controller.session.LiveAnalysis", NoAnalysis)
    source, said = tmp_path / "session.toml", []
    source.write_text("# made by a test\n")
    asked = file_of((), ())
    told = asked.model_dump() | {"plan": [{"kind": "tilt-series"}]}
    told["microscope"] = {"backend": f"{__name__}:{kind.__name__}", "options": {}}
    told["chip"] |= {"backend": "simulated", "options": {}}
    file, clock = type(asked).model_validate(told), SteppedClock()
    session = Session(file, source, SessionFolder(tmp_path / "s"), clock)
    session.listeners.append(lambda event: said.append(event.text) if isinstance(event, ev.Log) else None)
    clock.run(session.run())
    headers = [item.header for item in read_session(tmp_path / "s") if isinstance(item, Frame)]
    dwell_s = file.scan.settings().dwell_s
    assert {(h.detector, h.beam_kev, h.current_pa, h.dwell_s) for h in headers} == {("DF4", 200.0, 48.5, dwell_s)}
    assert {h.rotation_deg for h in headers} == {kind.turned_deg}
    assert sum("turned by -7.5 deg" in words for words in said) == (2 if kind is Turned else 0)
    for path in (tmp_path / "s" / "frames").glob("*.h5"):
        with h5py.File(path) as kept:
            instrument = kept[kept.attrs["default"]]["instrument"]
            assert instrument["detector/description"][()].decode().startswith("DF4")
            assert instrument["source/voltage"][()] == 200e3
