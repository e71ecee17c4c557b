"""The figures of a report, each with the numbers that it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.images.scale_bar import draw_scale_bar
from analysis.report.depth_profile import depth_profile, shells_of
from analysis.report.story import SessionStory
from analysis.results import DiffusivityResult, EdxResult, IntervalDiffusivity, StateResult

COLOURS = ("#0b5fa5", "#b3541e", "#2e7d32", "#7b1fa2", "#00838f", "#6d4c41")
"""Told apart by people who see red and green alike; marks differ as well."""
MARKS = "oDs^vP"
_GREY = "0.55"
_MOST_SLICES = 12
_PROFILE = ("depth_nm", "intensity", "intensity_spread", "voxels")
_CONSERVED = ("volume_change_percent", "volume_change_std_percent", "core_element_at_pct", "core_element_std_at_pct")
_KELVIN = 273.15


@dataclass(frozen=True)
class ReportFigure:
    """A figure and its table: a row of numbers per point, by column."""

    name: str
    caption: str
    figure: Figure
    rows: Sequence[dict[str, Any]]


def figures(story: SessionStory) -> Iterator[ReportFigure]:
    """All that the session gives reason for."""
    fitted = [f for f in story.fits.values() if len(f.measured) > 0]
    if fitted:
        yield _alloying(fitted)
    yield from _slices(story)
    if any(_known(f) for f in fitted):
        yield _by_interval([f for f in fitted if _known(f)])
    chip = story.chip()
    if len(chip):
        yield _temperature(chip, story)
    states = story.states
    if any(s.volume_nm3 for of in states.values() for s in of):
        yield _conserved(states)
    yield from (_map(found) for found in story.maps)


def new_figure(rows: int = 1, columns: int = 1, height: float = 3.6, **how: Any) -> tuple[Figure, list[Axes]]:
    """As wide as a page; its axes in order."""
    figure = Figure(figsize=(7.2, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **how)
    return figure, list(axes.ravel())


def _alloying(fits: Sequence[DiffusivityResult]) -> ReportFigure:
    figure, (curve, rest) = new_figure(2, height=4.6, sharex=True, height_ratios=(3, 1))
    rows = []
    for n, fit in enumerate(fits):
        colour, mark = COLOURS[n % len(COLOURS)], MARKS[n % len(MARKS)]
        s, degree = np.array(fit.heated_s), np.array([m.value for m in fit.measured])
        std = np.array([m.total for m in fit.measured])
        curve.errorbar(s, degree, std, fmt=mark, color=colour, ms=5, capsize=2, label=f"{fit.particle}, measured")
        fitted = np.interp(s, fit.curve_s, fit.curve) if fit.curve else np.full(len(s), np.nan)
        if fit.curve:
            curve.plot(fit.curve_s, fit.curve, color=colour, lw=1.2, label=f"{fit.particle}, diffusion with its D")
            rest.errorbar(s, degree - fitted, std, fmt=mark, color=colour, ms=4, capsize=2)
        for at_s, measured, model in zip(s, fit.measured, fitted, strict=True):
            rows.append({"particle": fit.particle, "heated_s": at_s, "alloying": measured.value})
            rows[-1] |= {"alloying_std": measured.std, "alloying_std_systematic": measured.std_systematic}
            rows[-1]["fitted"] = model
    rest.axhline(0.0, color=_GREY, lw=0.8)
    curve.set(ylabel="degree of alloying", ylim=(-0.05, 1.08))
    rest.set(xlabel="time at temperature (s)", ylabel="measured - fitted")
    curve.legend(frameon=False, fontsize=8)
    caption = (
        "Degree of alloying against time at temperature, with one standard deviation, statistical and systematic "
        "together, the course that diffusion with the fitted D takes, and what is left."
    )
    return ReportFigure("alloying", caption, figure, rows)


def _slices(story: SessionStory) -> Iterator[ReportFigure]:
    """The same cut through every state, in one scale, and how they go with depth."""
    for particle, states in story.states.items():
        shown = [s for s in states if story.folder.volume(s.step).is_file()]
        if len(shown) > _MOST_SLICES:
            shown = [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, _MOST_SLICES).round().astype(int))]
        if shown:
            yield _slices_of(story, particle, shown)
            yield _depth_of(story, particle, shown)


def _slices_of(story: SessionStory, particle: str, states: Sequence[StateResult]) -> ReportFigure:
    found = [known for known in (story.middle_slice(s.step, 0) for s in states) if known is not None]
    cuts, voxel_nm = [cut for cut, _ in found], found[0][1]
    top = float(max(np.percentile(cut, 99.9) for cut in cuts))
    columns = min(5, len(cuts))
    rows = -(-len(cuts) // columns)
    figure, axes = new_figure(rows, columns, height=1.0 + 1.55 * rows)
    image = None
    for place in axes:
        place.set_axis_off()
    for place, cut, state in zip(axes, cuts, states, strict=False):
        image = place.imshow(cut, cmap="viridis", vmin=0.0, vmax=top, interpolation="nearest")
        degree = "" if state.alloying is None else f", {state.alloying.value:.2f}"
        place.set_title(f"{state.heated_s:.4g} s{degree}", fontsize=8)
    draw_scale_bar(axes[0], cuts[0].shape, voxel_nm)
    if image is not None:
        figure.colorbar(image, ax=axes, label="HAADF intensity (counts per voxel)", shrink=0.8)
    caption = (
        f"{particle}: the middle slice across the beam after each time at temperature, with its degree of alloying."
    )
    told = [{"particle": particle, "step": s.step, "heated_s": s.heated_s, "voxel_nm": voxel_nm} for s in states]
    return ReportFigure(f"slices_{particle}", caption, figure, told)


def _depth_of(story: SessionStory, particle: str, states: Sequence[StateResult]) -> ReportFigure:
    figure, (axes,) = new_figure()
    rows: list[dict[str, Any]] = []
    shells: NDArray[np.int64] | None = None
    for n, state in enumerate(states):
        found = story.volume(state.step)
        if found is None:
            continue
        volume, voxel_nm = found
        if shells is None or shells.shape != volume.shape:
            shells = shells_of(volume)
        profile = depth_profile(volume, shells, voxel_nm)
        colour = colormaps["viridis"](0.9 * n / max(1, len(states) - 1))
        axes.plot(profile.depth_nm, profile.intensity, color=colour, lw=1.4, label=f"{state.heated_s:.4g} s")
        if n in (0, len(states) - 1):
            low, high = profile.intensity - profile.spread, profile.intensity + profile.spread
            axes.fill_between(profile.depth_nm, low, high, color=colour, alpha=0.18, lw=0.0)
        told = {"particle": particle, "step": state.step, "heated_s": state.heated_s}
        rows += [told | dict(zip(_PROFILE, values, strict=True)) for values in zip(*profile, strict=True)]
    axes.set(xlabel="depth below the surface (nm)", ylabel="intensity over the particle's mean", xlim=(0.0, None))
    axes.legend(frameon=False, fontsize=8, title="at temperature", title_fontsize=8)
    caption = (
        f"{particle}: mean intensity of the reconstructions in shells below the surface of the unheated particle; "
        "bands, of the first and the last state, are one standard deviation of the voxels of a shell. The outermost "
        "are blurred with the vacuum."
    )
    return ReportFigure(f"depth_{particle}", caption, figure, rows)


def _by_interval(fits: Sequence[DiffusivityResult]) -> ReportFigure:
    temperatures = sorted({i.temperature_c for f in fits for i in f.by_interval})
    against_t = len(temperatures) > 1
    figure, (axes,) = new_figure()
    rows = []
    for n, fit in enumerate(fits):
        known = _known(fit)
        colour, mark = COLOURS[n % len(COLOURS)], MARKS[n % len(MARKS)]
        x = [1000.0 / (i.temperature_c + _KELVIN) if against_t else 0.5 * (i.from_s + i.to_s) for i in known]
        std = [i.std for i in known]
        axes.errorbar(x, [i.value for i in known], std, fmt=mark, color=colour, ms=5, capsize=2, label=fit.particle)
        for d in fit.diffusivities:
            if d.known and not against_t:
                axes.axhspan(d.value - d.total, d.value + d.total, color=colour, alpha=0.12, lw=0)
                axes.axhline(d.value, color=colour, lw=1.0)
        rows += [
            {"particle": fit.particle, "temperature_c": i.temperature_c, "from_s": i.from_s, "to_s": i.to_s}
            | {"d_m2_per_s": i.value, "d_std_m2_per_s": i.std}
            for i in fit.by_interval
        ]
    xlabel = "1000 / T (1/K)" if against_t else "time at temperature, middle of the interval (s)"
    axes.set(xlabel=xlabel, ylabel="D (m²/s)", yscale="log" if against_t else "linear")
    # Above the axes: within them its marks would pass for points.
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    band = "" if against_t else " Line and band: D of all states, with its total standard deviation."
    caption = f"D between neighbouring states alone, with one statistical standard deviation.{band}"
    return ReportFigure("d_by_interval", caption, figure, rows)


def _known(fit: DiffusivityResult) -> list[IntervalDiffusivity]:
    """Intervals that tell a D."""
    return [i for i in fit.by_interval if i.value > 0.0 and np.isfinite(i.std)]


def _temperature(chip: NDArray[np.float64], story: SessionStory) -> ReportFigure:
    figure, (axes,) = new_figure(height=2.6)
    t, asked, read = chip.T
    axes.plot(t / 60.0, read, color=COLOURS[0], lw=1.2, label="read")
    axes.plot(t / 60.0, asked, color=_GREY, lw=0.9, ls="--", label="set point")
    axes.set(xlabel="time of the session (min)", ylabel="chip (°C)")
    axes.legend(frameon=False, fontsize=8)
    pulses = [p for p in story.pulses if p.booked is not None]
    caption = f"The chip's temperature as its guard read it; {len(pulses)} pulse(s)."
    rows = [{"time_s": a, "setpoint_c": b, "temperature_c": c} for a, b, c in chip.tolist()]
    return ReportFigure("temperature", caption, figure, rows)


def _conserved(states: dict[str, list[StateResult]]) -> ReportFigure:
    figure, (volume, gold) = new_figure(1, 2, height=2.8)
    rows = []
    for n, (particle, of) in enumerate(states.items()):
        colour, mark = COLOURS[n % len(COLOURS)], MARKS[n % len(MARKS)]
        known = [s for s in of if s.volume_nm3]
        if not known:
            continue
        s = [k.heated_s for k in known]
        changes = [change for k in known if (change := k.change_of_volume(known[0])) is not None]
        percent, percent_std = (100.0 * np.array([(c.value, c.std) for c in changes])).T
        at_pct, at_std = (100.0 * np.array([_composition(k) for k in known])).T
        volume.errorbar(s, percent, percent_std, fmt=mark, color=colour, ms=4, capsize=2, label=particle)
        gold.errorbar(s, at_pct, at_std, fmt=mark, color=colour, ms=4, capsize=2, label=particle)
        for state, *numbers in zip(known, percent, percent_std, at_pct, at_std, strict=True):
            rows.append({"particle": particle, "heated_s": state.heated_s, "volume_nm3": state.volume_nm3})
            rows[-1] |= dict(zip(_CONSERVED, numbers, strict=True))
    for axes, label in ((volume, "volume, change (%)"), (gold, "core's element (at%)")):
        axes.set(xlabel="time at temperature (s)", ylabel=label)
        low, high = axes.get_ylim()
        middle = 0.5 * (low + high)
        axes.set_ylim(min(low, middle - 2.0), max(high, middle + 2.0))  # noise of a tenth is not blown up
    volume.legend(frameon=False, fontsize=8)
    caption = (
        "What should stay: volume and mean composition of each particle, a check of reconstruction and model, with one "
        "standard deviation. Later compositions are by the sum of the projections: a beam current that changes from "
        "one tilt series to the next looks like them, and is in their bars."
    )
    return ReportFigure("conserved", caption, figure, rows)


def _composition(state: StateResult) -> tuple[float, float]:
    """With its total standard deviation; not a number where there is none."""
    known = state.gold_fraction_with_errors
    if known is None:
        return (np.nan if state.gold_fraction is None else state.gold_fraction), np.nan
    return known.value, known.total


def _map(found: EdxResult) -> ReportFigure:
    names = list(found.pictures)
    figure, axes = new_figure(1, max(2, len(names) + 1), height=2.4)
    for place, name in zip(axes, names, strict=False):
        place.imshow(np.frombuffer(found.pictures[name], np.uint8).reshape(found.picture_shape), cmap="viridis")
        place.set_title(name.replace("_", " "), fontsize=8)
        place.set_axis_off()
    counts = np.array(found.spectrum)
    energies = found.offset_kev + found.channel_kev * np.arange(len(counts))
    axes[-1].plot(energies, counts, color=COLOURS[0], lw=0.8)
    for line, kev in found.report.get("energies_kev", {}).items():
        axes[-1].axvline(kev, color=_GREY, lw=0.6, ls=":")
        axes[-1].text(kev, counts.max(initial=1.0), line.replace("_", " "), rotation=90, fontsize=6, va="top")
    axes[-1].set(xlabel="keV", ylabel="counts", xlim=(0.0, min(12.0, float(energies.max(initial=1.0)))))
    caption = f"{found.particle}, {found.step}: {found.headline}; {found.quality}."
    rows = [{"energy_kev": e, "counts": c} for e, c in zip(energies.tolist(), counts.tolist(), strict=True)]
    return ReportFigure(f"edx_{found.step.replace('/', '_')}", caption, figure, rows)
