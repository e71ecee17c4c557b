"""Which of the particles found would do for a session: "single, round, 40-60 nm, not touching"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.particles.measurement import Measured
from analysis.particles.wanted import Wanted


def candidates(bodies: Sequence[Measured], wanted: Wanted, pixel_nm: float, shape: tuple[int, ...]) -> list[Measured]:
    """Those in an image of that shape that are as wanted, the surest first: farthest from others for their size.

    What lies beyond the image's edge is not known, so that the edge counts as another particle.
    """
    apart = [min(_nearest_nm(body, bodies, pixel_nm), _edge_nm(body, shape, pixel_nm)) for body in bodies]
    found = [
        (distance_nm / body.diameter_nm.value, body)
        for body, distance_nm in zip(bodies, apart, strict=True)
        if not body.cut
        and (wanted.touching or not body.touching)
        and (not wanted.shapes or body.shape in wanted.shapes)
        and (wanted.diameter_nm is None or wanted.diameter_nm[0] <= body.diameter_nm.value <= wanted.diameter_nm[1])
        and (not wanted.single or distance_nm > body.diameter_nm.value)
    ]
    return [body for _, body in sorted(found, key=lambda pair: -min(pair[0], 10.0))]


def _edge_nm(body: Measured, shape: tuple[int, ...], pixel_nm: float) -> float:
    rows, columns = shape
    nearest_px = min(body.y_px, rows - 1 - body.y_px, body.x_px, columns - 1 - body.x_px)
    return pixel_nm * nearest_px - 0.5 * body.feret_nm.value


def _nearest_nm(body: Measured, bodies: Sequence[Measured], pixel_nm: float) -> float:
    """From its outline to the next one, each taken for a disc as long as the particle."""
    gaps = [
        pixel_nm * np.hypot(body.y_px - other.y_px, body.x_px - other.x_px)
        - 0.5 * (body.feret_nm.value + other.feret_nm.value)
        for other in bodies
        if other is not body
    ]
    return float(min(gaps, default=np.inf))
