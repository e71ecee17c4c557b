"""Old data from a simulator that is not ours."""

import json
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from tests.analysis.peers.ball import projections, radial_diffusion
from tests.command import alloyscope

slow = pytest.mark.slow
SECONDS = (20.0, 20.0, 40.0, 120.0)
D_M2_PER_S = 2.0e-19
RADIUS_NM, CORE_NM = 19.0, 12.5


def write_session(
    folder: Path, kind, pixel_nm: float, shape, coat_nm: float, ln_d_slope: float = 0.0, pulses_s=SECONDS
) -> None:
    rng = np.random.default_rng(8)
    text, tau_nm2 = '[[particle]]\nname = "ball"\ncore = "Au"\nshell = "Ag"\n', 0.0
    for number, heated_s in enumerate((0.0, *pulses_s)):
        tau_nm2 += D_M2_PER_S * 1e18 * heated_s
        tilts_deg = rng.permutation(np.arange(-69.0, 69.1, 3.0))
        centre_nm = rng.normal(0.0, 1.5, 3)
        c = radial_diffusion(CORE_NM, RADIUS_NM, tau_nm2, ln_d_slope=ln_d_slope)
        seen = projections(c, RADIUS_NM, coat_nm, centre_nm, tilts_deg, pixel_nm, shape)
        counts = 4.0 * rng.poisson(60.0 * seen) + rng.normal(0.0, 6.0, seen.shape)
        stack = np.rint(counts - 30000.0).astype(kind) if kind is np.int16 else (1e-3 * counts).astype(kind)
        mrcfile.write(folder / f"{number}.mrc", stack)
        (folder / f"{number}.tlt").write_text("\n".join(f"{t:.2f}" for t in tilts_deg))
        heat = f"{{temperature_c = 450.0, duration_s = {heated_s}}}" if heated_s else ""
        text += (
            f'[[particle.state]]\ntilt_series = "{number}.mrc"\nangles = "{number}.tlt"\n'
            f"pixel_nm = {pixel_nm}\nheat = [{heat}]\n"
        )
    (folder / "manifest.toml").write_text(text)


def write_two_windows(folder: Path, offset_c: float, pixel_nm: float, shape) -> None:
    """One ball in each of two windows, two minutes at 400 and at 430 C; Q = 208 kJ/mol."""
    rng = np.random.default_rng(4)
    text, tilts_deg = "", np.arange(-69.0, 69.1, 3.0)
    for window, off in (("centre", 0.0), ("edge", offset_c)):
        text += f'[[particle]]\nname = "{window[0]}"\ncore = "Au"\nshell = "Ag"\nwindow = "{window}"\n'
        tau_nm2 = 0.0
        for number, heated_c in enumerate((None, 400.0, 430.0)):
            heat = ""
            if heated_c is not None:
                per_k = 1.0 / (heated_c + off + 273.15) - 1.0 / 723.15
                tau_nm2 += 120.0 * 0.34 * np.exp(-208e3 / 8.314462618 * per_k)
                heat = f"{{temperature_c = {heated_c}, duration_s = 120.0}}"
            seen = projections(
                radial_diffusion(CORE_NM, RADIUS_NM, tau_nm2), RADIUS_NM, 0.0, (0, 0, 0), tilts_deg, pixel_nm, shape
            )
            name = f"{window}{number}"
            mrcfile.write(folder / f"{name}.mrc", (4.0 * rng.poisson(60.0 * seen)).astype(np.float32))
            (folder / f"{name}.tlt").write_text("\n".join(f"{t:.2f}" for t in tilts_deg))
            text += (
                f'[[particle.state]]\ntilt_series = "{name}.mrc"\nangles = "{name}.tlt"\n'
                f"pixel_nm = {pixel_nm}\nheat = [{heat}]\n"
            )
    (folder / "manifest.toml").write_text(text)


def analysed(folder: Path, *options: str, particle: str = "ball") -> dict[str, Any]:
    done = alloyscope("analyse", folder / "manifest.toml", "--json", folder / "out.json", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "out.json").read_text())["particles"][particle]


@pytest.mark.parametrize(
    ("kind", "pixel_nm", "shape", "coat_nm"),
    [
        (np.int16, 1.1, (54, 58), 0.0),
        pytest.param(np.int16, 0.7, (84, 90), 0.0, marks=slow),
        pytest.param(np.float32, 0.9, (70, 66), 7.0, marks=slow),
    ],
    ids=["int16", "int16, fine", "float32, coated"],
)
def test_series_of_another_simulator_need_nothing_but_the_manifest(tmp_path: Path, kind, pixel_nm, shape, coat_nm):
    write_session(tmp_path, kind, pixel_nm, shape, coat_nm)
    ball = analysed(tmp_path)
    found = ball["diffusivity_m2_per_s"]
    assert ball["diffusivity_quality"] == "good"
    assert abs(found["value"] - D_M2_PER_S) < 3.0 * found["std"] < 0.1 * D_M2_PER_S
    assert ball["states"][0]["volume_nm3"] == pytest.approx(4.0 / 3.0 * np.pi * RADIUS_NM**3, rel=0.01)
    assert ball["states"][0]["gold_fraction"] == pytest.approx((CORE_NM / RADIUS_NM) ** 3, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("pixel_nm", "shape"), [(1.1, (54, 58)), (0.7, (84, 90))])
def test_a_colder_window_is_found_from_a_manifest(tmp_path: Path, pixel_nm, shape):
    write_two_windows(tmp_path, -34.0, pixel_nm, shape)
    analysed(tmp_path, particle="e")
    found = json.loads((tmp_path / "out.json").read_text())
    edge, q = found["window_offsets_c"]["edge"], found["arrhenius"]["q_j_per_mol"]
    assert abs(edge["value"] + 34.0) < 3.0 * edge["std"] < 10.0
    assert abs(q["value"] - 208e3) < 3.0 * q["std"] < 30e3
    assert found["arrhenius"]["reference"] == "centre"


@pytest.mark.parametrize(
    ("ln_d_slope", "pixel_nm", "shape"),
    [
        pytest.param(-1.2, 1.2, (50, 54), marks=slow),
        pytest.param(-1.2, 0.9, (66, 70), marks=slow),
        pytest.param(0.0, 0.9, (66, 70), marks=slow),
    ],
)
def test_how_d_changes_with_composition_is_found(tmp_path: Path, ln_d_slope, pixel_nm, shape):
    write_session(tmp_path, np.int16, pixel_nm, shape, 0.0, ln_d_slope, pulses_s=(30.0, 60.0))
    ball = analysed(tmp_path)
    found, (at_mean,) = ball["d_of_c"]["ln_slope"], ball["diffusivities"]
    assert abs(found["value"] - ln_d_slope) < 3.0 * found["std"] < 1.0
    assert ball["d_of_c"]["told"] is (ln_d_slope != 0.0)
    # Of all that the projections tell: no calibration is off here. That of 28 px misses one D, and says by how much.
    calibrated = ("temperature calibration", "temperature of pulses", "length of pulses", "pixel size")
    known = sum(s["part"] ** 2 for s in at_mean["budget"] if s["cause"] not in calibrated)
    ln_std = ((at_mean["std"] / at_mean["value"]) ** 2 + known) ** 0.5
    assert abs(at_mean["value"] / D_M2_PER_S - 1.0) < 3.0 * ln_std < 0.15
