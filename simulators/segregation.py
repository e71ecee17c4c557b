"""Silver that comes to the surface of a mixed particle while it is hot (Moreira et al., Small 2024, Figure 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.specimens import Specimen, Voxels

_SHELL_NM, _ENRICHMENT = 1.5, 0.12
"""Thickness of the shell, and by how much its atomic fraction of silver grows at the surface."""


def segregated(specimen: Specimen, voxels: Voxels, gold: NDArray[np.float32], tau_nm2: float) -> NDArray[np.float32]:
    """Gold fraction (z, y, x) after tau = D t: less in a shell, as much more within; gold is kept."""
    if specimen.segregating_nm2 is None or tau_nm2 <= 0.0:
        return gold
    from scipy.ndimage import distance_transform_edt

    depth_nm = voxels.voxel_nm * distance_transform_edt(voxels.metal > 0.5)
    shell = np.clip(1.0 - depth_nm / _SHELL_NM, 0.0, 1.0)
    mean = float((shell * voxels.metal).sum() / voxels.metal.sum())
    share = 1.0 - float(np.exp(-tau_nm2 / specimen.segregating_nm2))
    return np.where(voxels.metal > 0, gold - share * _ENRICHMENT * (shell - mean), 0.0).astype(np.float32)
