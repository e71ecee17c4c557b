"""The phases of a map: what each is made of, and how disordered its metals are.

After Eggeman et al., Faraday Discuss. 2025, Tables 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.edx.clustering import Clusters, Workflow, clusters
from analysis.edx.composition import Composition, composition, told_alone
from analysis.edx.k_factors import KFactors
from analysis.edx.lines.fit import fit_lines
from analysis.edx.lines.model import LineModel
from analysis.edx.spectrum_image import SpectrumImage
from analysis.results import Estimate

BINNED = 2
ANIONS = frozenset({"N", "O", "F", "P", "S", "Cl", "Se", "Br", "Te", "I"})
"""On a sublattice of their own, which has no part in the disorder of the metals."""
_FEWEST_INNER = 0.2
"""Of a cluster's pixels."""
_OTHER: dict[Workflow, Workflow] = {"gmm": "hdbscan", "hdbscan": "gmm"}


@dataclass(frozen=True)
class Phase:
    """One cluster of pixels."""

    pixels: int
    """Of the map, in squares of 2 x 2."""
    composition: Composition
    entropy_r: Estimate
    """Configurational entropy per atom, in units of R."""


@dataclass(frozen=True)
class Phases:
    """Largest first."""

    label: NDArray[np.intp]
    """(y, x) of the map binned by 2; -1 where there is no specimen."""
    phases: tuple[Phase, ...]
    merged: int
    """Clusters found besides, that noise, thickness and seams explain."""
    alike: int
    """Pairs of the phases asked for that cannot be told apart."""
    agreement: float
    """Adjusted Rand index with the other workflow's clusters: 1 for the same, 0 for chance."""

    def in_words(self) -> str:
        """How many phases, and what was not one."""
        number = len(self.phases)
        phases = "one phase" if number == 1 else f"{number} phases"
        besides = f"; {self.merged} more clusters are noise, thickness or seams between phases" if self.merged else ""
        besides += f"; {self.alike} pairs of them cannot be told apart" if self.alike else ""
        return f"{phases}{besides}; agreement with the other workflow {self.agreement:.2f}"


def find_phases(
    image: SpectrumImage,
    model: LineModel,
    factors: KFactors,
    workflow: Workflow,
    number: int | None = None,
    within: NDArray[np.bool_] | None = None,
) -> Phases:
    """Cluster a map and quantify each cluster's spectrum, its inner pixels weighted by their membership."""
    from sklearn.metrics import adjusted_rand_score

    elements = [f.element for f in model.families[: len(factors.lines)]]
    binned = image.binned(BINNED)
    rows, columns, _ = binned.counts.shape
    allowed = None if within is None else within[: BINNED * rows : BINNED, : BINNED * columns : BINNED]
    found = clusters(binned, model, len(elements), workflow, number=number, within=allowed)
    other = clusters(binned, model, len(elements), _OTHER[workflow], within=allowed)
    spectra = np.einsum("nyx,yxc->nc", _weights(found), binned.counts.astype(np.float64))
    fit = told_alone(fit_lines(model, spectra))
    compositions = composition(fit, factors, model.shape_covariance(fit.counts))
    pixels = [BINNED**2 * int(np.sum(found.label == n)) for n in range(found.number)]
    order = sorted(range(found.number), key=lambda n: -pixels[n])
    each = [compositions.of(slice(n, n + 1)) for n in order]
    phases = tuple(Phase(pixels[n], c, entropy_r(c, elements)) for n, c in zip(order, each, strict=True))
    both = (found.label >= 0) & (other.label >= 0)
    agreement = float(adjusted_rand_score(found.label[both], other.label[both]))
    return Phases(_renumbered(found, order), phases, found.merged, found.alike, agreement)


def _weights(found: Clusters) -> NDArray[np.float64]:
    """(cluster, y, x): membership without the borders, where a cluster has enough besides."""
    inner = found.membership * found.inner
    enough = inner.sum(axis=(1, 2)) > _FEWEST_INNER * found.membership.sum(axis=(1, 2))
    return np.where(enough[:, None, None], inner, found.membership)


def _renumbered(found: Clusters, order: Sequence[int]) -> NDArray[np.intp]:
    new = np.empty(len(order) + 1, np.intp)
    new[list(order)] = np.arange(len(order))
    new[-1] = -1
    return new[found.label]


def entropy_r(found: Composition, elements: Sequence[str]) -> Estimate:
    """``-sum x ln(x / x_M)`` over the metals, x_M their fraction of all atoms: 0.9 R for six in a sulfide at most."""
    metals = np.array([e not in ANIONS for e in elements])
    x = np.maximum(found.fractions[0], 0.0)
    of_metals = float(x[metals].sum())
    ratio = np.where(metals & (x > 0.0), x / max(of_metals, 1e-12), 1.0)
    slope = np.where(metals, -np.log(ratio), 0.0)
    variance = float(slope @ (found.by_noise[0] + found.by_factors[0]) @ slope)
    return Estimate(float(slope @ x), float(np.sqrt(max(variance, 0.0))))
