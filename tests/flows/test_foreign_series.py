"""Old data from a simulator that is not ours."""

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.analysis.peers.ball import projections, radial_diffusion
from tests.flows.test_bad_input import alloyscope

SECONDS = (20.0, 20.0, 40.0, 120.0)
D_M2_PER_S = 2.0e-19


@pytest.mark.parametrize(
    ("kind", "pixel_nm", "shape", "coat_nm"),
    [(np.int16, 0.7, (84, 90), 0.0), (np.float32, 0.9, (70, 66), 7.0)],
    ids=["int16", "float32, coated"],
)
def test_series_of_another_simulator_need_nothing_but_the_manifest(tmp_path: Path, kind, pixel_nm, shape, coat_nm):
    rng = np.random.default_rng(8)
    radius_nm, core_nm = 19.0, 12.5
    text, tau_nm2 = '[[particle]]\nname = "ball"\ncore = "Au"\nshell = "Ag"\n', 0.0
    for number, heated_s in enumerate((0.0, *SECONDS)):
        tau_nm2 += D_M2_PER_S * 1e18 * heated_s
        tilts_deg = rng.permutation(np.arange(-69.0, 69.1, 3.0))
        centre_nm = rng.normal(0.0, 1.5, 3)
        c = radial_diffusion(core_nm, radius_nm, tau_nm2)
        seen = projections(c, radius_nm, coat_nm, centre_nm, tilts_deg, pixel_nm, shape)
        counts = 4.0 * rng.poisson(60.0 * seen) + rng.normal(0.0, 6.0, seen.shape)
        stack = np.rint(counts - 30000.0).astype(kind) if kind is np.int16 else (1e-3 * counts).astype(kind)
        mrcfile.write(tmp_path / f"{number}.mrc", stack)
        (tmp_path / f"{number}.tlt").write_text("\n".join(f"{t:.2f}" for t in tilts_deg))
        heat = f"{{temperature_c = 450.0, duration_s = {heated_s}}}" if heated_s else ""
        text += (
            f'[[particle.state]]\ntilt_series = "{number}.mrc"\nangles = "{number}.tlt"\n'
            f"pixel_nm = {pixel_nm}\nheat = [{heat}]\n"
        )
    (tmp_path / "manifest.toml").write_text(text)
    done = alloyscope("analyse", tmp_path / "manifest.toml", "--json", tmp_path / "out.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ball = json.loads((tmp_path / "out.json").read_text())["particles"]["ball"]
    found = ball["diffusivity_m2_per_s"]
    assert ball["diffusivity_quality"] == "good"
    assert abs(found["value"] - D_M2_PER_S) < 3.0 * found["std"] < 0.1 * D_M2_PER_S
    assert ball["states"][0]["volume_nm3"] == pytest.approx(4.0 / 3.0 * np.pi * radius_nm**3, rel=0.01)
    assert ball["states"][0]["gold_fraction"] == pytest.approx((core_nm / radius_nm) ** 3, rel=0.01)
