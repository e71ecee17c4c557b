"""Spectrum images as other programs write them: odd keys, units that cannot be, maps of scanning microscopes."""

from pathlib import Path

import numpy as np
import pytest

from analysis.files.spectrum_file import read_spectrum_image
from drivers.errors import ConfigError
from tests.command import alloyscope

hspy = pytest.importorskip("rsciio.hspy", reason="RosettaSciIO writes the files")


def written(
    path: Path, told: dict[str, object], instrument: str = "TEM", channel: float = 0.02, pixel_unit: str = "nm"
) -> Path:
    kev = 0.02 * np.arange(1024)
    lines = sum(np.exp(-0.5 * ((kev - e) / 0.06) ** 2) for e in (6.404, 9.442))
    counts = np.random.default_rng(0).poisson(np.broadcast_to(3.0 * lines + 0.1, (6, 6, 1024))).astype(np.uint16)
    units = ("y", 0.5, pixel_unit), ("x", 0.5, pixel_unit), ("Energy", channel, " KeV ")
    axes = [
        {"name": n, "scale": s, "offset": 0.0, "units": u, "size": size, "navigate": n != "Energy"}
        | {"_type": "UniformDataAxis", "is_binned": n == "Energy"}
        for (n, s, u), size in zip(units, counts.shape, strict=True)
    ]
    metadata = {
        "Acquisition_instrument": {instrument: told},
        "General": {"title": ""},
        "Signal": {"signal_type": "EDS_" + instrument},
        "_HyperSpy": {"Folding": {"original_axes_manager": None, "original_shape": None}},
    }
    signal = {"data": counts, "axes": axes, "metadata": metadata, "original_metadata": {}, "tmp_parameters": {}}
    signal |= {"package_info": {"package": "", "package_version": ""}, "learning_results": {}, "models": {}}
    hspy.file_writer(path, signal | {"attributes": {"_lazy": False}})
    return path


@pytest.mark.parametrize("key", ["beam_energy", "beam_energy ", "Beam_Energy", " Beam energy"])
@pytest.mark.parametrize("value", [200.0, "200"])
def test_the_beam_energy_is_read_however_its_key_is_written(tmp_path, key, value):
    assert read_spectrum_image(written(tmp_path / "a.hspy", {key: value})).beam_kev == 200.0


def test_two_beam_energies_are_refused(tmp_path):
    path = written(tmp_path / "a.hspy", {"beam_energy": 200.0, "beam_energy ": 300.0})
    with pytest.raises(ConfigError, match="several beam energies, 200 and 300 keV"):
        read_spectrum_image(path)
    assert read_spectrum_image(path, beam_kev=300.0).beam_kev == 300.0


@pytest.mark.parametrize("kev", [200000.0, 0.2, float("nan")])
def test_a_beam_energy_that_no_microscope_has_is_refused(tmp_path, kev):
    with pytest.raises(ConfigError, match=f"beam energy {kev:g} keV"):
        read_spectrum_image(written(tmp_path / "a.hspy", {"beam_energy": kev}))


@pytest.mark.parametrize("channel", [1.0, 20.0, 1e-5])
def test_an_energy_axis_that_no_detector_has_is_refused(tmp_path, channel):
    with pytest.raises(ConfigError, match="calibrate the energy axis"):
        read_spectrum_image(written(tmp_path / "a.hspy", {"beam_energy": 200.0}, channel=channel))


def test_a_map_of_a_scanning_microscope_has_the_note_that_thin_film_factors_do_not_hold(tmp_path):
    scanning = written(tmp_path / "sem.hspy", {"beam_energy": 20.0}, "SEM")
    done = alloyscope("edx", scanning, "--lines", "Fe_Ka,Pt_La", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(Cliff-Lorimer) do not hold in a bulk specimen" in done.stdout
    assert read_spectrum_image(written(tmp_path / "tem.hspy", {"beam_energy": 200.0})).notes == ()


def test_pixels_without_a_unit_take_the_size_that_is_given(tmp_path):
    path = written(tmp_path / "a.hspy", {"beam_energy": 200.0}, pixel_unit="<undefined>")
    refused = alloyscope("edx", path, "--lines", "Fe_Ka,Pt_La", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--pixel-nm" in refused.stderr
    done = alloyscope("edx", path, "--lines", "Fe_Ka,Pt_La", "--pixel-nm", "0.8", cwd=tmp_path)
    assert "pixels of 0.8 nm" in done.stdout, done.stderr
