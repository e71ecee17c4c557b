"""What an EDX map told, as lines for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.edx.composition import Composition, by_weight
from analysis.edx.map_analysis import MapResult
from analysis.edx.radial_profile import RadialProfile
from analysis.edx.x_ray_lines import molar_masses


def lines(result: MapResult) -> Iterator[str]:
    """One fact each: of the map itself, then what it tells."""
    image = result.image
    rows, columns, _ = image.counts.shape
    simulated = ", simulated" if image.simulated else ""
    yield (
        f"{image.title}: {rows} x {columns} pixels of {image.pixel_nm:.3g} nm, tilt {image.tilt_deg:g} deg, "
        f"{image.beam_kev:g} keV, {image.counts.sum(dtype=np.int64):d} counts{simulated}"
    )
    axis = image.axis
    yield (
        f"energy axis by its own peaks: {1e3 * axis.channel_kev:.3f} eV per channel from "
        f"{1e3 * axis.offset_kev:.1f} eV, {1e3 * axis.fwhm_mn_kev:.0f} eV wide at Mn Ka"
    )
    yield from findings(result)


def findings(result: MapResult) -> Iterator[str]:
    """What the map tells."""
    for n, name in enumerate(result.factors.lines):
        yield f"{name}: {result.fit.counts[0, n]:.0f} +- {result.fit.std[0, n]:.0f} counts"
    poor = " by a model that does not hold" if result.impossible else ""
    yield f"over {result.region.sum()} pixels{poor}: {_fractions(result.elements, result.composition)}"
    weights = by_weight(result.composition, _masses(result))
    yield f"by weight{poor}: {_at_pct(result.elements, weights.fractions[0], weights.std[0], 'wt%')}"
    if result.by_ranges is not None:
        yield f"by windows beside the lines: {_fractions(result.elements, result.by_ranges)}"
    if result.profile is not None:
        profile = result.profile
        for where, fractions, std in (
            ("core", profile.core, profile.core_std),
            ("surface", profile.surface, profile.surface_std),
        ):
            yield f"{where}, as projected: {_at_pct(result.elements, fractions, std)} (by counting)"
        yield profile.in_words(result.elements)
    for size in result.by_size if sum(s.particles for s in result.by_size) > 1 else ():
        words = size.profile.in_words(result.elements)
        yield f"{size.particles} particle(s) of {size.from_nm:g} to {size.to_nm:g} nm: {words}"
    for kind, parts in (("non-negative", result.split.non_negative), ("independent", result.split.independent)):
        for part in parts:
            if part.of_particle and np.isfinite(part.fractions).all():
                yield f"{kind} component of the particles: {_at_pct(result.elements, part.fractions, part.std)}"
    if result.phases is not None:
        yield result.phases.in_words()
        for number, phase in enumerate(result.phases.phases, 1):
            entropy = f"configurational entropy ({phase.entropy_r}) R"
            yield f"phase {number}, {phase.pixels} pixels: {_fractions(result.elements, phase.composition)}; {entropy}"
    for note in result.notes:
        yield f"note: {note}"


def as_json(result: MapResult) -> dict[str, Any]:
    """The same as plain data."""
    elements = result.elements
    weights = by_weight(result.composition, _masses(result))
    told: dict[str, Any] = {
        "simulated": result.image.simulated,
        "lines": list(result.factors.lines),
        "energies_kev": {f.name: f.main_kev for f in result.model.families[: len(elements)]},
        "counts": _named(result.factors.lines, result.fit.counts[0, : len(elements)]),
        "counts_std": _named(result.factors.lines, result.fit.std[0, : len(elements)]),
        "composition_at_pct": _named(elements, 100.0 * result.composition.fractions[0]),
        "composition_std_at_pct": _named(elements, 100.0 * result.composition.std[0]),
        "composition_std_by_counting_at_pct": _named(elements, 100.0 * result.composition.noise_std[0]),
        "composition_std_systematic_at_pct": _named(elements, 100.0 * result.composition.factor_std[0]),
        "composition_wt_pct": _named(elements, 100.0 * weights.fractions[0]),
        "composition_std_wt_pct": _named(elements, 100.0 * weights.std[0]),
        "quantified": bool(result.composition.above_limit[0].all()) and not result.impossible,
        "impossible": list(result.impossible),
        "region_pixels": int(result.region.sum()),
        "also_seen": [f.name for f in result.model.families[len(elements) :]],
        "notes": list(result.notes),
    }
    if result.by_ranges is not None:
        told["by_windows_at_pct"] = _named(elements, 100.0 * result.by_ranges.fractions[0])
        told["by_windows_std_at_pct"] = _named(elements, 100.0 * result.by_ranges.std[0])
    if result.profile is not None:
        told["profile"] = {"centre_px": list(result.profile.centre_px)} | _profile(elements, result.profile)
    if result.by_size:
        told["profiles_by_size"] = [
            {"from_nm": s.from_nm, "to_nm": s.to_nm, "particles": s.particles} | _profile(elements, s.profile)
            for s in result.by_size
        ]
    split = result.split
    if split.profile is not None:
        told["profile_of_components"] = {
            "radius_nm": split.profile.radius_nm.tolist(),
            "fractions": _columns(elements, split.profile.fractions),
            "std": _columns(elements, split.profile.std),
        }
    for name, parts in (("components", split.non_negative), ("independent_components", split.independent)):
        if parts:
            told[name] = [
                {
                    "of_particle": part.of_particle,
                    "counts": part.counts,
                    "composition_at_pct": _named(elements, 100.0 * part.fractions),
                    "composition_std_at_pct": _named(elements, 100.0 * part.std),
                }
                for part in parts
            ]
    if split.scree is not None:
        told["scree"] = split.scree.tolist()
    if result.phases is not None:
        told["clusters"] = [
            {
                "pixels": phase.pixels,
                "composition_at_pct": _named(elements, 100.0 * phase.composition.fractions[0]),
                "composition_std_at_pct": _named(elements, 100.0 * phase.composition.std[0]),
                "entropy_r": {"value": _plain(phase.entropy_r.value), "std": _plain(phase.entropy_r.std)},
            }
            for phase in result.phases.phases
        ]
        told["clusters_not_told_apart"] = result.phases.merged
        told["clusters_alike"] = result.phases.alike
        told["agreement"] = result.phases.agreement
    return told


def _profile(elements: list[str], profile: RadialProfile) -> dict[str, Any]:
    return {
        "ring_nm": profile.ring_nm,
        "radius_nm": profile.radius_nm.tolist(),
        "fractions": _columns(elements, profile.rings.fractions),
        "std": _columns(elements, profile.rings.noise_std),
        "factor_std": _columns(elements, profile.rings.factor_std),
        "core": _named(elements, profile.core),
        "core_std": _named(elements, profile.core_std),
        "surface": _named(elements, profile.surface),
        "surface_std": _named(elements, profile.surface_std),
        "shell_nm": None if profile.shell_nm is None else profile.shell_nm.value,
        "shell_std_nm": None if profile.shell_nm is None else profile.shell_nm.std,
        "statement": profile.in_words(elements),
        "in_shells_of_a_ball": _columns(elements, profile.shells),
        "in_shells_of_a_ball_std": _columns(elements, profile.shells_std),
    }


def _fractions(elements: list[str], found: Composition) -> str:
    each = zip(elements, found.fractions[0], found.noise_std[0], found.factor_std[0], strict=True)
    return ", ".join(f"{e} {100 * v:.1f} +- {100 * n:.1f} (stat) +- {100 * f:.1f} (syst) at%" for e, v, n, f in each)


def _at_pct(elements: list[str], fractions: NDArray[np.float64], std: NDArray[np.float64], unit: str = "at%") -> str:
    each = zip(elements, fractions, std, strict=True)
    return ", ".join(f"{e} {100 * f:.1f} +- {100 * s:.1f} {unit}" for e, f, s in each)


def _masses(result: MapResult) -> NDArray[np.float64]:
    return np.array([molar_masses()[element] for element in result.elements])


def _named(names: Any, values: NDArray[np.float64]) -> dict[str, float | None]:
    return {n: _plain(v) for n, v in zip(names, values, strict=True)}


def _columns(names: list[str], values: NDArray[np.float64]) -> dict[str, list[float | None]]:
    return {n: [_plain(v) for v in column] for n, column in zip(names, values.T, strict=True)}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
