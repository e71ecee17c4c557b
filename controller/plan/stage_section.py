"""``[stage]``: how the stage's axes lie on the image, as `alloyscope calibrate stage` measures it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drivers.toml_file import Strict


class StageSection(Strict):
    """By default the stage moves as the image does: +x to larger x, +y to larger y, without play."""

    turn_deg: float = Field(0.0, ge=-360.0, le=360.0)
    """Of the stage's x on the image, from the image's x towards its y."""
    mirrored: bool = False
    """Its y then runs the other way."""
    backlash_nm: float = Field(0.0, ge=0.0, le=1e5)
    """Play when the direction changes: places are come to from below, from so much farther away."""

    def to_bring(self, seen_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move (y, x) of the stage that displaces the content of an image by (y, x)."""
        turn = np.radians(self.turn_deg)
        hand = -1.0 if self.mirrored else 1.0
        y_nm, x_nm = seen_nm
        along_x = np.cos(turn) * x_nm + np.sin(turn) * y_nm
        along_y = hand * (-np.sin(turn) * x_nm + np.cos(turn) * y_nm)
        return np.array([along_y, along_x])
