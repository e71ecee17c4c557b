"""What the HAADF detector sees of a specimen: projected scattering, probe blur, counting noise, gain and offset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.metals import SILVER_PER_NM, scattering_per_nm
from simulators.rays import line_integrals
from simulators.specimens import Voxels

SILICA_PER_NM = 0.04 * SILVER_PER_NM
"""Mesoporous silica, 40 % pores."""
NITRIDE_PER_NM = 0.12 * SILVER_PER_NM
"""Silicon nitride of 3.1 g/cm3, by the same power of Z."""
CARBON_PER_NM = 0.05 * SILVER_PER_NM
"""Amorphous carbon of 2 g/cm3."""

Axis = NDArray[np.float64]

_LOOKED_AT_EVERY_DEG = 7.5
_LEAST_SWEEP_DEG = 0.1
"""Over 50 nm it moves nothing by a tenth of a nanometre."""
OVERSAMPLING = 2
"""Rays per pixel edge."""


@dataclass(frozen=True)
class Optics:
    """The probe and the detector."""

    probe_sigma_nm: float = 0.6
    gain: float = 12.0
    """Digital counts per electron."""
    offset: float = 420.0
    """Digital counts without beam."""
    read_noise: float = 6.0
    """Digital counts, one standard deviation."""


@dataclass(frozen=True)
class Response:
    """How a detector departs from counts in proportion to electrons; parts are of the brightest signal.

    Parameters
    ----------
    brightest : fraction of the beam that the brightest signal is
    compression : part by which the brightest is lowered, in proportion to the square of the signal
    black_level : what is added to each signal
    clipped_at : where the range ends; 0 is never
    gain : counts over what the gain that is told makes of the electrons
    """

    brightest: float
    compression: float = 0.0
    black_level: float = 0.0
    clipped_at: float = 0.0
    gain: float = 1.0


Aside = Callable[["View", Axis, Axis], NDArray[np.float32]]
"""Fraction scattered by what is no volume, from heights (height, 1) above the tilt axis and ways along it, which start
at the particle."""


@dataclass(frozen=True)
class View:
    """From where a particle is seen, and how sharply.

    Parameters
    ----------
    tilt_deg : true tilt of the stage
    centre_nm : (z, y, x) of the particle's centre; y and x in the image plane and z along the beam at 0 deg,
        all from the tilt axis through the image centre; x moves along the axis
    image_shift_nm : (y, x) by which the content is displaced in the image, whatever the tilt
    magnified : (y, x) by which the content is larger in the image
    shear : how far content moves along x per way in y
    attenuation : decay of the beam per fraction of it that has been scattered
    """

    tilt_deg: float
    centre_nm: tuple[float, float, float]
    pixel_nm: float
    shape: tuple[int, int]
    probe_sigma_nm: float
    image_shift_nm: tuple[float, float] = (0.0, 0.0)
    magnified: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0
    attenuation: float = 0.0

    def of(self, *densities: tuple[NDArray[np.float32], float], beside: Sequence[Aside] = ()) -> NDArray[np.float32]:
        """Line integrals per pixel (y, x) of densities (z, y, x) per nm, each with its voxels' size in nm, summed."""
        from scipy.ndimage import gaussian_filter

        fine_nm = self.pixel_nm / OVERSAMPLING
        rows, columns = (n * OVERSAMPLING for n in self.shape)
        heights: Axis = (np.arange(rows, dtype=np.float64) - 0.5 * (rows - 1)) * fine_nm - self.image_shift_nm[0]
        heights /= self.magnified[0]
        along: Axis = (np.arange(columns, dtype=np.float64) - 0.5 * (columns - 1)) * (fine_nm / self.magnified[1])
        along -= self.centre_nm[2] + self.image_shift_nm[1] / self.magnified[1]
        if self.shear:
            along = along - self.shear * heights[:, None]
        image = np.zeros((rows, columns), np.float32)
        for density, voxel_nm in densities:
            if not density.any():
                continue
            lines = line_integrals(density, voxel_nm, self.centre_nm[:2], self.tilt_deg, heights)
            image += _resample(lines, voxel_nm, along)
        for aside in beside:
            image += aside(self, heights[:, None], along)
        if self.attenuation:
            image = (-np.expm1(-self.attenuation * image) / self.attenuation).astype(np.float32)
        blurred = gaussian_filter(image, self.probe_sigma_nm / fine_nm)
        parts = blurred.reshape(self.shape[0], OVERSAMPLING, self.shape[1], OVERSAMPLING)
        return np.asarray(parts.mean(axis=(1, 3)), np.float32)


Density = tuple[NDArray[np.float32], float]
"""Fraction of the beam that a nm scatters, (z, y, x), and the size of its voxels in nm."""


def scatterers(voxels: Voxels, gold: NDArray[np.float32], bow: float = 0.0) -> tuple[Density, Density]:
    """Of the metal, less the silica whose place it takes, and of the coat.

    Parameters
    ----------
    gold : fraction c of the core's metal, (z, y, x)
    bow : a mixture scatters 4 bow c (1 - c) of the difference of the two metals more than in proportion
    """
    core, shell = (scattering_per_nm(metal) for metal in voxels.metals)
    alone = shell - (SILICA_PER_NM if voxels.silica.any() else 0.0)
    weight = gold + np.float32(4.0 * bow) * gold * (1.0 - gold) if bow else gold
    metal = voxels.metal * (np.float32(alone) + np.float32(core - shell) * weight)
    coat = voxels.silica * np.float32(SILICA_PER_NM)
    return (metal, voxels.voxel_nm), (coat, voxels.silica_voxel_nm)


def scattering(voxels: Voxels, gold: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Fraction of the beam scattered onto the detector per pixel, (y, x); `gold` (z, y, x) is the gold fraction."""
    return view.of(*scatterers(voxels, gold))


def brightest(density: Density) -> float:
    """Fraction of the beam scattered along the longest path at any tilt."""
    volume, voxel_nm = density
    reach_nm = 0.5 * voxel_nm * float(np.hypot(*volume.shape[:2]))
    heights: Axis = np.arange(-reach_nm, reach_nm, 2.0 * voxel_nm)
    tilts_deg = np.arange(-90.0, 90.0, _LOOKED_AT_EVERY_DEG)
    return max(float(line_integrals(volume, voxel_nm, (0.0, 0.0), float(t), heights).max()) for t in tilts_deg)


def attenuation(brightest: float, lowered: float) -> float:
    """A `View`'s attenuation that lowers the brightest signal by a part of it."""
    from scipy.optimize import brentq

    if lowered <= 0.0:
        return 0.0
    return float(brentq(lambda k: -np.expm1(-k) / k - (1.0 - lowered), 1e-6, 50.0)) / brightest


def exposed(render: Callable[[float], NDArray[np.float32]], tilt_deg: float, swept_deg: float) -> NDArray[np.float32]:
    """Mean of what is seen while the stage sweeps evenly over some tilt during one exposure (Gauss and Legendre)."""
    if swept_deg < _LEAST_SWEEP_DEG:
        return render(tilt_deg)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    seen = [render(float(tilt_deg + 0.5 * swept_deg * node)) for node in nodes]
    return np.tensordot(0.5 * weights, np.stack(seen), 1).astype(np.float32)


def detect(
    fraction: NDArray[np.float32],
    electrons_per_pixel: float,
    optics: Optics,
    rng: np.random.Generator,
    response: Response | None = None,
) -> NDArray[np.uint16]:
    """Digital counts of one scan: Poisson electrons, then gain, offset and read noise; clipped at 16 bits."""
    electrons = rng.poisson(np.maximum(fraction, 0.0) * electrons_per_pixel)
    signal, end = electrons * optics.gain, np.inf
    if response is not None:
        top = response.brightest * electrons_per_pixel * optics.gain
        signal = signal * response.gain
        signal = signal * (1.0 - response.compression * signal / max(top, 1.0)) + response.black_level * top
        end = optics.offset + response.clipped_at * top if response.clipped_at else np.inf
    counts = signal + optics.offset + rng.normal(0.0, optics.read_noise, fraction.shape)
    return np.clip(np.rint(counts), 0, min(end, 65535)).astype(np.uint16)


def _resample(lines: NDArray[np.float32], voxel_nm: float, along_nm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Linear interpolation of (height, x) at positions (x) or (height, x) from the volume's centre; zero outside."""
    n = lines.shape[1]
    position = along_nm / voxel_nm + 0.5 * (n - 1)
    left = np.floor(position).astype(int)
    part = (position - left).astype(np.float32)
    padded = np.pad(lines, ((0, 0), (1, 2)))
    at = np.clip(left + 1, 0, n + 1)
    inside = (left >= -1) & (left < n)
    row = np.arange(len(lines))[:, None]
    seen = padded[row, at] * (1 - part) + padded[row, np.clip(at + 1, 0, n + 2)] * part
    return np.where(inside, seen, 0.0).astype(np.float32)
