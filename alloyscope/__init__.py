"""Alloyscope for notebooks and scripts: ``import alloyscope as al``.

Tilt series to volumes, degrees of alloying and diffusion coefficients, EDX maps to compositions, images to particles,
and recorded sessions. Every result has value, std, unit and quality in words, and shows itself in a notebook. Names
are loaded when they are first used, so that the import itself is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alloyscope.alignment import AlignedImages, align
    from alloyscope.alloying_degree import AlloyingDegrees, alloying
    from alloyscope.arrhenius import ArrheniusLaw, OffsetOfWindow, fit_arrhenius
    from alloyscope.composition import MapComposition, quantify_edx
    from alloyscope.core_shell import CoreShell
    from alloyscope.diffusivity import ParticleDiffusivity, fit_diffusivity
    from alloyscope.particle_state import ParticleState
    from alloyscope.particles import ParticlesFound, find_particles
    from alloyscope.quantity import Quantity
    from alloyscope.reading import read
    from alloyscope.reconstruction import ReconstructedVolume, project, reconstruct
    from alloyscope.rings import CompositionRings, radial_profile
    from alloyscope.session import RecordedSession, open_session
    from alloyscope.simulated_diffusion import DiffusionCourse, simulate_diffusion
    from alloyscope.spectra import spectrum_image

_MODULES = {
    "alignment": ("AlignedImages", "align"),
    "alloying_degree": ("AlloyingDegrees", "alloying"),
    "arrhenius": ("ArrheniusLaw", "OffsetOfWindow", "fit_arrhenius"),
    "composition": ("MapComposition", "quantify_edx"),
    "core_shell": ("CoreShell",),
    "diffusivity": ("ParticleDiffusivity", "fit_diffusivity"),
    "particle_state": ("ParticleState",),
    "particles": ("ParticlesFound", "find_particles"),
    "quantity": ("Quantity",),
    "reading": ("read",),
    "reconstruction": ("ReconstructedVolume", "project", "reconstruct"),
    "rings": ("CompositionRings", "radial_profile"),
    "session": ("RecordedSession", "open_session"),
    "simulated_diffusion": ("DiffusionCourse", "simulate_diffusion"),
    "spectra": ("spectrum_image",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AlignedImages",
    "AlloyingDegrees",
    "ArrheniusLaw",
    "CompositionRings",
    "CoreShell",
    "DiffusionCourse",
    "MapComposition",
    "OffsetOfWindow",
    "ParticleDiffusivity",
    "ParticleState",
    "ParticlesFound",
    "Quantity",
    "ReconstructedVolume",
    "RecordedSession",
    "align",
    "alloying",
    "find_particles",
    "fit_arrhenius",
    "fit_diffusivity",
    "open_session",
    "project",
    "quantify_edx",
    "radial_profile",
    "read",
    "reconstruct",
    "simulate_diffusion",
    "spectrum_image",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'alloyscope' has no attribute {name!r}; see dir(alloyscope)")
    found = getattr(import_module(f"alloyscope.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
