"""Heaters' logs: real ones of Protochips against another reader, Impulse's columns, and what is no log."""

from datetime import datetime

import numpy as np
import pytest

from analysis.files.heater_log import pulses_of, read_heater_log
from drivers.errors import ConfigError

IMPULSE = "Experiment time,TimeStamp,Temperature Setpoint (\u00b0C),Temperature Measured (\u00b0C),Power (mW)\n"


def impulse(path, hot_c: float, hot_s: float, sample_s: float = 0.3, stamp: str = "2026-11-27T14:02:1{:.1f}"):
    """A stay between two cold minutes."""
    times = np.arange(0.0, hot_s + 120.0, sample_s)
    read = np.where((times >= 60.0) & (times < 60.0 + hot_s), hot_c, 25.0)
    lines = [f"{t:.3f},{stamp.format(t) if t < 9.0 else ''},{c},{c},1.0\n" for t, c in zip(times, read, strict=True)]
    path.write_text(IMPULSE + "".join(lines))
    return path


@pytest.mark.parametrize(
    ("name", "began"),
    [
        ("protochips_thermal.csv", datetime(2014, 12, 3, 17, 15, 37, 192000)),
        ("protochips_electrothermal.csv", datetime(2014, 11, 5, 14, 42, 51, 369000)),
    ],
)
def test_protochips_logs_are_what_another_reader_finds(real_data, name, began):
    protochips = pytest.importorskip("rsciio.protochips")
    path = real_data / "heater_logs" / name
    log = read_heater_log(path)
    theirs = next(d for d in protochips.file_reader(str(path)) if "Temperature" in d["metadata"]["General"]["title"])
    assert log.began == began
    # The other reader leaves out the lines of the header, which repeat the first reading at 0 s.
    mine = log.temperature_c[-len(theirs["data"]) :]
    assert mine == pytest.approx(theirs["data"], abs=1e-3)
    assert np.all(np.diff(log.time_s) >= 0.0)
    last_ms = path.read_text().rstrip().splitlines()[-1].partition(",")[0]
    assert log.time_s[-1] == pytest.approx(1e-3 * float(last_ms))


def test_a_protochips_pulse_is_as_long_as_its_samples_say(real_data):
    path = real_data / "heater_logs" / "protochips_thermal.csv"
    (pulse,) = pulses_of(read_heater_log(path))
    lines = [line.split(",") for line in path.read_text().splitlines() if line.rstrip().endswith(" 120")]
    held_s = 1e-3 * (float(lines[-1][0]) - float(lines[0][0]))
    assert pulse.heat.temperature_c == pytest.approx(120.0)
    assert held_s < pulse.heat.duration_s < 1.3 * held_s  # its ramp is slow, and this near to 120 C counts


@pytest.mark.parametrize("hot_s", [15.0, 600.0])
def test_an_impulse_log_gives_its_pulse_within_a_sample(tmp_path, hot_s):
    log = read_heater_log(impulse(tmp_path / "i.csv", 450.0, hot_s))
    assert log.began == datetime(2026, 11, 27, 14, 2, 10)
    (pulse,) = pulses_of(log)
    assert pulse.heat.temperature_c == 450.0
    assert pulse.heat.duration_s == pytest.approx(hot_s, abs=0.3)
    assert pulse.heat.std_s == pytest.approx(0.3 / 6**0.5, abs=1e-3)


def test_a_line_that_is_being_written_and_a_pulse_that_goes_on_are_left_out(tmp_path):
    path = impulse(tmp_path / "i.csv", 450.0, 30.0)
    lines = path.read_text().splitlines(keepends=True)
    hot = [line for line in lines if ",450.0," in line]
    path.write_text("".join(lines[: lines.index(hot[50])]) + "77.1,,4")
    log = read_heater_log(path)
    assert log.temperature_c[-1] == 450.0
    assert log.time_s[-1] < 77.0
    assert pulses_of(log) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("angle,image\n1,2\n", "a column of times and one of temperatures"),
        ("time,temperature\n", "fewer than two readings"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path, text, words):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_heater_log(path)


def test_a_log_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_heater_log(tmp_path / "nowhere.csv")
