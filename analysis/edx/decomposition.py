"""What a spectrum image is made of: its principal components, and spectra that are never negative.

Counts are divided by the square roots of their row's and column's mean, so that noise is even (Keenan and Kotula, Surf.
Interface Anal. 36 (2004) 203). Non-negative factors are those of greatest Poisson likelihood; independent ones (FastICA
of the spectra's slopes, after Rossouw et al., Nano Lett. 15 (2015) 2716) tell a core from the shell it is seen through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba as nb
import numpy as np
from numpy.typing import NDArray

from analysis.blas_thread import one_blas_thread

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_EMPTIEST_PIXEL, _EMPTIEST_CHANNEL = 0.5, 0.05
"""Of the mean: those with fewer counts weigh no more, so that one count where none is usual is no component."""
_DRAWS, _MORE_THAN_NOISE = 4, 1.05
"""An eigenvalue is, when it is so many times the largest of as many draws of noise."""
_ROUNDS, _ROUNDS_AT_ONCE, _CALM = 60, 10, 2e-4
"""Calm is a gain per free value, in nats; what the factors are is settled long after their product is."""
_DENSE = 0.25
"""Of the cells: with counts in more of them BLAS is faster."""
_EIGEN_TOLERANCE = 1e-5
_TINY = np.float32(1e-9)


@dataclass(frozen=True)
class PrincipalComponents:
    """Of the scaled counts."""

    scree: NDArray[np.float64]
    """Eigenvalues, falling."""
    maps: NDArray[np.float64]
    """(pixel, component), in counts of the components' spectra."""
    spectra: NDArray[np.float64]
    """(component, channel)"""


@dataclass(frozen=True)
class Components:
    """Spectra and how much of each is in every pixel; their product is the counts without most of their noise."""

    maps: NDArray[np.float64]
    """(pixel, component)"""
    spectra: NDArray[np.float64]
    """(component, channel), each of sum 1."""


@one_blas_thread()
def principal_components(counts: NDArray[np.generic], most: int = 40) -> PrincipalComponents:
    """The first components of spectra (pixel, channel)."""
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import eigsh

    data = _sparse(counts)
    mean = max(float(data.mean(dtype=np.float64)), 1e-12)
    rows, columns = (
        np.sqrt(np.maximum(data.mean(axis=axis, dtype=np.float64), least * mean))
        for axis, least in ((1, _EMPTIEST_PIXEL), (0, _EMPTIEST_CHANNEL))
    )
    even = np.sqrt(mean)
    data.data *= np.repeat((even / rows).astype(np.float32), np.diff(data.indptr))
    data.data /= columns.astype(np.float32)[data.indices]
    tall = data.shape[0] >= data.shape[1]
    gram = _gram(data if tall else csr_array(data.T))
    most = min(most, len(gram) - 1)
    values, vectors = eigsh(gram, most, which="LA", v0=np.ones(len(gram), np.float32), tol=_EIGEN_TOLERANCE)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    right = vectors if tall else (data.T @ vectors) / np.sqrt(np.maximum(values, 1e-12))
    maps = (data @ right) * rows[:, None] / even
    return PrincipalComponents(values, np.asarray(maps, np.float64), np.asarray(right.T * columns, np.float64))


def _sparse(counts: NDArray[np.generic]) -> csr_array:
    """Counts by the few cells that have some."""
    from scipy.sparse import csr_array

    starts, places, values = _filled(np.ascontiguousarray(counts))
    return csr_array((values, places, starts), shape=counts.shape)


def _gram(tall: csr_array) -> NDArray[np.float32]:
    """Products of all pairs of columns; of few counts by the counts alone."""
    if tall.nnz > _DENSE * tall.shape[0] * tall.shape[1]:
        dense = tall.toarray()
        return np.asarray(dense.T @ dense, np.float32)
    return np.asarray(_sparse_gram(tall.indptr, tall.indices, tall.data, tall.shape[1]))


def components_seen(pca: PrincipalComponents, seed: int = 0) -> int:
    """How many components are more than noise: up to the scree's change point.

    Counts drawn from the first k components alone have a scree of their own; k is enough when the next eigenvalue is no
    larger than theirs. Few counts in a channel make that larger than evenly distributed noise would.
    """
    rng = np.random.default_rng(seed)
    for k in range(1, len(pca.scree)):
        expected = np.maximum(pca.maps[:, :k] @ pca.spectra[:k], 0.0)
        noise = [principal_components(rng.poisson(expected), k + 1).scree[k] for _ in range(_DRAWS)]
        if pca.scree[k] < _MORE_THAN_NOISE * max(noise):
            return k
    return len(pca.scree)


def independent_components(pca: PrincipalComponents, number: int) -> Components:
    """The first principal components, rotated so that the slopes of their spectra are as independent as they can be."""
    from sklearn.decomposition import FastICA

    spectra, maps = pca.spectra[:number], pca.maps[:, :number]
    slopes = np.diff(spectra, axis=1)
    # Whitened without centring: the mean of a slope over all energies is nothing to take off.
    values, vectors = np.linalg.eigh(slopes @ slopes.T / slopes.shape[1])
    whiten = (vectors / np.sqrt(np.maximum(values, 1e-300))).T
    ica = FastICA(whiten=False, fun=_tanh, tol=1e-10, max_iter=2000, random_state=0)
    rotation = ica.fit((whiten @ slopes).T).components_ @ whiten
    turned, weight = rotation @ spectra, maps @ np.linalg.inv(rotation)
    size = turned.sum(axis=1)
    size = np.where(np.abs(size) > 1e-6 * np.abs(turned).sum(axis=1), size, np.abs(turned).sum(axis=1))
    return Components(weight * size, turned / size[:, None])


def _tanh(slopes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """And its derivative's mean over each row: scikit-learn's own "logcosh", in half of its time."""
    values = np.tanh(slopes)
    return values, 1.0 - np.einsum("ij,ij->i", values, values) / slopes.shape[1]


def non_negative_components(counts: NDArray[np.generic], start: Components, rounds: int = _ROUNDS) -> Components:
    """Non-negative components of spectra (pixel, channel) next to those to start from.

    Many products of non-negative factors explain counts equally well. Next to independent ones they are physical; next
    to those of fewer frames of the same map they follow it.
    """
    return _non_negative(counts, _positive(start.maps), _positive(start.spectra), rounds)


def _positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the negative, and without zeros, which products never leave."""
    kept = np.maximum(values, 0.0)
    return np.asarray(kept + 1e-2 * kept.mean() + 1e-12)


def _non_negative(
    counts: NDArray[np.generic], maps: NDArray[np.float64], spectra: NDArray[np.float64], rounds: int
) -> Components:
    """Multiplicative updates of the Kullback-Leibler divergence (Lee and Seung, 2001), until it falls no more.

    Few of a map's channels have a count; only they are looked at, for what empty ones should hold is a sum over both
    factors.
    """
    from scipy.sparse import csr_array

    by_pixel = _sparse(counts)
    by_channel = csr_array(by_pixel.T)
    w, h = np.array(maps, np.float32), np.ascontiguousarray(spectra.T, np.float32)
    last = np.inf
    for _ in range(rounds):
        for _ in range(_ROUNDS_AT_ONCE):
            w *= _gathered(by_pixel.indptr, by_pixel.indices, by_pixel.data, w, h) / np.maximum(h.sum(axis=0), _TINY)
            h *= _gathered(by_channel.indptr, by_channel.indices, by_channel.data, h, w) / np.maximum(
                w.sum(axis=0), _TINY
            )
        loss = _minus_log_likelihood(by_pixel.indptr, by_pixel.indices, by_pixel.data, w, h)
        if last - loss < _CALM * (w.size + h.size):
            break
        last = loss
    size = np.maximum(h.sum(axis=0), _TINY)
    return Components(np.asarray(w * size, np.float64), np.asarray((h / size).T, np.float64))


@nb.njit(cache=True, nogil=True)
def _filled(counts):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """Where each row's cells with counts start, their columns, and their counts."""
    filled = 0
    for r in range(counts.shape[0]):
        for c in range(counts.shape[1]):
            filled += counts[r, c] != 0
    starts = np.zeros(counts.shape[0] + 1, np.int32)
    places, values = np.empty(filled, np.int32), np.empty(filled, np.float32)
    n = 0
    for r in range(counts.shape[0]):
        for c in range(counts.shape[1]):
            if counts[r, c] != 0:
                places[n] = c
                values[n] = counts[r, c]
                n += 1
        starts[r + 1] = n
    return starts, places, values


@nb.njit(cache=True, nogil=True, fastmath=True)
def _sparse_gram(starts, places, values, columns):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """Products of columns, rows being sorted by column: the lower triangle, then its mirror image."""
    gram = np.zeros((columns, columns), np.float32)
    for r in range(len(starts) - 1):
        for i in range(starts[r], starts[r + 1]):
            row = gram[places[i]]
            for j in range(starts[r], i + 1):
                row[places[j]] += values[i] * values[j]
    for i in range(columns):
        for j in range(i):
            gram[j, i] = gram[i, j]
    return gram


@nb.njit(cache=True, nogil=True, fastmath=True)
def _gathered(starts, places, counts, own, other):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """Ratios of counts to model, gathered over each row with the other factor's weights.

    One thread: it takes a millisecond, less than threads need to meet on a busy machine.
    """
    rows, components = own.shape
    gathered = np.zeros_like(own)
    for r in range(rows):
        for i in range(starts[r], starts[r + 1]):
            c = places[i]
            model = np.float32(1e-12)
            for k in range(components):
                model += own[r, k] * other[c, k]
            ratio = counts[i] / model
            for k in range(components):
                gathered[r, k] += ratio * other[c, k]
    return gathered


@nb.njit(cache=True, nogil=True)
def _minus_log_likelihood(starts, places, counts, w, h):  # type: ignore[no-untyped-def]  # kernel: numba types it
    """Of Poisson counts, less what does not depend on the factors."""
    found = 0.0
    for r in range(len(w)):
        for i in range(starts[r], starts[r + 1]):
            model = 1e-12
            for k in range(w.shape[1]):
                model += w[r, k] * h[places[i], k]
            found -= counts[i] * np.log(model)
    for k in range(w.shape[1]):
        found += np.sum(w[:, k]) * np.sum(h[:, k])
    return found
