"""A simulator that is not ours: a ball in a ball in a coat, without a voxel anywhere.

Diffusion along the radius alone by Crank and Nicolson, projection by the chords through spherical shells.
"""

import numpy as np
from scipy.linalg import solve_banded
from scipy.ndimage import gaussian_filter

CONTRAST = 1.6
"""Intensity of the core's metal over the shell's."""
SILICA = 0.04


def radial_diffusion(
    core_nm: float, radius_nm: float, tau_nm2: float, shells: int = 300, ln_d_slope: float = 0.0
) -> np.ndarray:
    """Composition of spherical shells after tau = D t, no flux at the surface.

    D is that of the mean composition, times exp(slope (c - mean)) elsewhere; its value lags one short step behind.
    """
    edge = np.linspace(0.0, radius_nm, shells + 1)
    volume = np.diff(edge**3) / 3.0
    flow = np.r_[0.0, edge[1:-1] ** 2, 0.0] / (radius_nm / shells)
    c = (np.clip(core_nm**3, edge[:-1] ** 3, edge[1:] ** 3) - edge[:-1] ** 3) / np.diff(edge**3)
    steps = (3000 if ln_d_slope else 400) if tau_nm2 > 0 else 0
    for _ in range(steps):
        h = 0.5 * tau_nm2 / steps
        between = np.r_[0.0, 0.5 * (c[1:] + c[:-1]), 0.0]
        faster = flow * np.exp(ln_d_slope * (between - (core_nm / radius_nm) ** 3))
        flux = faster * np.diff(np.r_[c[0], c, c[-1]])
        bands = np.zeros((3, shells))
        bands[0, 1:], bands[2, :-1] = -h * faster[1:-1], -h * faster[1:-1]
        bands[1] = volume + h * (faster[1:] + faster[:-1])
        c = solve_banded((1, 1), bands, volume * c + h * np.diff(flux))
    return c


def projections(
    c: np.ndarray, radius_nm: float, coat_nm: float, centre_nm, tilts_deg, pixel_nm: float, shape
) -> np.ndarray:
    """Mean intensity of each pixel; at each tilt the ball stands where turning about the axis puts it."""
    edge = np.r_[np.linspace(0.0, radius_nm, len(c) + 1), radius_nm + coat_nm]
    b = np.linspace(0.0, edge[-1], 4000)
    chords = 2.0 * np.sqrt(np.maximum(edge[:, None] ** 2 - b**2, 0.0))
    profile = np.r_[1.0 + (CONTRAST - 1.0) * c, SILICA] @ np.diff(chords, axis=0)
    images = []
    for t in np.radians(tilts_deg):
        z, y, x = centre_nm
        rows, columns = (
            (np.arange(3 * n) - 0.5 * (3 * n - 1)) * pixel_nm / 3.0 - at
            for n, at in zip(shape, (y * np.cos(t) + z * np.sin(t), x), strict=True)
        )
        fine = np.interp(np.hypot(rows[:, None], columns), b, profile, right=0.0)
        blurred = gaussian_filter(fine, 3.0 * 0.6 / pixel_nm)
        images.append(blurred.reshape(shape[0], 3, shape[1], 3).mean(axis=(1, 3)))
    return np.array(images)
