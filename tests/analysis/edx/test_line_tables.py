"""Compositions of spectra drawn from another published table than the product's: NIST's DTSA, as exspy has it."""

import numpy as np
import pytest

from analysis.edx import map_report
from analysis.edx.energy_axis import EnergyAxis
from analysis.edx.map_analysis import MapResult, analyse_map
from analysis.edx.spectrum_image import SpectrumImage

ANOTHER = {
    "Al_K": [(1.4865, 1.0), (1.5596, 0.0132)],
    "Ti_K": [(4.5109, 1.0), (4.9318, 0.1167)],
    "Ti_L": [(0.4555, 0.694), (0.5291, 0.166), (0.3952, 1.0), (0.4012, 0.491)],
    "Fe_K": [(6.4039, 1.0), (7.058, 0.1272)],
    "Fe_L": [(0.7045, 1.0), (0.7921, 0.0245), (0.6152, 0.3086), (0.6282, 0.1253)],
    "Ni_K": [(7.4781, 1.0), (8.2647, 0.1277)],
    "Ni_L": [(0.8511, 1.0), (0.8683, 0.1677), (0.94, 0.002), (0.7429, 0.1413), (0.7601, 0.0969)],
    "Ag_L": [
        (2.9844, 1.0),
        (3.1509, 0.3518),
        (3.3478, 0.1165),
        (3.2344, 0.0737),
        (3.2034, 0.0444),
        (3.5204, 0.0374),
        (3.7499, 0.014),
        (2.6336, 0.0413),
        (2.8062, 0.0131),
    ],
    "Pt_L": [
        (9.4421, 1.0),
        (11.0707, 0.4088),
        (11.2504, 0.2183),
        (11.2345, 0.0783),
        (10.8534, 0.0662),
        (12.9418, 0.0845),
        (13.3609, 0.0218),
        (8.2677, 0.0554),
        (9.9766, 0.014),
    ],
    "Pt_M": [
        (2.6957, 0.029),
        (2.638, 0.005),
        (2.6393, 0.01),
        (2.0505, 1.0),
        (2.1276, 0.5944),
        (2.3321, 0.0851),
        (1.6026, 0.0134),
    ],
    "Au_L": [
        (9.713, 1.0),
        (11.4425, 0.4015),
        (11.5848, 0.2195),
        (11.6098, 0.069),
        (11.205, 0.0594),
        (13.3816, 0.0841),
        (13.8074, 0.0194),
        (8.4938, 0.0562),
        (10.3087, 0.0138),
    ],
    "Au_M": [
        (2.7958, 0.029),
        (2.7347, 0.005),
        (2.7362, 0.01),
        (2.1229, 1.0),
        (2.2047, 0.5944),
        (2.4091, 0.0851),
        (1.6603, 0.0134),
    ],
    "C_K": [(0.2774, 1.0)],
}
"""keV, and weight beside the main line."""
EVEN = [("Ag_L", "Au_M"), ("Fe_K", "Pt_L"), ("Al_K", "Ti_K"), ("Ni_K", "Pt_M"), ("Ag_L", "Au_L")]


def drawn(amounts: dict[str, float], seed: int, *, humps: float = 0.0) -> SpectrumImage:
    """4 x 4 pixels with so many counts of each main line, on bremsstrahlung that may have humps."""
    kev = 0.01 * np.arange(2048)
    slope = np.where(kev > 0.1, (200.0 - kev) / np.maximum(kev, 0.3), 0.0) * (1.0 - np.exp(-kev / 0.6))
    expected = sum(amounts.values()) * slope / slope.sum() * (1.0 + humps * np.sin(kev / 0.06))
    for name, counts in amounts.items():
        for line_kev, weight in ANOTHER[name]:
            sigma = np.sqrt(0.13**2 + 2.5e-3 * (line_kev - 5.895)) / 2.355
            peak = np.exp(-0.5 * ((kev - line_kev) / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi))
            expected = expected + counts * weight * 0.01 * peak
    counts = np.random.default_rng(seed).poisson(np.broadcast_to(expected / 16.0, (4, 4, 2048)))
    return SpectrumImage(counts.astype(np.uint32), EnergyAxis(0.0, 0.01, 2048), 1.0, 200.0, title="drawn")


def quantified(image: SpectrumImage, *shells: str) -> MapResult:
    lines = [f"{shell}a" for shell in shells]
    return analyse_map(image, lines, [f"{line}=1" for line in lines], rows_and_columns=(0, 4, 0, 4))


def with_other_shells(pair: tuple[str, str], counts: float) -> dict[str, float]:
    elements = {shell.partition("_")[0] for shell in pair}
    return {"C_K": 0.1 * counts} | {shell: counts for shell in ANOTHER if shell.partition("_")[0] in elements}


@pytest.mark.parametrize("pair", EVEN, ids=lambda pair: " and ".join(pair))
def test_an_even_composition_comes_out_with_another_tables_lines(pair):
    off, std = [], []
    for seed in range(6):
        found = quantified(drawn(with_other_shells(pair, 30000.0), seed), *pair).composition
        off.append(100.0 * (found.fractions[0, 0] - 0.5))
        std.append(100.0 * found.std[0, 0])
    assert np.abs(off).max() < 1.0
    assert np.mean(std) < 0.6
    assert np.sqrt(np.mean(np.square(np.array(off) / std))) < 1.5


def test_strengths_are_learned_not_only_allowed_for():
    """With more counts the error falls: what tables leave open is told by the peaks themselves."""
    few, many = (quantified(drawn({"Ag_L": n, "Au_M": n}, 1), "Ag_L", "Au_M") for n in (1000.0, 1000000.0))
    assert few.composition.factor_std[0, 0] > 3.0 * many.composition.factor_std[0, 0]
    beta = [line.strength for line in many.model.families[1].lines if line.subshell == "M4"]
    assert sum(beta) == pytest.approx(0.5944, abs=0.02)


def test_no_amount_is_negative():
    """Of an element that is not there, half of all free fits would have some below zero."""
    told = [quantified(drawn({"Fe_K": 9000.0, "Ni_K": 0.0}, seed), "Fe_K", "Ni_K") for seed in range(10)]
    nickel = np.array([found.composition.fractions[0, 1] for found in told])
    assert np.all(nickel >= 0.0)
    assert np.any(nickel == 0.0)
    assert np.all(nickel < 3.0 * np.array([found.composition.std[0, 1] for found in told]))
    assert not any(found.impossible for found in told)


def test_errors_grow_with_misfit():
    plain, humped = (quantified(drawn({"Fe_K": 1e5, "Ni_K": 1e5}, 1, humps=h), "Fe_K", "Ni_K") for h in (0.0, 0.6))
    times = np.sqrt(humped.fit.misfit[0])
    assert plain.fit.misfit[0] < 1.3
    assert times > 1.5
    assert humped.composition.noise_std[0] == pytest.approx(times * plain.composition.noise_std[0], rel=0.1)
    assert any(f"errors by counting are {times:.1f} times as large" in note for note in humped.notes)


def test_a_line_whose_flank_alone_lies_in_the_channels_is_seen():
    """Nickel's L beside iron's."""
    found = quantified(drawn({"Fe_L": 30000.0, "Al_K": 30000.0, "Ti_L": 30000.0}, 1), "Fe_L", "Al_K")
    assert "Ti_La" in [f.name for f in found.model.families]
    assert list(map_report.lines(found))
