"""Small particles that round off while they are hot.

Mychinko et al.'s (Small 2021) small rod loses its shape before lattice diffusion has mixed it: surface diffusion or
local melting. Here its elongation decays with tau = D t, at constant volume, and carries the composition with it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulators.specimens import Specimen, Voxels


def aspect_after(specimen: Specimen, tau_nm2: float) -> float:
    """Length over width after heating."""
    if specimen.rounding_nm2 is None:
        return specimen.aspect
    return 1.0 + (specimen.aspect - 1.0) * float(np.exp(-tau_nm2 / specimen.rounding_nm2))


def rounded(
    specimen: Specimen, voxels: Voxels, gold: NDArray[np.float32], tau_nm2: float
) -> tuple[Voxels, NDArray[np.float32]]:
    """The particle as it looks after tau: squeezed along its long axis, swollen across; volume and gold are kept."""
    if specimen.rounding_nm2 is None or tau_nm2 <= 0.0:
        return voxels, gold
    from scipy.ndimage import affine_transform

    along = (aspect_after(specimen, tau_nm2) / specimen.aspect) ** (2.0 / 3.0)
    turn = np.radians(specimen.in_plane_deg)
    axis = np.array([0.0, np.sin(turn), np.cos(turn)])
    back = np.sqrt(along) * np.eye(3) + (1.0 / along - np.sqrt(along)) * np.outer(axis, axis)
    shape = np.array(voxels.metal.shape)
    grown = 2 * np.ceil(0.5 * shape / np.sqrt(along)).astype(int) + shape % 2
    offset = 0.5 * (shape - 1.0) - back @ (0.5 * (grown - 1.0))

    def moved(field: NDArray[np.float32]) -> NDArray[np.float32]:
        found = affine_transform(field, back, offset, output_shape=tuple(grown), order=1)
        return np.asarray(found * (field.sum() / max(float(found.sum()), 1e-9)), np.float32)

    metal, gold_held = moved(voxels.metal), moved(voxels.metal * gold)
    metal = np.where(metal > 1e-3, metal, 0.0).astype(np.float32)
    mixed = np.divide(gold_held, metal, out=np.zeros_like(metal), where=metal > 0)
    return replace(voxels, metal=metal), np.minimum(mixed, 1.0)
