"""Simple truths that several tests look at."""

import numpy as np
from numpy.typing import NDArray


def core_shell(n: int, shell: float = 4.0, core: float = 9.0) -> NDArray[np.float32]:
    """A ball in a block, off-centre a little, as intensities (z, y, x)."""
    z, y, x = np.meshgrid(*[np.arange(n) - 0.5 * (n - 1)] * 3, indexing="ij")
    a = 0.28 * n
    block = (abs(z) < a) & (abs(y + 1) < a) & (abs(x) < a)
    ball = (z - 1) ** 2 + y**2 + (x + 2) ** 2 < (0.16 * n) ** 2
    return np.where(ball, core, np.where(block, shell, 0.0)).astype(np.float32)
