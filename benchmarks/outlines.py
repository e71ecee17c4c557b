"""Learned outlines of a crowded image, with an image's denoising by OpenCV and scikit-image beside it.

Non-local means is what Zhang et al., arXiv:2409.16637 (2024), do first; ours does without.
"""

from collections.abc import Iterator

import numpy as np
from skimage.restoration import denoise_nl_means

from analysis.particles.image_noise import noise_std
from analysis.particles.outlines import best_method, outlines
from benchmarks.row import Row, installed, median_s
from simulators.particle_images import draw


def rows(short: bool) -> Iterator[Row]:
    image = draw("sphere", 50, 24, np.random.default_rng(100), snr_db=14.55).image.astype(np.float64)
    method = best_method()
    outlines(image, method)  # loaded
    ours_s = median_s(lambda: outlines(image, method), 5)
    size = " x ".join(map(str, image.shape))
    bar, held = ("<= 0.1 s", ours_s <= 0.1) if method == "learned" else ("", None)
    yield Row(f"outlines, {method}, {size}", ours_s, "s", bar=bar, held=held)
    grey = np.round(255.0 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    sigma = noise_std(grey.astype(np.float64))
    what = f"outlines, {size}, against denoising alone"
    if installed("cv2"):
        import cv2

        by_opencv_s = median_s(lambda: cv2.fastNlMeansDenoising(grey, None, sigma, 7, 21), 3)
        yield Row(what, ours_s, "s", "OpenCV non-local means", by_opencv_s)
    by_skimage_s = median_s(lambda: denoise_nl_means(grey, 7, 10, 0.8 * sigma / 255.0, fast_mode=True), 1)
    yield Row(what, ours_s, "s", "scikit-image non-local means", by_skimage_s)
    if not short:
        large = np.tile(image, (8, 8))[:4096, :4096]
        large_s = median_s(lambda: outlines(large, method), 1)
        yield Row(
            f"outlines, {method}, {large.shape[0]} x {large.shape[1]}", large_s, "s", bar="<= 6 s", held=large_s <= 6.0
        )
