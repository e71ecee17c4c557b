import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from controller.record.audit import audit, in_words
from controller.record.disk import DiskWatch
from controller.record.recorder import Recorder
from drivers.clock import WallClock
from drivers.errors import ConfigError, CorruptFrame, RecordingError
from drivers.frames import Frame, FrameHeader
from drivers.recorded.folder import SessionFolder
from drivers.recorded.records import Audited
from drivers.recorded.session import read_session
from drivers.recorded.step_file import StepFile, read_step
from drivers.recorded.step_layout import StepDatasets


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


def damage(path: Path, row: int) -> None:
    """One bit of one frame's pixels, as a disk that rots does."""
    with h5py.File(path, "r") as file:
        chunk = StepDatasets.of(file).images.id.get_chunk_info(row)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size // 2)
        (byte,) = raw.read(1)
        raw.seek(-1, os.SEEK_CUR)
        raw.write(bytes([byte ^ 1]))


def test_a_damaged_frame_is_told_and_the_others_come_back(tmp_path: Path):
    path = SessionFolder(tmp_path).step_file("c00/A/tilt")
    file = StepFile(path, frame(0))
    for seq in range(6):
        file.append(frame(seq))
    file.close()
    damage(path, 2)
    told: list[int] = []
    back = [f.header.seq for f in read_step(path, lambda header, _: told.append(header.seq))]
    assert (back, told) == ([0, 1, 3, 4, 5], [2])
    with pytest.raises(ConfigError, match="restore the file"):
        list(read_step(path))


def test_the_recorder_gives_what_is_sound_and_says_what_is_not(tmp_path: Path):
    folder = SessionFolder(tmp_path)

    async def main() -> tuple[list[int], dict[int, str], Audited]:
        recorder, good = Recorder(folder, WallClock()), []
        for seq in range(5):
            await recorder.write(frame(seq))
        await recorder.end_step()
        damage(folder.step_file("c00/A/tilt"), 3)
        for seq in range(5):
            try:
                good.append((await recorder.read(seq)).header.seq)
            except CorruptFrame:
                assert seq == 3
        await recorder.close()
        recorder.acquired[5] = "c00/A/tilt"  # the disk was full
        return good, recorder.unread, audit(folder, recorder.acquired, recorder.unread, ["c01/A/tilt"])

    good, unread, account = asyncio.run(main())
    assert good == [0, 1, 2, 4]
    assert set(unread) == {3}
    assert (account.acquired, account.recorded, account.analysed) == (6, 5, 4)
    words = "\n".join(in_words(account))
    assert all(sign in words for sign in ("frame 5 of c00/A/tilt is not in its file", "frame 3 is not", "c01/A/tilt"))


def test_a_session_with_nothing_missing_says_so_in_one_line(tmp_path: Path):
    assert in_words(audit(SessionFolder(tmp_path), {}, {}, [])) == ["all 0 frames acquired are recorded and analysed"]


@pytest.mark.parametrize(
    ("free_mb", "files", "full", "told"),
    [(10_000, 1000, False, 0), (50, 1000, False, 1), (10, 1000, True, 0), (10_000, 10, True, 0), (10_000, 0, False, 0)],
)
def test_a_disk_that_will_not_do_is_told_of_once_and_a_full_one_refused(
    tmp_path: Path, monkeypatch, free_mb, files, full, told
):
    disk = SimpleNamespace(f_bavail=free_mb, f_frsize=2**20, f_files=files, f_favail=files)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    watch, size = DiskWatch(tmp_path, planned=100), 2**20
    if full:
        with pytest.raises(OSError, match="disk"):
            watch.before(size)
        return
    said: list[str] = []
    for _ in range(10):
        watch.before(size)
        said += watch.after(size, 0.01)
    assert len(said) == told


def test_a_slow_disk_is_told_of_now_and_then(tmp_path: Path):
    watch = DiskWatch(tmp_path, planned=0)
    said = [words for _ in range(300) for words in watch.after(8_000_000, 3.0)]
    assert len(said) == 2
    assert "3.0 s to write one frame of 8.0 MB" in said[0]
