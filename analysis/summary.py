"""The JSON of every run, live, dry and offline, from its results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from analysis.results import (
    Arrhenius,
    Diffusivity,
    DiffusivityResult,
    EdxResult,
    ImageResult,
    IntervalDiffusivity,
    Result,
    StateResult,
)


def summary(results: list[Result], provenance: dict[str, Any]) -> dict[str, Any]:
    """As the README documents it."""
    particles: dict[str, Any] = {}
    together: dict[str, Any] = {}
    for result in results:
        if isinstance(result, StateResult):
            states = particles.setdefault(result.particle, {"states": []})["states"]
            states[:] = [s for s in states if s["step"] != result.step]
            states.append(
                {
                    "step": result.step,
                    "heated_s": round(result.heated_s, 6),
                    "alloying": None if result.alloying is None else msgspec.to_builtins(result.alloying),
                    "alloying_by_spread": result.alloying_by_spread,
                    "volume_nm3": result.volume_nm3,
                    "surface_to_volume_per_nm": result.surface_to_volume_per_nm,
                    "aspect_ratio": result.aspect_ratio,
                    "shape_change": result.shape_change,
                    "gold_fraction": result.gold_fraction,
                    "frames": result.frames,
                    "rejected": list(result.rejected),
                    "quality": result.quality,
                }
            )
        elif isinstance(result, ImageResult):
            entry = particles.setdefault(result.particle, {"states": []})
            lost, onset = result.contrast_lost, result.onset
            entry.setdefault("images", []).append(
                {
                    "step": result.step,
                    "heated_c": result.heated_c,
                    "contrast_lost": None if lost is None else msgspec.to_builtins(lost),
                    "quality": result.quality,
                }
            )
            if onset is not None:
                entry["onset_c"] = {"above": onset.above_c, "below": onset.below_c}
                if onset.estimate_c is not None:
                    entry["onset_c"] |= msgspec.to_builtins(onset.estimate_c)
            else:
                entry.pop("onset_c", None)
        elif isinstance(result, EdxResult):
            maps = particles.setdefault(result.particle, {"states": []}).setdefault("edx", [])
            told = {"step": result.step, "tilt_deg": result.tilt_deg, "frames": result.frames}
            maps.append(told | {"heated_s": result.heated_s, "quality": result.quality} | result.report)
        elif isinstance(result, DiffusivityResult):
            entry = particles.setdefault(result.particle, {"states": []})
            values, by_curve = _plain(result.diffusivities), _plain(result.by_curve)
            if result.d_of_c is not None:
                slope = result.d_of_c.ln_slope
                entry["d_of_c"] = {
                    "ln_slope": {"value": slope.value, "std": _finite(slope.std)},
                    "gold_fraction": result.d_of_c.gold_fraction,
                    "diffusivities": _plain(result.d_of_c.diffusivities),
                }
            entry["diffusivities_by_curve"] = by_curve
            entry["alloying_uncorrected"] = list(result.uncorrected)
            entry["diffusivities_by_interval"] = _plain(result.by_interval)
            entry["diffusivity_quality"] = result.quality
            entry["diffusivities"] = values
            if len(values) == 1:
                entry["diffusivity_m2_per_s"] = {"value": values[0]["value"], "std": values[0]["std"]}
            else:
                entry.pop("diffusivity_m2_per_s", None)
        elif isinstance(result, Arrhenius):
            offsets: dict[str, dict[str, float]] = msgspec.to_builtins(result.offsets_c)
            together["window_offsets_c"] = {w: {k: _finite(v) for k, v in d.items()} for w, d in offsets.items()}
            together["arrhenius"] = {
                "q_j_per_mol": msgspec.to_builtins(result.q_j_per_mol),
                "d0_m2_per_s": msgspec.to_builtins(result.d0_m2_per_s),
                "reference": result.reference,
            }
    return {"particles": particles, **together, "provenance": provenance}


def _plain(values: Sequence[Diffusivity] | Sequence[IntervalDiffusivity]) -> list[dict[str, float | None]]:
    return [{k: _finite(v) for k, v in msgspec.to_builtins(d).items()} for d in values]


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: a D that is only bounded has no standard deviation."""
    return value if value is not None and math.isfinite(value) else None
