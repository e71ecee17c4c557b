"""Particles found in simulated images: a table for docs/validation.md.

Under the conditions of Zhang et al., arXiv:2409.16637 (2024), and harder ones.

F1 at an intersection over union of 0.5, the mean of that of those matched, mean error of the diameter that is told,
seconds per image.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from analysis.particles.measurement import measured
from analysis.particles.outlines import outlines
from analysis.particles.training.drawn_images import recorded, scene
from drivers.clock import SteppedClock
from drivers.interfaces import DriverContext, ScanSettings
from simulators.imaging import scattering
from simulators.microscope import SimulatedMicroscope
from simulators.particle_images import draw

SEEDS = range(100, 110)
DENOISED_DB = 7.49
"""At which Zhang et al., arXiv:2409.16637 (2024) denoised first."""
TWINS = ("NC1", "NC2", "NR1", "NR2", "NR4")
TWIN_DWELLS_US = (1.0, 0.2)
"""At 50 pA."""
SMALL_PX = 24
UNSEEN = 77
"""Seed of images drawn as those that were learned from, not among them."""
CASES = [
    ("sphere", 50, 24, None, None),
    ("sphere", 50, 24, 14.55, None),
    ("sphere", 50, 24, 7.49, None),
    ("concave cube", 50, 24, 14.55, None),
    ("rod", 65, 24, 14.55, None),
    ("sphere", 30, 24, 14.55, None),
    ("sphere", 70, 12, 14.55, None),
    ("cube", 50, 20, 14.55, None),
    ("bipyramid", 80, 16, 14.55, None),
    ("sphere", 50, 20, 10.0, 0.3),
    ("cube", 50, 16, 10.0, 0.0),
    ("rod", 65, 16, 10.0, 0.3),
]


def scored(masks, image, labels):
    number = labels.max()
    areas = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    iou = np.zeros((len(masks), number))
    for row, mask in zip(iou, masks, strict=True):
        both = np.bincount(labels[mask], minlength=number + 1)[1:]
        row[:] = both / (mask.sum() + areas - both)
    rows, columns = linear_sum_assignment(-iou)
    good = iou[rows, columns] >= 0.5
    if not good.any():
        return 0.0, np.nan, np.nan
    told = {body.label: body.area_nm2.value for body in measured(image, labels, 1.0)}
    sizes = [np.sqrt(told[c + 1] / masks[r].sum()) - 1.0 for r, c in zip(rows[good], columns[good], strict=True)]
    return 2.0 * good.sum() / (len(masks) + number), iou[rows, columns][good].mean(), np.mean(sizes)


def main() -> None:
    began = time.perf_counter()
    outlines(np.random.default_rng(0).normal(size=(64, 64)), "learned")
    loading_s = time.perf_counter() - began
    print(f"512 x 512 pixels, {len(SEEDS)} images each; simulated. The network loads in {loading_s:.2f} s.\n")
    print("| particles | SNR (dB) | method | F1 | IoU | diameter | s per image |\n|---|---|---|---|---|---|---|")
    for title, drawn, denoised in images():
        for method in ("otsu", "watershed", "learned"):
            began = time.perf_counter()
            found = [outlines(image, method, denoised) for image, _ in drawn]
            each_s = (time.perf_counter() - began) / len(drawn)
            told = [scored(masks, image, labels) for (image, masks), labels in zip(drawn, found, strict=True)]
            f1, iou, size = np.nanmean(told, axis=0)
            print(f"| {title} | {method} | {f1:.3f} | {iou:.3f} | {100 * size:+.1f} % | {each_s:.2f} |", flush=True)


def images():
    """What is in the images and their SNR, so many of them with the masks of their particles, how to denoise them."""
    for shape, size_px, number, snr_db, overlap in CASES:
        drawn = [
            draw(shape, size_px, number, np.random.default_rng(seed), snr_db=snr_db, overlap=overlap) for seed in SEEDS
        ]
        crowd = "" if overlap is None else f", half touching, overlap up to {100 * overlap:.0f} %"
        pairs = [(d.image, d.masks) for d in drawn]
        for denoised in ("no", "gaussian", "non-local means") if snr_db == DENOISED_DB else ("no",):
            first = "" if denoised == "no" else f", {denoised}"
            yield f"{shape} {size_px} px{crowd}{first} | {snr_db or 'no noise'}", pairs, denoised
    large, small = [], []
    for number in range(4 * len(SEEDS)):
        drawn = scene(UNSEEN, number, 512)
        masks = [drawn.labels == n for n in np.unique(drawn.labels) if n]
        if masks:
            image = recorded(drawn, np.random.default_rng([UNSEEN, number])).astype(float)
            typical_px = np.median([np.sqrt(4.0 * mask.sum() / np.pi) for mask in masks])
            (large if typical_px > SMALL_PX else small).append((image, masks))
    yield f"all kinds, crowded, as learned from, from {SMALL_PX} px | 4.5 to 32", large, "no"
    yield f"the same, 8 to {SMALL_PX} px | 4.5 to 32", small, "no"
    for dwell_us in TWIN_DWELLS_US:
        fields, snr_db = zip(*(of_the_twin(seed, dwell_us) for seed in SEEDS[:3]), strict=True)
        yield f"the twin's cubes and rods, in silica | {np.mean(snr_db):.1f}", fields, "no"


def of_the_twin(seed, dwell_us):
    """A field of the twin's microscope with the masks of the metal in it, and its SNR in dB."""
    rng = np.random.default_rng(seed)
    places_nm = [(y, x) for y in range(-300, 301, 150) for x in range(-300, 301, 150)]
    particles = [
        {
            "specimen": TWINS[number % len(TWINS)],
            "y_nm": y + rng.uniform(-15.0, 15.0),
            "x_nm": x + rng.uniform(-15.0, 15.0),
            "in_plane_deg": rng.uniform(0.0, 360.0),
        }
        for number, (y, x) in enumerate(places_nm)
    ]
    settings = ScanSettings(1.5, (512, 512), dwell_us * 1e-6)

    async def taken():
        await microscope.connect()
        await microscope.set_beam_blank(False)
        return await microscope.scan(settings)

    with tempfile.TemporaryDirectory() as folder:
        clock = SteppedClock()
        microscope = SimulatedMicroscope("m", DriverContext(clock, seed, Path(folder)), particles, voxels_across=48.0)
        image = clock.run(taken()).image.astype(float)
        views = list(microscope.views(settings.pixel_nm, settings.shape, 0.0))
    noiseless = sum(scattering(*particle.shown, view) for particle, view in views)
    masks = []
    for particle, view in views:
        metal, (rows, columns) = particle.shown[0], settings.shape
        # A voxel that is half metal has the surface through it, however many of them lie behind each other.
        shadow = np.ascontiguousarray(np.broadcast_to(metal.metal.max(axis=0), metal.metal.shape))
        finer = replace(view, probe_sigma_nm=0.0, pixel_nm=settings.pixel_nm / 3.0, shape=(3 * rows, 3 * columns))
        seen = finer.of((shadow, metal.voxel_nm))
        inside = seen > 0.5 * seen.max()
        masks.append(inside.reshape(rows, 3, columns, 3).mean(axis=(1, 3)) > 0.5)
    per_signal = np.polyfit(noiseless.ravel(), image.ravel(), 1)
    noise = image - np.polyval(per_signal, noiseless)
    return (image, masks), 10.0 * np.log10(np.var(image - noise) / np.var(noise))


if __name__ == "__main__":
    main()
