"""Pixels as files of other programs tell them: units of any spelling, and oblong ones."""

from pathlib import Path

import numpy as np
import pytest
from rsciio.hspy import file_writer

from tests.analysis.particles.balls import TWENTY
from tests.command import alloyscope


def write_hspy(path: Path, image: np.ndarray, sizes: tuple[float, float], unit: str) -> Path:
    """As HyperSpy does; pixels (y, x) of these sizes."""
    plain = {"offset": 0.0, "units": unit, "navigate": False, "is_binned": False, "_type": "UniformDataAxis"}
    axes = [
        {"name": name, "size": number, "scale": size} | plain
        for name, number, size in zip("yx", image.shape, sizes, strict=True)
    ]
    folding = {"original_axes_manager": None, "original_shape": None, "unfolded": False, "signal_unfolded": False}
    metadata = {"General": {"title": ""}, "Signal": {"signal_type": ""}, "_HyperSpy": {"Folding": folding}}
    rest = {k: {} for k in ("original_metadata", "tmp_parameters", "learning_results", "models")}
    told = {"package_info": {"package": "", "package_version": ""}, "attributes": {"_lazy": False}}
    file_writer(str(path), {"data": image, "axes": axes, "metadata": metadata, **told, **rest})
    return path


@pytest.mark.parametrize(("unit", "per_nm"), [("nm", 1.0), ("A", 10.0), ("Å", 10.0), ("um", 1e-3)])
def test_square_pixels_are_read_in_any_unit_and_oblong_ones_are_refused(tmp_path, unit, per_nm):
    """Half as fine along x balls would be rods."""
    square = write_hspy(tmp_path / "square.hspy", TWENTY, (0.5 * per_nm, 0.5 * per_nm), unit)
    done = alloyscope("particles", square, cwd=tmp_path)
    assert "20 particles (20 round)" in done.stdout, done.stderr
    assert float(done.stdout.split("; ")[1].split()[0]) == pytest.approx(15.0, rel=0.03)
    oblong = write_hspy(tmp_path / "oblong.hspy", TWENTY[:, ::2], (0.5 * per_nm, 1.0 * per_nm), unit)
    for more in ((), ("--pixel-nm", "0.5")):
        refused = alloyscope("particles", oblong, *more, cwd=tmp_path)
        assert refused.returncode == 2
        assert "its pixels are 0.5 x 1 nm (y, x); resample it to square ones" in refused.stderr
        assert "particles (" not in refused.stdout
