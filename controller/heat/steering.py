"""The analysis decides the next pulse.

`until` lands on a degree of alloying without passing it; `most-informative` takes the pulse after which the next tilt
series narrows most D, or what the windows' temperatures differ by. All read the alloying course that the analysis
simulated for this very particle, and D as it is known now. They only ever propose: limits are the guard's, and without
a usable result there is no proposal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.diffusion.activation_energy import ActivationEnergy
from analysis.diffusion.alloying_course import AlloyingCourse
from analysis.diffusion.forecast import Forecast, Pulses
from analysis.diffusion.time_at_temperature import ramp_worth_s
from analysis.results import Arrhenius, DiffusivityResult
from controller.plan.blocks import SteeredBlock

_PASSING_SIGMAS = 2.0
"""An `until` pulse passes its target only if D is this much faster than believed."""
_UNSEEN_S = 0.05
_CANDIDATES, _DURATIONS_ABOUT_WINDOWS = 40, 10
_WORTH_PERCENT = 1.0
"""A pulse that narrows D by less than this part of its sigma is not worth a tilt series."""


@dataclass(frozen=True)
class Decision:
    """What to do next, and why in one line."""

    what: Literal["pulse", "done", "hold"]
    why: str
    duration_s: float = 0.0
    temperature_c: float = 0.0


@dataclass(frozen=True)
class Known:
    """What a decision looks at."""

    pulses: int = 0
    """Given in this block so far."""
    heat: Pulses = ()
    """All that the chip has had, as booked."""
    latest: tuple[DiffusivityResult, ...] = ()
    """Of every particle, its newest."""
    law: Arrhenius | None = None
    prior: ActivationEnergy | None = None
    ramp_c_per_s: float = 1000.0

    @property
    def heated_s(self) -> float:
        return sum(s for _, s in self.heat)

    def of(self, particle: str) -> DiffusivityResult | None:
        return next((r for r in self.latest if r.particle == particle), None)


def decide(block: SteeredBlock, known: Known) -> Decision:
    """The next step of a steered block."""
    wanted = _proposed(block, known)
    if wanted.what != "pulse":
        return wanted
    if known.pulses >= block.most_pulses:
        return Decision("done", f"{known.pulses} pulses are all that may be given")
    if known.heated_s + wanted.duration_s > block.most_s:
        return Decision("done", f"the next {wanted.duration_s:g} s would pass {block.most_s:g} s at temperature")
    return wanted


def _proposed(block: SteeredBlock, known: Known) -> Decision:
    result = known.of(block.particle)
    if result is None:
        if known.pulses:
            return Decision("hold", f"no D of {block.particle} has come: see the quality of its tilt series")
        words = f"first pulse of {block.first_s:g} s at {block.temperature_c:g} C: nothing is known of D yet"
        return Decision("pulse", words, block.first_s, block.temperature_c)
    unseen_s = known.heated_s - sum(result.seconds)
    if unseen_s > _UNSEEN_S:
        return Decision("hold", f"the last {unseen_s:.4g} s of heat are not in D of {block.particle}: {result.quality}")
    if block.policy == "most-informative" and block.about == "windows":
        return _about_windows(block, known)
    d = next((d for d in result.diffusivities if abs(d.temperature_c - block.temperature_c) < 0.5), None)
    if d is None or not d.known or len(result.course_tau_nm2) < 3:
        return Decision("hold", f"D of {block.particle} is not known: {result.quality}")
    course = AlloyingCourse(result)
    d_nm2_per_s, ln_std = d.value * 1e18, d.std / d.value
    now_nm2 = sum(1e18 * x.value * s for x, s in zip(result.diffusivities, result.seconds, strict=True))
    if block.policy == "until":
        ramp_s = ramp_worth_s(block.temperature_c, known.ramp_c_per_s)
        return _until(block, course, now_nm2, d_nm2_per_s, ln_std, ramp_s)
    return _most_informative(block, course, now_nm2, d_nm2_per_s, ln_std)


def _until(
    block: SteeredBlock, course: AlloyingCourse, now_nm2: float, d_nm2_per_s: float, ln_std: float, ramp_s: float
) -> Decision:
    """`ramp_s` is what the ramp to the temperature is worth by itself."""
    degree = float(course.degree(now_nm2))
    degree_std = float(course.slope(now_nm2)) * ln_std
    if degree >= block.alloying - block.tolerance:
        return Decision("done", f"{block.particle} is alloyed to {course.both(now_nm2)} +- {degree_std:.3f}")
    aim_nm2, end_nm2 = (course.tau_at(a) for a in (block.alloying, block.alloying + block.tolerance))
    # D's error stretches all the way from the start, not only the way to go.
    careful_nm2 = end_nm2 - _PASSING_SIGMAS * ln_std * aim_nm2
    duration_s = max(min(aim_nm2, careful_nm2) - now_nm2, 0.0) / d_nm2_per_s - ramp_s
    if duration_s < block.shortest_s:
        past = float(course.degree(now_nm2 + (block.shortest_s + ramp_s) * d_nm2_per_s))
        if past > block.alloying + block.tolerance:
            return Decision(
                "done",
                f"{block.particle} is alloyed to {degree:.3f}; {block.shortest_s:g} s more would pass the target",
            )
    duration_s = round(float(np.clip(duration_s, block.shortest_s, block.longest_s)), 2)
    there_nm2 = now_nm2 + (duration_s + ramp_s) * d_nm2_per_s
    std = float(course.slope(there_nm2)) * ln_std
    words = (
        f"{duration_s:g} s at {block.temperature_c:g} C take {block.particle} from {degree:.3f} to "
        f"{course.both(there_nm2)} +- {std:.3f}; the target is {block.alloying:g}"
    )
    return Decision("pulse", words, duration_s, block.temperature_c)


def _most_informative(
    block: SteeredBlock, course: AlloyingCourse, now_nm2: float, d_nm2_per_s: float, ln_std: float
) -> Decision:
    percent = 100.0 * ln_std
    if percent <= block.sigma_d_percent:
        return Decision(
            "done", f"sigma(D) of {block.particle} is {percent:.2f} %, {block.sigma_d_percent:g} % was asked"
        )
    durations_s = np.geomspace(block.shortest_s, block.longest_s, _CANDIDATES)
    gain = course.gain(now_nm2 + durations_s * d_nm2_per_s)
    best = int(np.argmax(gain))
    # What the unheated particle leaves open stays, however many states follow.
    shared = max(0.0, ln_std**2 - 1.0 / course.information)
    after = 100.0 * float(np.sqrt(shared + 1.0 / (course.information + gain[best])))
    if after > percent * (1.0 - 0.01 * _WORTH_PERCENT):
        return Decision("done", f"sigma(D) of {block.particle} stays at {percent:.2f} % whatever pulse is next")
    duration_s = round(float(durations_s[best]), 2)
    degree = float(course.degree(now_nm2 + duration_s * d_nm2_per_s))
    words = (
        f"{duration_s:g} s at {block.temperature_c:g} C take {block.particle} to {degree:.2f}, where a tilt series "
        f"narrows sigma(D) most: from {percent:.2f} % to about {after:.2f} %"
    )
    return Decision("pulse", words, duration_s, block.temperature_c)


def _about_windows(block: SteeredBlock, known: Known) -> Decision:
    """The pulse, of all allowed temperatures and durations, after which the windows are told apart best.

    What a pulse brings is reckoned as if a tilt series had followed each one so far.
    """
    forecast = Forecast(known.latest, known.prior, None if known.law is None else known.law.q_j_per_mol.value)
    windows = {r.window for r in known.latest if r.particle in forecast.known}
    if len(windows) < 2:
        return Decision("hold", "D is not known in two windows: " + "; ".join(r.quality for r in known.latest))
    now = max((o.std for o in known.law.offsets_c.values()), default=np.inf) if known.law is not None else np.inf
    if now <= block.sigma_dt_c:
        return Decision("done", f"the worst sigma(dT) is {now:.2g} C, {block.sigma_dt_c:g} C was asked")
    before = forecast.expected(known.heat).aim
    durations_s = np.geomspace(block.shortest_s, block.longest_s, _DURATIONS_ABOUT_WINDOWS)
    temperatures_c = dict.fromkeys((block.temperature_c, *block.temperatures_c))
    candidates = [(t, round(float(s), 2)) for t in temperatures_c for s in durations_s]
    after = [forecast.expected((*known.heat, c)).aim for c in candidates]
    best = int(np.argmin(after))
    if not after[best] < before * (1.0 - 0.01 * _WORTH_PERCENT):
        return Decision("done", f"the worst sigma(dT) stays at {now:.2g} C whatever pulse is next")
    temperature_c, duration_s = candidates[best]
    words = (
        f"{duration_s:g} s at {temperature_c:g} C tell the windows' temperatures apart best: the worst sigma(dT) "
        f"goes from {now:.2g} C to about {min(now, after[best]):.2g} C"
    )
    return Decision("pulse", words, duration_s, temperature_c)
