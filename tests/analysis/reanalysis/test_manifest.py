"""A manifest of old data: what a stream would have carried of it, or every reason why not."""

import mrcfile
import numpy as np
import pytest

from analysis.reanalysis.manifest import Manifest, manifest_items
from drivers.errors import ConfigError
from drivers.frames import Frame, HeatPulse
from drivers.toml_file import load_toml
from tests.analysis.files.test_heater_log import impulse

PARTICLE = '[[particle]]\nname = "A"\ncore = "Au"\nshell = "Ag"\n'
STATE = '[[particle.state]]\ntilt_series = "a.mrc"\nheat = {}\n'


def heat_of(folder, *states: str) -> list[tuple[HeatPulse, ...]]:
    """All that the particle has had in each of its states."""
    rng, y = np.random.default_rng(0), np.mgrid[:24, :24] - 12.0
    ball = 20.0 * np.sqrt(np.maximum(36.0 - (y**2).sum(axis=0), 0.0))
    with mrcfile.new(folder / "a.mrc", overwrite=True) as file:
        file.set_data(rng.poisson(np.repeat(ball[None] + 20.0, 5, axis=0)).astype(np.int16))
        file.voxel_size = 5.0
    (folder / "a.tlt").write_text("-60\n-30\n0\n30\n60\n")
    source = folder / "m.toml"
    source.write_text(PARTICLE + "".join(STATE.format(heat) for heat in states))
    frames = [i for i in manifest_items(source, load_toml(source, Manifest)) if isinstance(i, Frame)]
    return list(dict.fromkeys(f.header.heat for f in frames))


def test_heat_is_listed_or_read_from_the_log_of_a_heater(tmp_path):
    impulse(tmp_path / "one.csv", 450.0, 30.0)
    found = heat_of(tmp_path, "[]", '"one.csv"', "[{temperature_c = 400.0, duration_s = 7.0}]")
    assert found[0] == ()
    (pulse,) = found[1]
    assert pulse.temperature_c == 450.0
    assert pulse.duration_s == pytest.approx(30.0, abs=0.3)
    assert pulse.std_s > 0.0
    assert found[2] == (pulse, HeatPulse(400.0, 7.0))


@pytest.mark.parametrize(
    ("heat", "words"),
    [
        ("[{temperature_c = 450.0}]", "heat[1].duration_s: missing; add duration_s = ..."),
        ("[{temperature = 450.0, duration_s = 1.0}]", "did you mean 'temperature_c'?"),
        ("450.0", "heat: is to be a list"),
    ],
)
def test_a_wrong_pulse_is_one_sentence(tmp_path, heat, words):
    with pytest.raises(ConfigError) as refused:
        heat_of(tmp_path, "[]", heat)
    assert words in str(refused.value)
    assert str(refused.value).count("\n  - ") <= 2  # a mistyped key is also a missing one
    assert "union" not in str(refused.value) and "pulses" not in str(refused.value)


def test_a_log_that_does_not_tell_all_its_heat_is_refused(tmp_path):
    """Every one of them, at once."""
    lines = impulse(tmp_path / "twice.csv", 450.0, 30.0).read_text().splitlines(keepends=True)
    hot = next(n for n, line in enumerate(lines) if ",450.0," in line) + 20
    (tmp_path / "cut.csv").write_text("".join(lines[:hot]))
    (tmp_path / "late.csv").write_text("".join([lines[0], *lines[hot:]]))
    impulse(tmp_path / "cold.csv", 80.0, 30.0)
    logs = ("cut.csv", "late.csv", "cold.csv", "none.csv", "twice.csv", "twice.csv")
    with pytest.raises(ConfigError) as refused:
        heat_of(tmp_path, "[]", *(f'"{name}"' for name in logs))
    told = str(refused.value)
    assert told.count("\n  - ") == len(logs) - 1
    for words in ("cut.csv: ends at 450 C", "late.csv: begins at 450 C", "cold.csv: is never above 100 C", "none.csv"):
        assert words in told
    assert "twice.csv is the heat of 2 states; give each the log of its own pulses" in told
