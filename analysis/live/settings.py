"""How a session is analysed: one set of choices for live sessions, recordings and old files."""

from __future__ import annotations

from pydantic import Field

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.uncertainty import Uncertainty
from drivers.toml_file import Strict


class AnalysisSettings(Strict):
    """What a `Pipeline` is told; goes to the analysis process as JSON."""

    seed: int = 0
    """Of the noise drawn in simulated measurements; one seed gives the same numbers twice."""
    spread: str = "std"
    """Measure of spread behind the degree of alloying, one of `SPREADS`."""
    activation: ActivationEnergy | None = None
    """The activation energy from elsewhere, so that one temperature already tells windows apart."""
    uncertainty: Uncertainty = Uncertainty()
    """How well temperature, magnification and time are known."""
    picture_px: int | None = Field(None, ge=8, le=4096)
    """Longest side of pictures for a screen; with it, orthoslices, outlines and degrees of alloying are given while a
    tilt series is still running."""
