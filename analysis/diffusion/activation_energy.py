"""What is known of an activation energy before a session begins."""

from __future__ import annotations

from pydantic import Field

from drivers.toml_file import Strict


class ActivationEnergy(Strict):
    """What is known of it from elsewhere, as a session file or a manifest says it: a prior."""

    q_j_per_mol: float = Field(gt=0.0)
    """Activation energy of diffusion."""
    q_std_j_per_mol: float = Field(gt=0.0)
    """Its standard deviation."""
