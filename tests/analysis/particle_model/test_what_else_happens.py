"""What befalls real particles beside alloying: every slope against differences, and each effect found and taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.diffusion import heated_state
from analysis.diffusion.diffusivity_law import CONSTANT, DiffusivityLaw
from analysis.diffusion.heated_state import fit_heated_state
from analysis.diffusion.joint_fit import fit_joint
from analysis.diffusion.state_equations import SharedInformation, StateEquations
from analysis.diffusion.state_slopes import SUSPECTS, UNKNOWNS, WHOLE, StatePoint, state_slopes
from analysis.diffusion.trajectory import CompositionTrajectory
from analysis.diffusion.uncertainty import Uncertainty
from analysis.diffusion.void_search import void_near
from analysis.particle_model.change import Change
from analysis.particle_model.exposures import Exposures
from analysis.particle_model.model import ParticleModel, columns_of
from analysis.particle_model.response import SignalResponse
from analysis.particle_model.shape_modes import shape_modes
from analysis.particle_model.turned import Turned, turn_by
from analysis.particle_model.void import FittedVoid
from analysis.tomography.noise import Noise
from analysis.tomography.projections import Projections
from analysis.unheated.first_state import fit_first_state
from analysis.unheated.segmentation import TwoPhase
from drivers.frames import HeatPulse

TILTS = np.arange(-70.0, 71.0, 5.0)
ROWS, COLUMNS = 64, 60
USUAL_MISFIT = 0.25
"""Of such a particle: most of its field is empty, and darker pixels have no less noise in the model."""
ELECTRONS = 30.0
"""Of the series that tells what is not ideal of the first state, for a unit of signal."""


def model(core_about: tuple[float, float, float] = (0.0, 1.0, -1.5)) -> ParticleModel:
    """A particle whose three axes differ, its core a little off its middle: no turn leaves it as it was."""
    axes = np.meshgrid(np.arange(38) - 18.5, np.arange(38) - 18.5, np.arange(44) - 21.5, indexing="ij")
    outside = _ellipsoid(axes, (10.0, 12.5, 16.0))
    core = _ellipsoid([a - c for a, c in zip(axes, core_about, strict=True)], (5.5, 7.0, 8.5))
    return ParticleModel(
        outside=outside,
        interface=core,
        shell_level=20.0,
        core_step=28.0,
        blur_px=0.9,
        surroundings=np.zeros((16, 16, 11), np.float32),
        rows=ROWS,
        first_column=8,
        response=SignalResponse(top=900.0),
    )


def _ellipsoid(axes, half) -> np.ndarray:
    r = np.sqrt(sum((a / h) ** 2 for a, h in zip(axes, half, strict=True)))
    steep = np.sqrt(sum((a / h**2) ** 2 for a, h in zip(axes, half, strict=True))) / np.maximum(r, 1e-6)
    return ((r - 1.0) / np.maximum(steep, 1.0 / max(half))).astype(np.float32)


def series(particle: ParticleModel, path: CompositionTrajectory, point: StatePoint, rng) -> Projections:
    """What a microscope would record of this state."""
    told, changed = state_slopes(particle, path, point, TILTS, COLUMNS)
    stack = columns_of(told.signal, changed.first_column, slice(0, COLUMNS))
    raw = rng.poisson(np.maximum(stack, 0.0)).astype(np.float32)
    return Projections(raw, TILTS, np.zeros((len(TILTS), 2)), Noise(1.0, 0.0))


def state(ln_tau: float, **beside: object) -> StatePoint:
    return replace(StatePoint(ln_tau, 0.0, CONSTANT, 1.0, Change.none()), **beside)


def hole(radius_px: float) -> FittedVoid:
    """Away from the middle, about where core and shell meet."""
    return FittedVoid(0.5 * (np.array(model().outside.shape) - 1.0) + np.array([1.0, 2.0, 6.0]), radius_px)


@pytest.fixture(scope="module")
def path() -> CompositionTrajectory:
    return CompositionTrajectory(model(), 1.0)


def test_every_slope_of_a_states_signal_is_that_of_differences(path):
    particle = model()
    change = Change(turn_by(np.array([4.0, -3.0, 2.0])), np.zeros(3), np.array([0.2, 0.1]), 0.1, hole(3.5))
    point = state(2.0, bow=0.03, law=DiffusivityLaw(-0.4, 0.2), change=change)
    told, _ = state_slopes(particle, path, point, TILTS, COLUMNS)
    steps = [0.02, 0.02, 0.1, 0.1, 0.01, 0.3, 0.3, 0.3, 0.05, 0.05, 0.05, 0.1, 0.1, 0.02, 0.2, 0.2, 0.2, 0.2]
    sizes = dict(zip(UNKNOWNS, steps, strict=True))
    for place, name in enumerate(UNKNOWNS):
        step = np.zeros(len(UNKNOWNS))
        step[place] = sizes[name]
        ahead, behind = (
            state_slopes(particle, path, point.stepped(s * step), TILTS, COLUMNS)[0].signal for s in (1.0, -1.0)
        )
        difference = (ahead - behind) / (2.0 * sizes[name])
        slope = told.unknowns[place]
        alike = float(np.vdot(slope, difference) / (np.linalg.norm(slope) * np.linalg.norm(difference)))
        size = float(np.linalg.norm(slope) / np.linalg.norm(difference))
        # Turns go through an interpolation; a blur of less than a pixel is no second derivative of pixels.
        assert alike > 0.97, f"{name}: {alike:.3f}"
        assert size == pytest.approx(1.0, abs=0.2 if name == "blur" else 0.1), name


def test_a_turn_and_the_turn_back_leave_a_particle_as_it_was():
    particle = model()
    assert Turned(particle, np.eye(3), COLUMNS).particle.volume_px == pytest.approx(particle.volume_px, rel=1e-6)
    turn = turn_by(np.array([9.0, -6.0, 5.0]))
    there = Turned(particle, turn, COLUMNS).particle
    assert there.volume_px == pytest.approx(particle.volume_px, rel=2e-3)
    assert there.core_fraction == pytest.approx(particle.core_fraction, rel=5e-3)
    back = Turned(there, turn.T, COLUMNS).particle
    _, seen, _ = particle.projected(particle.composition, TILTS)
    _, again, _ = back.projected(back.composition, TILTS)
    left = again[:, :, particle.first_column - back.first_column :][:, :, : seen.shape[2]]
    assert np.sqrt(np.mean((left - seen) ** 2)) < 0.01 * seen.max()


def test_a_particle_that_turned_is_found_turned_and_its_tau_is_right(path):
    rng = np.random.default_rng(5)
    turn = turn_by(np.array([10.0, -8.0, 6.0]))
    point = state(2.0, change=replace(Change.none(), turn=turn))
    found = fit_heated_state(series(model(), path, point, rng), model(), path)
    assert found.causes
    apart = Change(found.point.change.turn @ turn.T, *list(vars(Change.none()).values())[1:]).turned_deg
    assert apart < 0.6
    assert abs(found.ln_tau - 2.0) < 3.5 * np.hypot(found.free_ln_std, 0.01)


def test_nothing_is_said_to_have_happened_where_nothing_did(path):
    for seed in range(4):
        seen = series(model(), path, state(1.8), np.random.default_rng(seed))
        found = fit_heated_state(seen, model(), path, usual_misfit=USUAL_MISFIT)
        assert not found.causes, f"seed {seed}"
        assert found.free_ln_std > found.ln_std


BEFELL = {
    "that it turned": {"turn": turn_by(np.array([4.0, 0.0, -3.0]))},
    "carbon on it": {"coats": np.array([3.0, 0.0])},
    "another focus": {"blur_px2": 1.0},
}


@pytest.mark.parametrize("words", BEFELL)
def test_what_a_state_is_missed_by_names_its_cause(path, words):
    point = state(2.0, change=replace(Change.none(), **BEFELL[words]))
    seen = series(model(), path, point, np.random.default_rng(7))
    at = StateEquations(seen, model(), path, state(2.0), Exposures.of(seen), WHOLE)
    assert max(SUSPECTS, key=lambda w: at.gain(SUSPECTS[w])) == words


@pytest.fixture
def drawn_well(monkeypatch) -> None:
    """The series come from the very model that they are fitted with: its few pixels do not matter."""
    monkeypatch.setattr(heated_state, "_FINE_PX", 0.0)


HAPPENED = {
    "turned": {"turn": turn_by(np.array([3.0, 0.0, -2.0]))},
    "lost": {"moved_px": np.array([0.15, 0.0, 0.0])},
    "rounded": {"moved_px": np.array([0.0, 0.5, 0.0])},
    "coated": {"coats": np.array([1.5, 0.0])},
    "blurred": {"blur_px2": 0.5},
}


@pytest.mark.usefixtures("drawn_well")
@pytest.mark.parametrize("cause", HAPPENED)
def test_a_cause_is_told_first_and_tau_is_right(path, cause):
    """Three per cent of the volume, two degrees, a thin coat: tau would be wrong by many times its error."""
    point = state(2.0, change=replace(Change.none(), **HAPPENED[cause]))
    seen = series(model(), path, point, np.random.default_rng(11))
    found = fit_heated_state(seen, model(), path, usual_misfit=USUAL_MISFIT)
    assert found.causes[0] == cause and "hollow" not in found.causes
    # What rounds an ellipsoid changes its axes, which two modes at once can do in many ways.
    assert abs(found.ln_tau - 2.0) < 3.5 * np.hypot(found.free_ln_std, 0.03 if cause == "rounded" else 0.003)


@pytest.mark.usefixtures("drawn_well")
def test_of_a_particle_that_was_never_understood_more_must_be_explained(path):
    seen = series(
        model(), path, state(2.0, change=replace(Change.none(), **HAPPENED["blurred"])), np.random.default_rng(2)
    )
    at = StateEquations(seen, model(), path, state(2.0), Exposures.of(seen), WHOLE)
    assert at.told(()) == "blurred"
    assert at.told((), doubt=1e3) == at.told(("blurred",), doubt=10.0) == ""
    assert at.straight_misfit < at.misfit
    unsettled = fit_heated_state(seen, model(), path, settled=False)
    assert unsettled.misfit >= fit_heated_state(seen, model(), path).misfit


@pytest.mark.usefixtures("drawn_well")
def test_a_void_is_found_where_it_is_and_as_large_as_it_is(path):
    void = hole(3.0)
    seen = series(model(), path, state(2.0, change=replace(Change.none(), void=void)), np.random.default_rng(3))
    found = fit_heated_state(seen, model(), path, usual_misfit=USUAL_MISFIT)
    assert found.causes == ("hollow",)
    told = found.point.change.void
    assert told is not None and told.radius_px == pytest.approx(3.0, abs=0.1)
    np.testing.assert_allclose(told.centre_px, void.centre_px, atol=0.2)
    assert abs(found.ln_tau - 2.0) < 3.5 * np.hypot(found.free_ln_std, 0.003)


@pytest.mark.usefixtures("drawn_well")
@pytest.mark.parametrize("happened", [None, "coated", "blurred"])
def test_a_void_is_not_even_tried_where_next_to_nothing_is_lacking_inside(path, happened):
    change = Change.none() if happened is None else replace(Change.none(), **HAPPENED[happened])
    seen = series(model(), path, state(2.0, change=change), np.random.default_rng(5))
    assert void_near(seen, model(), path, state(2.0), Exposures.of(seen)) is None, happened


@pytest.mark.usefixtures("drawn_well")
@pytest.mark.parametrize("radius_px", [2.5, 3.0, 5.0])
def test_a_void_is_tried_where_there_is_one(path, radius_px):
    hollow = replace(Change.none(), void=hole(radius_px))
    seen = series(model(), path, state(2.0, change=hollow), np.random.default_rng(6))
    assert void_near(seen, model(), path, state(2.0), Exposures.of(seen)) is not None


@pytest.mark.usefixtures("drawn_well")
@pytest.mark.parametrize("radius_px", [3.5, 5.0])
def test_a_ball_with_a_void_is_not_taken_for_one_that_turned(radius_px):
    """A turn moves its core to where the void is not, which is a little alike."""
    axes = np.meshgrid(np.arange(38) - 18.5, np.arange(38) - 18.5, np.arange(44) - 21.5, indexing="ij")
    core = _ellipsoid([axes[0], axes[1] - 1.0, axes[2] + 1.5], (7.5, 7.5, 7.5))
    ball = replace(model(), outside=_ellipsoid(axes, (13.0, 13.0, 13.0)), interface=core)
    way = CompositionTrajectory(ball, 1.0)
    void = hole(radius_px)
    seen = series(ball, way, state(2.0, change=replace(Change.none(), void=void)), np.random.default_rng(4))
    found = fit_heated_state(seen, ball, way, usual_misfit=USUAL_MISFIT)
    told = found.point.change.void
    assert "hollow" in found.causes and "turned" not in found.causes
    assert told is not None and told.radius_px == pytest.approx(radius_px, abs=0.15)
    assert abs(found.ln_tau - 2.0) < 3.5 * np.hypot(found.free_ln_std, 0.005)


def test_a_voids_volume_is_a_balls_and_its_metal_is_missing():
    particle, void = model(), hole(4.0)
    hollow = replace(particle, outside=void.left_of(particle.outside))
    assert particle.volume_px - hollow.volume_px == pytest.approx(void.volume_px, rel=0.02)
    wider = replace(particle, outside=replace(void, radius_px=4.1).left_of(particle.outside))
    assert void.lies_in(particle.outside)
    assert not any(hole(r).lies_in(particle.outside) for r in (20.0, 30.0))
    assert not replace(void, centre_px=np.array([18.5, 18.5, 36.0])).lies_in(particle.outside)
    assert not replace(void, centre_px=np.array([18.5, 18.5, 46.0])).lies_in(particle.outside)
    opening = void.slopes(particle.outside)[0].sum(dtype=np.float64)
    assert (wider.volume_px - hollow.volume_px) / 0.1 == pytest.approx(opening, rel=0.05)
    assert opening == pytest.approx(-4.0 * np.pi * 4.0**2, rel=0.03)


def test_rounding_keeps_the_volume_and_shrinking_does_not():
    particle = model()
    shrunk, *rounded = shape_modes(particle)
    less = replace(particle, outside=particle.outside + np.float32(0.3) * shrunk)
    assert less.volume_px == pytest.approx(particle.volume_px - 0.3 * particle.surface_px2, rel=0.01)
    for mode in rounded:
        other = replace(particle, outside=particle.outside + np.float32(0.3) * mode)
        assert other.volume_px == pytest.approx(particle.volume_px, rel=0.004)
        tip = tuple(np.argwhere(particle.metal > 0.5)[-1])
        assert mode[tip] != 0.0


@pytest.mark.parametrize("law", [DiffusivityLaw(-2.5), DiffusivityLaw(2.0, 0.5), DiffusivityLaw(peak=1.0)])
def test_kirchhoffs_transformation_has_the_law_as_its_slope(law):
    mean = 0.3
    flow = np.polynomial.Polynomial(law.kirchhoff(mean).astype(float))
    c = np.linspace(0.0, 1.0, 21)
    np.testing.assert_allclose(flow.deriv()(c - mean), np.exp(law.ln_ratio(c, mean)), rtol=2e-4)
    assert abs(float(flow(0.0))) < 1e-12
    assert law.fastest(mean) >= np.exp(law.ln_ratio(c, mean)).max() * (1.0 - 1e-9)


@pytest.mark.parametrize("law", [DiffusivityLaw(-0.8), DiffusivityLaw(peak=0.3)])
def test_the_way_bends_as_one_simulated_with_that_law(path, law):
    truth = CompositionTrajectory(model(), 1.0, law, bending=False)
    metal = model().metal
    for ln_tau in (1.5, 2.0, 2.5):
        bent, straight, right = path.at(ln_tau, law)[0], path.at(ln_tau)[0], truth.at(ln_tau)[0]
        left = float(np.vdot(metal, (bent - right) ** 2) / np.vdot(metal, (straight - right) ** 2))
        assert left < 0.01, f"{ln_tau}: {left}"


@pytest.mark.parametrize(("curvature", "mixed_px2"), [(0.1, 0.0), (0.0, 1.5), (0.0, 0.0)])
def test_a_response_and_an_interface_that_are_not_ideal_are_told_from_the_first_series(curvature, mixed_px2):
    truth = replace(model(), mixed_px2=mixed_px2)
    truth = replace(truth, response=SignalResponse(curvature, 900.0))
    _, scattered, _ = truth.projected(truth.composition, TILTS)
    wide = columns_of(ELECTRONS * truth.response.signal(scattered), truth.first_column, slice(0, COLUMNS))
    raw = np.random.default_rng(3).poisson(wide).astype(np.float32)
    axes = np.meshgrid(np.arange(ROWS) - 31.5, np.arange(ROWS) - 31.5, np.arange(COLUMNS) - 29.5, indexing="ij")
    start = TwoPhase(
        _ellipsoid(axes, (10.0, 12.5, 16.0)) < 0.4,
        _ellipsoid([a - c for a, c in zip(axes, (0.0, 1.0, -1.5), strict=True)], (5.5, 7.0, 8.5)) < -0.3,
        20.6 * ELECTRONS,
        47.5 * ELECTRONS,
        1.1,
    )
    found = fit_first_state(Projections(raw, TILTS, np.zeros((len(TILTS), 2)), Noise(1.0, 0.0)), start, 0)
    assert ("response" in found.nuisances) is (curvature > 0.0)
    assert ("interface" in found.nuisances) is (mixed_px2 > 0.0)
    assert found.model.mixed_px2 == pytest.approx(mixed_px2, abs=0.4)
    # The top that a curvature is told at is another one in the fit.
    bent = found.model.response.curvature / found.model.response.top * 900.0 * ELECTRONS
    assert bent == pytest.approx(curvature, abs=0.03)
    assert found.model.volume_px == pytest.approx(truth.volume_px, rel=0.006)


def test_states_together_tell_a_slope_and_then_d_is_that_with_it(rng):
    seconds = np.array([15.0, 30.0, 60.0, 120.0, 300.0])[:, None]
    for slope in (0.0, -1.2):
        states = []
        for t in seconds[:, 0]:
            truth = np.array([np.log(0.24 * t), 0.0, slope, 0.0])
            point = state(truth[0] + 0.1 * slope)
            matrix = np.diag(np.array([0.01, 0.003, 0.05, 0.05]) ** -2.0)
            matrix[0, 2] = matrix[2, 0] = -0.1 * 0.01**-2.0
            matrix[2, 2] += 0.1**2 * 0.01**-2.0
            told = SharedInformation(point.shared, matrix, matrix @ (truth - point.shared))
            likely = fit_like(point, told)
            states.append(likely)
        fit = fit_joint(seconds, (450.0,), states, np.full(5, 0.5), surface_ln_std=0.0)
        assert fit.bent is (slope != 0.0)
        assert fit.shared is not None
        assert fit.shared[1] == pytest.approx(slope, abs=0.05)
        assert fit.d_m2_per_s[0] == pytest.approx(0.24e-18, rel=0.02)
        assert fit.budget["D of composition"][0] > 0.0


def fit_like(point: StatePoint, told: SharedInformation):
    from analysis.diffusion.heated_state import HeatedState

    straight = Exposures(np.zeros((29, 2)), np.zeros(29), np.ones(29), np.zeros(29))
    return HeatedState(point, 0.01, 0.015, False, straight, 1.0, told)  # nothing became of it


def test_the_budget_of_what_no_tilt_series_tells():
    known = Uncertainty(temperature_c=2.3, window_c=0.0, pulse_c=3.0, pulse_s=0.5, pixel_size_percent=2.0)
    found = known.budget((450.0,), [HeatPulse(450.0, 15.0)] * 4, 208e3)
    assert found["temperature calibration"][0] == pytest.approx(0.110, abs=0.002)  # 208 kJ/mol at 723 K, by hand
    assert found["pixel size"][0] == pytest.approx(0.04)
    assert found["temperature of pulses"][0] == pytest.approx(0.144 / 2.0, abs=0.002)
    assert found["length of pulses"][0] == pytest.approx(0.5 * 2.0 / 60.0)
    exact = Uncertainty(temperature_c=0.0, window_c=0.0, pulse_c=0.0, pulse_s=0.0, pixel_size_percent=0.0)
    assert all(v[0] == 0.0 for v in exact.budget((450.0,), [HeatPulse(450.0, 15.0)]).values())


def test_readings_that_tell_a_pulses_length_count_instead_of_the_laboratorys_habit():
    pulses = [HeatPulse(450.0, 15.0, 0.3), HeatPulse(450.0, 15.0), HeatPulse(400.0, 60.0, 1.2)]
    found = Uncertainty(pulse_s=0.4).budget((400.0, 450.0), pulses)["length of pulses"]
    assert found == pytest.approx([1.2 / 60.0, 0.5 / 30.0])
