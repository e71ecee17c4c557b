"""Found particles for people and programs: lines, JSON, and a picture with their outlines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from analysis.particles.following import Event, Following, Seen
from analysis.particles.measurement import Measured
from analysis.particles.outlines import Labels
from analysis.results import Estimate
from drivers.frames import plain

_COLOUR = (255, 170, 0)
_PICTURE_PX = 512


def named(images: Sequence[Sequence[Measured]], pixels_nm: Sequence[float]) -> tuple[list[list[int]], list[Event]]:
    """Names that the particles of each image keep from image to image, and what happened to them."""
    following = Following()
    names = [
        following.add([Seen(m.y_px, m.x_px, m.diameter_nm.value / pixel_nm) for m in particles])
        for particles, pixel_nm in zip(images, pixels_nm, strict=True)
    ]
    return names, [e for e in following.events if e.what != "new" or e.image > 0]


def line(title: str, particles: Sequence[Measured]) -> str:
    """How many of which shape and size; which were left out of the sizes, and why."""
    if not particles:
        return f"{title}: no particles"
    shapes = sorted({m.shape for m in particles})
    kinds = ", ".join(f"{sum(m.shape == s for m in particles)} {s}" for s in shapes)
    touching, cut = sum(m.touching for m in particles), sum(m.cut for m in particles)
    counted = f"{touching} touching, {cut} cut by the edge{' and left out of the sizes' if cut else ''}"
    whole = [m for m in particles if not m.cut]
    apart = _sizes("", [m for m in whole if not m.touching])
    crowded = _sizes("touching ones ", [m for m in whole if m.touching])
    return f"{title}: {len(particles)} particles ({kinds}), {counted}{apart}{crowded}"


def _sizes(which: str, particles: Sequence[Measured]) -> str:
    """Their mean diameter, with the error of where outlines lie, which is common to all; and their spread."""
    if not particles:
        return ""
    sizes = np.array([m.diameter_nm.value for m in particles])
    common = float(np.mean([m.diameter_nm.std for m in particles]))
    mean = Estimate(float(sizes.mean()), float(np.hypot(common, sizes.std() / np.sqrt(sizes.size))))
    return f"; {which}{mean} nm across (mean of {sizes.size}, spread {sizes.std():.2g} nm)"


def whereabouts(body: Measured, shape: tuple[int, ...], pixel_nm: float) -> str:
    """Where from the middle of the image a particle lies, and what it is."""
    y_nm, x_nm = (pixel_nm * (at - 0.5 * (n - 1)) for at, n in zip((body.y_px, body.x_px), shape, strict=True))
    return f"{body.shape}, {body.diameter_nm} nm across, at x {x_nm:+.1f}, y {y_nm:+.1f} nm from the middle"


def as_json(particles: Sequence[Measured], names: Sequence[int]) -> list[dict[str, Any]]:
    told = []
    for m, name in zip(particles, names, strict=True):
        entry = {f: getattr(m, f) for f in m.__dataclass_fields__}
        told.append({"name": name} | {k: msgspec.to_builtins(v, enc_hook=plain) for k, v in entry.items()})
    return told


def picture(image: NDArray[np.generic], labels: Labels) -> NDArray[np.uint8]:
    """The image (y, x, rgb), stretched, a small one magnified, with outlines two pixels wide."""
    from scipy.ndimage import maximum_filter, minimum_filter

    times = max(1, _PICTURE_PX // max(image.shape))
    values, labels = (np.repeat(np.repeat(p, times, axis=0), times, axis=1) for p in (np.float64(image), labels))
    low, high = np.percentile(values, (0.5, 99.8))
    grey = np.clip((values - low) * (255.0 / max(float(high - low), 1e-12)), 0, 255).astype(np.uint8)
    drawn = np.repeat(grey[..., None], 3, axis=2)
    drawn[(maximum_filter(labels, 3) != minimum_filter(labels, 3))] = _COLOUR
    return drawn
