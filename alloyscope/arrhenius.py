"""Activation energy from diffusion coefficients, and how much the windows of a chip differ in temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alloyscope import inputs
from alloyscope.card import card
from alloyscope.quantity import Quantity, told

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NM2_PER_M2 = 1e18
_LEAST_SHARED, _LEAST_SHARED_BY_PRIOR = 0.1, 0.002
"""Of the best-known D's error, and of D beside a prior on Q: what a window's D share is never taken for less, or the
fit could not weigh it against the rest."""
_POOR_MISFIT = 4.0
"""Squared misses per degree of freedom."""
_CANNOT_TELL = "poor: these D cannot tell activation energy and windows apart; add temperatures, or a prior on Q"


@dataclass(frozen=True)
class OffsetOfWindow(Quantity):
    """How much warmer a window truly is than the reference, the nominal temperature being the same."""

    low_c: float | None = None
    high_c: float | None = None
    """68 % interval by profile likelihood."""
    sigmas: float | None = None
    """How surely it is not zero."""


@dataclass(frozen=True, eq=False)
class ArrheniusLaw:
    """``D = D0 exp(-Q / R (T + dT))``, as `fit_arrhenius` gives it."""

    q_j_per_mol: Quantity
    d0_m2_per_s: Quantity
    offsets_c: dict[str, OffsetOfWindow]
    """dT of every window but the reference; empty with one window."""
    reference: str
    """The window whose nominal temperature is taken for true."""
    quality: str
    temperatures_c: NDArray[np.float64]
    d_m2_per_s: NDArray[np.float64]
    d_std_m2_per_s: NDArray[np.float64]
    windows: tuple[str, ...]
    """The data, for drawing."""

    @property
    def value(self) -> float | None:
        """Q in J/mol."""
        return self.q_j_per_mol.value

    @property
    def std(self) -> float | None:
        return self.q_j_per_mol.std

    @property
    def unit(self) -> str:
        return "J/mol"

    def _repr_html_(self) -> str:
        facts = [("Q", str(self.q_j_per_mol)), ("D0", str(self.d0_m2_per_s)), ("reference window", self.reference)]
        facts += [(f"{w} is warmer by", str(d)) for w, d in self.offsets_c.items()]
        return card("Arrhenius law", facts, quality=self.quality)

    def plot(self) -> Figure:
        """ln D against 1/T at the nominal temperatures, with the law in every window."""
        from alloyscope.figure import new_figure
        from drivers.units import GAS_CONSTANT_J_PER_MOL_K

        figure, (axes,) = new_figure()
        labels = np.array(self.windows)
        for place, window in enumerate(dict.fromkeys(self.windows)):
            here = labels == window
            inverse = 1e3 / (self.temperatures_c[here] + 273.15)
            colour = f"C{place}"
            axes.errorbar(
                inverse, self.d_m2_per_s[here], self.d_std_m2_per_s[here], fmt="o", color=colour, label=window
            )
            offset = self.offsets_c.get(window)
            offset_c = 0.0 if offset is None else offset.value
            if self.q_j_per_mol.value is not None and self.d0_m2_per_s.value is not None and offset_c is not None:
                fine = np.linspace(inverse.min(), inverse.max(), 50)
                true_k = 1e3 / fine + offset_c
                law = self.d0_m2_per_s.value * np.exp(-self.q_j_per_mol.value / GAS_CONSTANT_J_PER_MOL_K / true_k)
                axes.plot(fine, law, color=colour)
        axes.set(xlabel="1000 / T (1/K), nominal", ylabel="D (m2/s)", yscale="log")
        axes.legend(frameon=False)
        return figure


def fit_arrhenius(
    temperatures_c: ArrayLike,
    d_m2_per_s: ArrayLike,
    d_std_m2_per_s: ArrayLike,
    windows: Sequence[str] | None = None,
    *,
    reference: str | None = None,
    shared_relative_std: float = 0.0,
    q_prior_j_per_mol: tuple[float, float] | None = None,
) -> ArrheniusLaw:
    """Fit D0, the activation energy Q and the temperature offset dT of every window to diffusion coefficients.

    ``ln D = ln D0 - Q / (R (T + dT))``, dT = 0 in the reference window (Chen et al., Part. Part. Syst. Charact. 2023,
    equations 2 and 3). A positive dT: that window is truly warmer. Taking the other window as reference flips the sign.

    Parameters
    ----------
    temperatures_c : (measurement,) nominal, in any order
    d_m2_per_s, d_std_m2_per_s : (measurement,) above 0
    windows : (measurement,) name of the window that each was measured in; by default all in one
    reference : one of the windows; by default the first measurement's
    shared_relative_std : relative error that all D of one window share, such as that of the particle's size
    q_prior_j_per_mol : (Q, std) known from elsewhere, so that one temperature already tells windows apart

    Raises
    ------
    ValueError
        For lists of unequal length, D or errors that are not above 0. Data that cannot tell give values None instead.

    Examples
    --------
    >>> import numpy as np, alloyscope as al
    >>> nominal_c = np.array([400.0, 420, 440, 400, 420, 440])
    >>> true_k = nominal_c + 273.15 + np.array([0, 0, 0, -30, -30, -30])
    >>> d = 2.6e-4 * np.exp(-208e3 / 8.314462618 / true_k)
    >>> law = al.fit_arrhenius(nominal_c, d, 0.02 * d, ["centre"] * 3 + ["edge"] * 3)
    >>> round(law.q_j_per_mol.value / 1e3), round(law.offsets_c["edge"].value)
    (208, -30)
    """
    from analysis.diffusion.activation_energy import ActivationEnergy
    from analysis.diffusion.arrhenius import Followed
    from analysis.diffusion.arrhenius import fit_arrhenius as fitted

    nominal_c = inputs.temperatures(temperatures_c)
    d = inputs.column(d_m2_per_s, "d_m2_per_s", "temperature", len(nominal_c))
    std = inputs.column(d_std_m2_per_s, "d_std_m2_per_s", "temperature", len(nominal_c))
    labels = _labels(windows, len(nominal_c))
    names = list(dict.fromkeys(labels))
    first = names[0] if reference is None else inputs.one_of(reference, "reference", names)
    shared = inputs.number(shared_relative_std, "shared_relative_std", "parts of D")
    if shared < 0.0:
        raise ValueError(f"shared_relative_std: asked for 0 or above, found {shared:g}; give a relative error")
    prior = None
    if q_prior_j_per_mol is not None:
        q, q_std = inputs.column(q_prior_j_per_mol, "q_prior_j_per_mol", "number: Q and its std", 2)
        prior = ActivationEnergy(q_j_per_mol=float(q), q_std_j_per_mol=float(q_std))
    particles = []
    for window in sorted(names, key=lambda w: w != first):
        here = np.array([label == window for label in labels])
        # One second at its own temperature makes of each D the tau that the analysis fits.
        ln_std = std[here] / d[here]
        kept_c = tuple(float(t) for t in nominal_c[here])
        ln_tau = np.log(d[here] * _NM2_PER_M2)
        least = max(shared, _LEAST_SHARED * float(ln_std.min()), 0.0 if prior is None else _LEAST_SHARED_BY_PRIOR)
        particles.append(Followed(window, window, kept_c, np.eye(len(kept_c)), ln_tau, ln_std, least))
    found = fitted(particles, simulated=False, prior=prior)
    data: dict[str, Any] = {
        "reference": first,
        "temperatures_c": nominal_c,
        "d_m2_per_s": d,
        "d_std_m2_per_s": std,
        "windows": labels,
    }
    if found is None:
        none = {w: OffsetOfWindow(None, None, "C", _CANNOT_TELL) for w in names if w != first}
        unknown = Quantity(None, None, "J/mol", _CANNOT_TELL), Quantity(None, None, "m2/s", _CANNOT_TELL)
        return ArrheniusLaw(*unknown, none, quality=_CANNOT_TELL, **data)
    quality = "good"
    if found.misfit > _POOR_MISFIT:
        quality = (
            f"poor: the law misses these D by {found.misfit**0.5:.1f} times their errors, which were widened by it"
        )
    return ArrheniusLaw(
        told(found.q_j_per_mol.value, found.q_j_per_mol.std, "J/mol", quality),
        told(found.d0_m2_per_s.value, found.d0_m2_per_s.std, "m2/s", quality),
        {w: OffsetOfWindow(o.value, o.std, "C", quality, o.low, o.high, o.sigmas) for w, o in found.offsets_c.items()},
        quality=quality,
        **data,
    )


def _labels(windows: Any, count: int) -> tuple[str, ...]:
    if windows is None:
        return ("window",) * count
    if isinstance(windows, (str, bytes)) or np.ndim(windows) != 1:
        raise ValueError(f"windows: asked for one name per D, found {windows!r}; give a list of {count} names")
    if len(windows) != count:
        raise ValueError(f"windows: asked for one name per D, found {len(windows)} for {count}; give {count}")
    return tuple(str(w) for w in windows)
