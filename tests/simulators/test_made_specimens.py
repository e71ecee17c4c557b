"""Particles that a session file describes: their sizes by formulas, their metals by tables, each mistake told."""

import math

import numpy as np
import pytest

from drivers.errors import ConfigError
from simulators.imaging import scatterers
from simulators.made_specimen import MadeSpecimen
from simulators.metals import METALS, SILVER_PER_NM, scattering_per_nm
from simulators.places import places
from simulators.specimens import build

VOLUMES_NM3 = {
    "sphere": lambda d, _: math.pi / 6 * d**3,
    "rod": lambda d, length: math.pi / 4 * d**2 * (length - d / 3),
    "octahedron": lambda a, _: math.sqrt(2) / 3 * a**3 * (1 - 6 * 0.1**3),
}


@pytest.mark.parametrize("shape", ["sphere", "cube", "octahedron", "rod", "pentagonal-rod", "bipyramid"])
@pytest.mark.parametrize("metals", [("Au", "Pd"), ("Pt", "Ni")])
def test_it_is_as_large_and_as_rich_as_the_file_says(shape, metals):
    long = shape in ("rod", "pentagonal-rod", "bipyramid")
    length_nm = 70.0 if long else None
    made = MadeSpecimen(shape=shape, width_nm=28.0, length_nm=length_nm, core=metals[0], shell=metals[1])
    specimen = made.specimen("A")
    voxels = build(specimen, 40.0)
    assert voxels.metals == metals
    assert voxels.gold_fraction(voxels.gold) == pytest.approx(0.3, abs=0.003)
    assert voxels.volume_nm3 == pytest.approx(specimen.volume_nm3, rel=0.003)
    if shape in VOLUMES_NM3:
        assert specimen.volume_nm3 == pytest.approx(VOLUMES_NM3[shape](28.0, length_nm), rel=0.005)
    # Nothing of it is cut off: empty all around.
    rim = np.ones(voxels.metal.shape, bool)
    rim[1:-1, 1:-1, 1:-1] = False
    assert not voxels.metal[rim].any()
    if long:
        x = np.flatnonzero((voxels.metal > 0.5).any(axis=(0, 1)))
        seen_nm = float(np.ptp(x) + 1) * voxels.voxel_nm
        assert seen_nm == pytest.approx(70.0 * math.cos(math.radians(10.0)), rel=0.06)


def test_metals_scatter_as_published_particles_do_and_as_their_atoms_say():
    assert scattering_per_nm("Ag") == SILVER_PER_NM
    assert scattering_per_nm("Au") == pytest.approx(SILVER_PER_NM * (79 / 47) ** 1.7)
    # Densities (g/cm3) and atomic weights of the CRC Handbook, 97th edition.
    for metal, density, weight in (
        ("Pd", 12.0, 106.42),
        ("Pt", 21.5, 195.08),
        ("Cu", 8.96, 63.55),
        ("Ni", 8.90, 58.69),
    ):
        number = {"Pd": 46, "Pt": 78, "Cu": 29, "Ni": 28}[metal]
        atoms = density / weight * 602.2 / 58.6
        assert scattering_per_nm(metal) == pytest.approx(SILVER_PER_NM * (number / 47) ** 1.7 * atoms, rel=0.01), metal
    assert len(set(METALS)) == len(METALS)
    made = MadeSpecimen(width_nm=20.0, core="Pt", shell="Ni").specimen("A")
    voxels = build(made, 30.0)
    (metal, _), _ = scatterers(voxels, voxels.gold)
    inside = voxels.metal == 1.0
    assert float(metal[inside & (voxels.gold == 1.0)].mean()) == pytest.approx(scattering_per_nm("Pt"), rel=1e-5)
    assert float(metal[inside & (voxels.gold == 0.0)].mean()) == pytest.approx(scattering_per_nm("Ni"), rel=1e-5)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "give it a specimen"),
        ({"specimen": "NC2", "made": {}}, "give it a specimen"),
        ({"specimen": "NC9"}, "no specimen 'NC9'"),
        ({"specimen": "NC2", "colour": "red"}, "colour: unknown key"),
        ({"made": {"shape": "rod"}}, "a rod needs a length_nm"),
        ({"made": {"length_nm": 80.0}}, "a cube has no length_nm"),
        ({"made": {"core": "Gold"}}, "the twin has no metal 'Gold'"),
        ({"made": {"core": "Ag"}}, "core and shell are both Ag"),
        ({"made": {"wdith_nm": 30.0}}, "did you mean 'width_nm'?"),
        ({"made": {"core_shape": "rod"}}, "does not fit into a cube"),
        ({"made": {"width_nm": 400.0}}, "it would scatter"),
        ({"specimen": ["NC2"]}, "no specimen ['NC2']"),
        ({"made": {"core_shape": "sphere", "core_percent": 80.0}}, "the core does not fit"),
    ],
)
def test_each_mistake_is_told_with_its_place(table, told):
    with pytest.raises(ConfigError, match=r"particles\[2\]") as refused:
        places([{"specimen": "NR1"}, table], "microscope.options")
    (sentence,) = refused.value.problems
    assert told in sentence


def test_what_differs_at_a_place_holds_for_made_ones_too():
    (place,) = places([{"made": {}, "name": "B", "in_plane_deg": 3.0, "d_450_m2_per_s": 1e-20}], "microscope.options")
    laid = place.as_laid()
    assert (laid.name, laid.in_plane_deg, laid.d_450_m2_per_s) == ("B", 3.0, 1e-20)


def test_two_made_ones_need_names_by_which_their_truths_are_written():
    with pytest.raises(ConfigError, match="names of their own"):
        places([{"made": {}}, {"made": {"core": "Pt"}}], "microscope.options")
    with pytest.raises(ConfigError, match="names of their own"):
        places([{"made": {}, "name": "A"}, {"made": {}, "name": "A"}], "microscope.options")
    assert len(places([{"made": {}, "name": "A"}, {"made": {}, "name": "B"}, {"specimen": "NC2"}], "options")) == 3
