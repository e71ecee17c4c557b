"""A particle turning about the tilt axis, before any heat beside as it is now: a moving picture for the report."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from analysis.report.story import SessionStory

_FRAMES, _FRAME_MS = 36, 90
_VOXELS, _WIDEST_PX = 56, 224
"""Of the longest side of a volume as it is turned, and of one of the two pictures."""
_BETWEEN_PX = 6
_TOP = 99.9

Volume = NDArray[np.float32]


def turning(story: SessionStory) -> Iterator[tuple[str, str, bytes]]:
    """Particle, caption and GIF of each that has a reconstruction."""
    for particle, states in story.states.items():
        kept = [(s, known[0]) for s in (states[0], states[-1]) if (known := story.volume(s.step)) is not None]
        if kept:
            (first, _), (last, _) = kept[0], kept[-1]
            seen = [volume for _, volume in (kept if first is not last else kept[:1])]
            when = f"after {first.heated_s:.4g} s at temperature"
            when += "" if first is last else f" and, beside it in the same scale, after {last.heated_s:.4g} s"
            yield particle, f"{particle} {when}, turning about the tilt axis: sums along the beam.", turning_gif(seen)


def turning_gif(volumes: list[Volume]) -> bytes:
    """Volumes (z, y, x) of one voxel size side by side, each turned once about x and summed along the beam."""
    from PIL import Image
    from scipy.ndimage import rotate

    step = max(1, -(-max(max(v.shape) for v in volumes) // _VOXELS))
    coarse = [_binned(np.maximum(v, 0.0), step) for v in volumes]
    side, along = max(max(v.shape[:2]) for v in coarse), max(v.shape[2] for v in coarse)
    whole = [_within(v, (side, side, along)) for v in coarse]
    turns = [
        [rotate(v, 360.0 * n / _FRAMES, (0, 1), reshape=False, order=1).sum(axis=0) for v in whole]
        for n in range(_FRAMES)
    ]
    top = max(float(np.percentile(np.stack(turns), _TOP)), 1e-9)
    larger = max(1, _WIDEST_PX // max(turns[0][0].shape))
    palette = (255.0 * colormaps["viridis"](np.arange(256))[:, :3]).astype(np.uint8)
    block = np.ones((larger, larger), np.uint8)
    gap = np.zeros((side * larger, _BETWEEN_PX), np.uint8)
    frames = []
    for images in turns:
        first, *more = (np.kron(np.clip(255.0 * image / top, 0, 255).astype(np.uint8), block) for image in images)
        row = np.concatenate([first, *(part for image in more for part in (gap, image))], axis=1)
        frame = Image.fromarray(row).convert("P")
        frame.putpalette(palette.tobytes())
        frames.append(frame)
    out = BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=_FRAME_MS, loop=0)
    return out.getvalue()


def _binned(volume: Volume, step: int) -> Volume:
    """Means of blocks; what does not fill one at the far ends is left out."""
    z, y, x = (n // step for n in volume.shape)
    blocks = volume[: z * step, : y * step, : x * step].reshape(z, step, y, step, x, step)
    return np.asarray(blocks.mean(axis=(1, 3, 5)), np.float32)


def _within(volume: Volume, shape: tuple[int, int, int]) -> Volume:
    """In the middle of a larger one."""
    room = [wide - n for wide, n in zip(shape, volume.shape, strict=True)]
    return np.pad(volume, [(left // 2, left - left // 2) for left in room])
