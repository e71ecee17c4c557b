import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from drivers.errors import RecordingError
from drivers.frames import Frame, FrameHeader
from drivers.recorded.folder import SessionFolder
from drivers.recorded.session import read_session
from drivers.recorded.step_file import StepFile, read_step


def frame(seq: int, *, photons: bool = False) -> Frame:
    header = FrameHeader(
        seq=seq,
        session="s",
        step="c00/A/tilt",
        index=seq,
        particle="A",
        core="Au",
        shell="Ag",
        time_s=seq * 1.0,
        tilt_deg=-70.0 + seq,
        pixel_nm=0.8,
    )
    return Frame(header, np.full((24, 32), seq, np.uint16), np.full(seq, seq, np.uint32) if photons else None)


@pytest.mark.parametrize("photons", [False, True], ids=["images", "map"])
def test_frames_come_back_as_they_went_in(tmp_path: Path, photons):
    path = SessionFolder(tmp_path).step_file("c00/A/tilt")
    file = StepFile(path, frame(0, photons=photons))
    for seq in range(5):
        file.append(frame(seq, photons=photons))
    assert file.read(3).header == frame(3).header
    file.close()
    for seq, back in enumerate(read_step(path)):
        assert back.header == frame(seq).header
        np.testing.assert_array_equal(back.image, frame(seq).image)
        assert (back.photons is None) == (not photons)
        assert back.photons is None or back.photons.tolist() == [seq] * seq
    assert seq == 4


def test_every_acknowledged_frame_survives_sigkill(tmp_path: Path):
    script = tmp_path / "writer.py"
    script.write_text(
        "import sys\nimport importlib.util\nfrom pathlib import Path\n"
        f"spec = importlib.util.spec_from_file_location('t', {str(Path(__file__))!r})\n"
        "t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)\n"
        "f = t.StepFile(Path(sys.argv[1]), t.frame(0, photons=True))\n"
        "for seq in range(100000):\n    f.append(t.frame(seq, photons=True)); print(seq, flush=True)\n"
    )
    for attempt in range(3):
        path = tmp_path / f"kill{attempt}.h5"
        process = subprocess.Popen([sys.executable, str(script), str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged = -1
        until = time.monotonic() + 60.0
        while acknowledged < 20 + 17 * attempt and time.monotonic() < until:
            acknowledged = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.communicate()[0].split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        kept = list(read_step(path))
        assert len(kept) >= acknowledged + 1
        for seq in range(acknowledged + 1):
            assert kept[seq].header.seq == seq
            assert int(kept[seq].image[0, 0]) == seq
            assert kept[seq].photons.tolist() == [seq] * seq


def test_marks_of_before_there_were_maps_are_understood(tmp_path: Path):
    old = {"seq": 3, "step": "c00/A/image", "particle": "A", "frames": 1, "planned": 1, "image": True}
    series = old | {"seq": 9, "step": "c01/A/tilt", "frames": 70, "planned": 71, "image": False}
    lines = [json.dumps({"what": "series_end", "mark": mark}) for mark in (old, series)]
    (tmp_path / "journal.jsonl").write_text("\n".join(lines))
    assert [item.what for item in read_session(tmp_path)] == ["image", "tilt-series"]


def test_a_map_takes_no_frame_without_x_rays(tmp_path: Path):
    file = StepFile(SessionFolder(tmp_path).step_file("c00/A/edx"), frame(0, photons=True))
    file.append(frame(0, photons=True))
    with pytest.raises(RecordingError, match="without X-rays"):
        file.append(frame(1))
    file.append(frame(2, photons=True))
    file.close()
    assert [len(f.photons) for f in read_step(file.path)] == [0, 2]
