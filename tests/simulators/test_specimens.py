import csv
from pathlib import Path

import numpy as np
import pytest

from simulators.segregation import segregated
from simulators.specimens import SPECIMENS, build


def length_over_width(inside: np.ndarray) -> float:
    """Long over short extent in the plane, along the particle's own axes."""
    y, x = np.nonzero(inside.any(axis=0))
    points = np.stack([y - y.mean(), x - x.mean()])
    _, axes = np.linalg.eigh(points @ points.T)
    spans = [np.ptp(axes[:, i] @ points) + 1 for i in (0, 1)]
    return float(spans[1] / spans[0])


@pytest.mark.parametrize("name", sorted(SPECIMENS))
def test_volume_composition_and_aspect_are_the_published_ones(name):
    specimen = SPECIMENS[name]
    voxels = build(specimen, 60.0)
    assert voxels.volume_nm3 == pytest.approx(specimen.volume_nm3, rel=0.002)
    assert voxels.gold_fraction(voxels.gold) == pytest.approx(specimen.gold_fraction, abs=0.002)
    if specimen.aspect > 1:
        assert length_over_width(voxels.metal > 0.5) == pytest.approx(specimen.aspect, rel=0.08)


def test_the_truths_are_those_of_tables_1_and_2(real_data: Path):
    with (real_data / "published_auag" / "mychinko2021_table1_table2.csv").open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert len(rows) == 6
    for row in rows:
        specimen = SPECIMENS[row["particle"]]
        assert specimen.d_450_m2_per_s == pytest.approx(float(row["D_1e-19_m2_s"]) * 1e-19)
        assert specimen.volume_nm3 == pytest.approx(float(row["volume_1e3_nm3"]) * 1e3)
        assert specimen.gold_fraction == pytest.approx(float(row["Au_at_pct"]) / 100)
        assert specimen.aspect == pytest.approx(float(row["AR"]))


def test_silver_comes_to_the_surface_and_no_atom_is_lost():
    specimen = SPECIMENS["AgAu"]
    voxels = build(specimen, 60.0)
    inside = voxels.metal > 0
    assert np.ptp(voxels.gold[inside]) == 0.0  # mixed from the start
    z, y, x = (g - 0.5 * (n - 1) for g, n in zip(np.indices(inside.shape), inside.shape, strict=True))
    away_nm = voxels.voxel_nm * np.sqrt(z**2 + y**2 + x**2)
    core, rim = inside & (away_nm < 2.5), inside & (away_nm > 4.0)
    before = 0.0
    for tau_nm2 in (0.1, 0.5, 5.0):
        gold = segregated(specimen, voxels, voxels.gold, tau_nm2)
        assert voxels.gold_fraction(gold) == pytest.approx(specimen.gold_fraction, abs=1e-4)
        risen = float(gold[core].mean() - gold[rim].mean())
        assert risen > before
        before = risen
    assert 0.05 < before < 0.12
    assert np.ptp(gold[core]) < 0.005
    nothing = segregated(SPECIMENS["NC2"], voxels, voxels.gold, 5.0)
    assert nothing is voxels.gold
