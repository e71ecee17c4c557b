"""Which pixels are of one phase, and whether phases differ by more than noise and thickness.

Counts are split at random into two halves, which are independent. The first is clustered, as Eggeman et al., Faraday
Discuss. 2025, do: reduced, scaled by median and quartiles, and grouped by a Gaussian mixture or by density; but
principal components are divided by their pixel's counts, so that thickness is out. The second half judges: clusters
whose lines it cannot tell apart are one, and a seam between phases, which is all border and a mixture of them, is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from warnings import catch_warnings

import numpy as np
from numpy.typing import NDArray

from analysis.edx.decomposition import components_seen, principal_components
from analysis.edx.lines.fit import LineFit, fit_lines
from analysis.edx.lines.model import LineModel
from analysis.edx.spectrum_image import SpectrumImage
from drivers.errors import ConfigError

Workflow = Literal["gmm", "hdbscan"]
_MOST, _PIXELS_PER_CLUSTER = 10, 10
_LOWEST_KEV = 0.15
"""Below is the detector's own noise, which in some files is most of all counts."""
_SEEN_SIGMAS = 3.0
"""Pixels with fewer counts in the lines are no specimen."""
_ALIKE_SIGMAS = 5.0
_SEAM = 0.25
"""A seam has fewer of its pixels than this inside."""
_SMALLEST_PART, _WEIGHT_BETWEEN = 0.02, 0.1


@dataclass(frozen=True)
class Clusters:
    """Pixels by phase."""

    label: NDArray[np.intp]
    """(y, x), from 0; -1 where there is no specimen."""
    inner: NDArray[np.bool_]
    """(y, x): none of the four neighbours is of another cluster, so that the pixel is no mixture."""
    membership: NDArray[np.float64]
    """(cluster, y, x): how sure it is, 0..1."""
    merged: int
    """Clusters that were found and are none of their own."""
    alike: int
    """Pairs that cannot be told apart, where so many clusters were asked for."""

    @property
    def number(self) -> int:
        return len(self.membership)


def clusters(
    image: SpectrumImage,
    model: LineModel,
    lines: int,
    workflow: Workflow = "gmm",
    *,
    number: int | None = None,
    within: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Clusters:
    """Group the pixels of a map by composition.

    Parameters
    ----------
    model, lines : how spectra are fitted, and how many of the model's lines, the first, make up the composition
    number : of clusters, of a Gaussian mixture; by default as many as differ
    within : pixels (y, x) that may be used; by default all

    Raises
    ------
    ConfigError
        When fewer pixels than a few per cluster have counts in the lines.
    """
    rng = np.random.default_rng(seed)
    shape = image.counts.shape[:2]
    data = image.counts.reshape(shape[0] * shape[1], -1)
    specimen = _has_lines(fit_lines(model, data, like=image.total), lines)
    if within is not None:
        specimen &= within.ravel()
    least = _PIXELS_PER_CLUSTER * (number or 1)
    if specimen.sum() < least:
        words = f"{specimen.sum()} binned pixels have counts in the lines, {least} are needed to find phases"
        raise ConfigError(image.title or "clusters", [words])
    counts = np.asarray(data[specimen], np.int64)
    first = rng.binomial(counts, 0.5)
    found = _found(_features(first[:, max(0, image.axis.channel_of(_LOWEST_KEV)) :]), workflow, number, seed)
    membership = np.zeros((len(data), found.shape[1]))
    membership[specimen] = found
    second = np.zeros(data.shape)
    second[specimen] = counts - first
    alike = 0
    if number is None:
        membership = _judged(membership, second, shape, model, lines)
    else:
        alike = _alike_pairs(_lines_of(membership, second, model, lines))
    label = _label(membership).reshape(shape)
    merged = found.shape[1] - membership.shape[1]
    return Clusters(label, _inner(label), membership.T.reshape(-1, *shape), merged, alike)


def _has_lines(fit: LineFit, lines: int) -> NDArray[np.bool_]:
    """(spectrum): whether there are more counts in the lines than background would give."""
    counts = fit.counts[:, :lines].sum(axis=1)
    std = np.sqrt(np.maximum(fit.covariance[:, :lines, :lines].sum(axis=(1, 2)), 1e-12))
    return np.asarray(counts > _SEEN_SIGMAS * std, np.bool_)


def _label(membership: NDArray[np.float64]) -> NDArray[np.intp]:
    """(pixel): the likeliest cluster."""
    return np.where(membership.sum(axis=1) > 0.0, membership.argmax(axis=1), -1)


def _features(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(pixel, feature): principal components over the pixel's counts, scaled by median and quartiles."""
    from sklearn.preprocessing import RobustScaler

    pca = principal_components(counts)
    kept = pca.maps[:, : max(2, components_seen(pca))]
    parts = kept / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(RobustScaler().fit_transform(parts), np.float64)


def _found(features: NDArray[np.float64], workflow: Workflow, number: int | None, seed: int) -> NDArray[np.float64]:
    """Membership (pixel, cluster)."""
    if workflow == "gmm":
        from sklearn.mixture import GaussianMixture

        most = min(_MOST, len(features) // _PIXELS_PER_CLUSTER)
        tried = [number] if number is not None else range(1, most + 1)
        fits = [GaussianMixture(n, n_init=3, random_state=seed, reg_covar=1e-5).fit(features) for n in tried]
        best = min(fits, key=lambda fit: float(fit.bic(features)))
        return np.asarray(best.predict_proba(features), np.float64)
    from sklearn.cluster import HDBSCAN

    smallest = max(10, int(_SMALLEST_PART * len(features)))
    scan = HDBSCAN(min_cluster_size=smallest, min_samples=5, allow_single_cluster=True, copy=True)
    scan.fit(_embedded(features, seed))
    numbers = range(max(1, scan.labels_.max() + 1))
    membership = np.stack([scan.probabilities_ * (scan.labels_ == n) for n in numbers], axis=1)
    # Pixels between the dense regions go to the nearest one, with little weight.
    centres = np.stack([np.average(features, axis=0, weights=membership[:, n] + 1e-12) for n in numbers])
    nearest = np.argmin(np.linalg.norm(features[:, None] - centres, axis=2), axis=1)
    left_out = membership.sum(axis=1) == 0.0
    membership[left_out, nearest[left_out]] = _WEIGHT_BETWEEN
    return membership


def _embedded(features: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """UMAP's four dimensions where it is installed, else the principal components themselves."""
    try:
        with catch_warnings(action="ignore", category=ImportWarning):  # it says that it lacks TensorFlow
            from umap import UMAP
    except ModuleNotFoundError:
        return features
    # Eggeman et al. give the four dimensions only; without a least distance dense regions stay dense.
    umap = UMAP(n_components=4, min_dist=0.0, n_neighbors=30, random_state=seed, n_jobs=1)
    return np.asarray(umap.fit_transform(features))


def _judged(
    membership: NDArray[np.float64],
    counts: NDArray[np.float64],
    shape: tuple[int, int],
    model: LineModel,
    lines: int,
) -> NDArray[np.float64]:
    """Clusters merged or dropped one by one, until all differ in counts that had no part in finding them."""
    while membership.shape[1] > 1:
        label, numbers = _label(membership), range(membership.shape[1])
        areas, covariance = _lines_of(membership, counts, model, lines)
        alike, i, j = min((_sigmas_apart(areas, covariance, i, (j,)), i, j) for i in numbers for j in range(i))
        if alike < _ALIKE_SIGMAS:
            membership[:, j] += membership[:, i]
            membership = np.delete(membership, i, axis=1)
            continue
        inside = _inner(label.reshape(shape)).ravel()
        inner = [float(np.mean(inside[label == n])) if np.any(label == n) else 0.0 for n in numbers]
        seams = [
            n
            for n in numbers
            if inner[n] < _SEAM
            and _sigmas_apart(areas, covariance, n, tuple(j for j in numbers if j != n)) < _ALIKE_SIGMAS
        ]
        if not seams:
            break
        thinnest = min(seams, key=lambda n: inner[n])
        others = _with_nearest(np.delete(membership, thinnest, axis=1), membership[:, thinnest] > 0.0, shape)
        share = others / np.maximum(others.sum(axis=1, keepdims=True), 1e-30)
        membership = others + share * membership[:, thinnest, None]
    return membership


def _with_nearest(
    membership: NDArray[np.float64], wanting: NDArray[np.bool_], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Those of the wanting pixels that are in no cluster are in that of the nearest pixel which is in one."""
    from scipy.ndimage import distance_transform_edt

    label = _label(membership).reshape(shape)
    lone = wanting & (label.ravel() < 0)
    nearest = distance_transform_edt(label < 0, return_distances=False, return_indices=True)
    found = membership.copy()
    found[lone, label[tuple(nearest)].ravel()[lone]] = 1.0
    return found


def _lines_of(
    membership: NDArray[np.float64], counts: NDArray[np.float64], model: LineModel, lines: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each cluster's line counts and their covariance."""
    label = _label(membership)
    fit = fit_lines(model, np.stack([counts[label == n].sum(axis=0) for n in range(membership.shape[1])]))
    return fit.counts[:, :lines], fit.covariance[:, :lines, :lines]


def _alike_pairs(found: tuple[NDArray[np.float64], NDArray[np.float64]]) -> int:
    return sum(_sigmas_apart(*found, i, (j,)) < _ALIKE_SIGMAS for i in range(len(found[0])) for j in range(i))


def _inner(label: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(y, x): specimen with only its own cluster, or no specimen, to all four sides."""
    from scipy.ndimage import binary_erosion

    found = np.zeros(label.shape, np.bool_)
    for n in range(label.max() + 1):
        found |= binary_erosion((label == n) | (label < 0), border_value=1) & (label == n)
    return found


def _sigmas_apart(
    areas: NDArray[np.float64], covariance: NDArray[np.float64], one: int, others: tuple[int, ...]
) -> float:
    """How unlikely it is that one set of lines is in the proportions of another, or of a mixture, as a normal
    deviate."""
    from scipy.optimize import nnls
    from scipy.stats import chi2, norm

    basis = areas[list(others)].T
    scale = np.full(len(others), areas[one].sum() / max(float(basis.sum()), 1e-9))
    for _ in range(4):
        noise = covariance[one] + np.einsum("o,oij->ij", scale**2, covariance[list(others)])
        root = np.linalg.cholesky(np.linalg.inv(noise)).T
        scale, missed = nnls(root @ basis, root @ areas[one])
    free = max(1, len(areas[one]) - len(others))
    return float(-norm.ppf(max(chi2.sf(missed**2, free), 1e-300)))
