"""What a beam meets beside the particle: the membrane below it, a neighbour beside it, carbon on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.imaging import CARBON_PER_NM, NITRIDE_PER_NM, View
from simulators.specimens import Voxels

_STEPS_RUN_DEG = 35.0
"""Direction of the membrane's steps in its plane, from the tilt axis."""


@dataclass(frozen=True)
class Membrane:
    """Silicon nitride with a band that is thicker, `below_nm` under the particle's centre."""

    thickness_nm: float
    step_nm: float
    below_nm: float
    band_nm: float
    """Width of the thicker band, which begins below the particle's centre."""

    def __call__(
        self, view: View, heights_nm: NDArray[np.float64], along_nm: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        tilt, turn = np.radians(view.tilt_deg), np.radians(_STEPS_RUN_DEG)
        z_nm = view.centre_nm[0] - self.below_nm
        y_nm = (heights_nm - z_nm * np.sin(tilt)) / np.cos(tilt) - view.centre_nm[1]
        across_nm = np.cos(turn) * y_nm - np.sin(turn) * along_nm
        band = (across_nm > 0.0) & (across_nm < self.band_nm)
        through_nm = (self.thickness_nm + self.step_nm * band) / np.cos(tilt)
        return np.asarray(NITRIDE_PER_NM * through_nm, np.float32)


@dataclass(frozen=True)
class Neighbour:
    """A ball on the same membrane, across the tilt axis from the particle: the stage tilts it in front."""

    radius_nm: float
    away_nm: float
    per_nm: float
    """Fraction of the beam that a nm of it scatters."""

    def __call__(
        self, view: View, heights_nm: NDArray[np.float64], along_nm: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        tilt = np.radians(view.tilt_deg)
        height_nm = (view.centre_nm[1] + self.away_nm) * np.cos(tilt) + view.centre_nm[0] * np.sin(tilt)
        inside = self.radius_nm**2 - (heights_nm - height_nm) ** 2 - along_nm**2
        return np.asarray(2.0 * self.per_nm * np.sqrt(np.maximum(inside, 0.0)), np.float32)


def carbon(voxels: Voxels, thickness_nm: float) -> tuple[NDArray[np.float32], float]:
    """Density (z, y, x) of a coat of carbon on the metal, in the pores of the silica if it has one, and its voxel."""
    from scipy.ndimage import distance_transform_edt

    h = voxels.voxel_nm
    metal = np.pad(voxels.metal, int(np.ceil(thickness_nm / h)) + 2)
    # From the middle of the outermost metal voxel to its surface is half a voxel.
    away_nm = (distance_transform_edt(metal <= 0.5) - 0.5) * h
    part = np.clip(0.5 + (thickness_nm - away_nm) / h, 0.0, 1.0) * (1.0 - metal)
    return (np.float32(CARBON_PER_NM) * part).astype(np.float32), h
