from pathlib import Path

import numpy as np
import pytest

import simulators.rehearsal as rehearsal
from drivers.clock import SteppedClock
from drivers.errors import ConfigError
from drivers.frames import Frame
from drivers.interfaces import DriverContext, ScanSettings, StagePosition
from simulators.imaging import Optics, Response, detect
from simulators.imperfect.imperfections import OF_THE_MICROSCOPE, SIZES, Imperfections, named, typical
from simulators.microscope import SimulatedMicroscope
from simulators.rehearsed_states import taus_nm2
from simulators.specimens import SPECIMENS

SHORT = rehearsal.Conditions(step_deg=70.0, pulses_s=(2.0, 4.0))
"""Three tilts of three states."""
LATER = (
    "contamination",
    "turned_about_beam",
    "turned",
    "rounding",
    "silver_lost",
    "void",
    "d_falls_with_gold",
    "thermodynamic_factor",
    "hotter_chip",
    "pulse_temperatures",
    "pulse_times",
)
"""Effects that the first state has not yet."""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rehearsal.VARIANTS, "short", SHORT)


def frames(imperfections: str = "none", seed: int = 3) -> list[np.ndarray]:
    session = rehearsal.SimulatedRehearsal().session("SR", seed, "short", imperfections)
    assert session.d_m2_per_s == SPECIMENS["SR"].d_450_m2_per_s
    assert session.volume_nm3 == SPECIMENS["SR"].volume_nm3
    return [item.image for item in session.items if isinstance(item, Frame)]


@pytest.fixture(scope="module")
def plain() -> list[np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(rehearsal.VARIANTS, "short", SHORT)
        return frames()


@pytest.mark.parametrize("name", [n for n in SIZES if n != "diffraction"])  # three tilts may miss its seven
def test_every_effect_changes_frames_and_no_truth(name, short, plain):
    flawed = frames(name)
    for index, (a, b) in enumerate(zip(plain, flawed, strict=True)):
        assert np.array_equal(a, b) == (name in LATER and index < 3), index


def test_a_seed_gives_the_same_frames_and_another_does_not(short, plain):
    assert [i.tobytes() for i in frames("none")] == [i.tobytes() for i in plain]
    first, again, other = (frames("typical", seed) for seed in (3, 3, 4))
    assert [i.tobytes() for i in first] == [i.tobytes() for i in again]
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_unknown_names_and_sizes_are_refused_with_what_there_is():
    with pytest.raises(ConfigError, match=r"no imperfection 'fog'; there are none, attenuation"):
        rehearsal.SimulatedRehearsal().session("SR", 1, imperfections="fog")
    with pytest.raises(ValueError, match="attenuation"):
        Imperfections(attenuation_percent=99.0)
    with pytest.raises(ValueError, match="fog"):
        Imperfections.model_validate({"fog": 1.0})


def test_typical_draws_every_effect_and_none_beyond_its_size():
    rng = np.random.default_rng(1)
    drawn = [typical(rng).model_dump() for _ in range(300)]
    sizes = {field: size for group in SIZES.values() for field, size in group.items()}
    assert set(sizes) == set(Imperfections.model_fields)
    for field, size in sizes.items():
        values = np.array([d[field] for d in drawn])
        if field == "clipped_at_percent":
            assert values.min() >= 95.0
            assert values.max() <= 110.0
        elif field == "neighbour_at_deg":
            assert values.min() >= 60.0
            assert values.max() <= 80.0
        else:
            assert np.abs(values).max() <= abs(size), field
            assert np.abs(values).max() > 0.9 * abs(size), field
            assert 0.25 * abs(size) < np.sqrt(np.mean(values**2)) < 0.65 * abs(size), field
        assert np.ptp(values) > 0.0
    assert typical(np.random.default_rng(4)) == typical(np.random.default_rng(4))


def test_a_rod_attenuates_less_than_a_cube():
    rng = np.random.default_rng(1)
    assert named("attenuation", rng).attenuation_percent == 10.0
    assert named("attenuation", rng, elongated=True).attenuation_percent == 5.0


# Of the detector


def counts(fraction: float, response: Response | None) -> float:
    optics = Optics(read_noise=0.0)
    image = np.full((64, 64), fraction, np.float32)
    return float(detect(image, 1e4, optics, np.random.default_rng(2), response).mean()) - optics.offset


def test_the_detector_bends_lifts_scales_and_ends_where_it_is_told():
    top = counts(0.4, None)
    assert counts(0.4, Response(0.4)) == top
    assert counts(0.4, Response(0.4, compression=0.05)) / top == pytest.approx(0.95, abs=0.001)
    assert counts(0.2, Response(0.4, compression=0.05)) / counts(0.2, None) == pytest.approx(0.975, abs=0.001)
    assert counts(0.0, Response(0.4, black_level=0.03)) / top == pytest.approx(0.03, abs=0.001)
    assert counts(0.1, Response(0.4, gain=1.02)) / counts(0.1, None) == pytest.approx(1.02, abs=0.001)
    assert counts(0.4, Response(0.4, clipped_at=0.9)) / top == pytest.approx(0.9, abs=0.001)
    assert counts(0.2, Response(0.4, clipped_at=0.9)) == counts(0.2, None)


# Of the chip


def test_a_hotter_chip_does_as_much_more_as_arrhenius_says():
    rng = np.random.default_rng(0)
    rod, pulses_s = SPECIMENS["NR1"], (15.0, 30.0)
    told = taus_nm2(rod, pulses_s, 450.0, Imperfections(), rng)
    np.testing.assert_allclose(told, [0.34 * s for s in pulses_s])
    hot = taus_nm2(rod, pulses_s, 450.0, Imperfections(hotter_c=3.0), rng)
    np.testing.assert_allclose(np.divide(hot, told), np.exp(208e3 / 8.314462618 * (1 / 723.15 - 1 / 726.15)), rtol=1e-6)
    many = taus_nm2(rod, (15.0,) * 400, 450.0, Imperfections(pulse_error_c=3.0), rng)
    assert np.std(np.log(many)) == pytest.approx(3.0 * 208e3 / 8.314462618 / 723.15**2, rel=0.1)
    late = taus_nm2(rod, (15.0,) * 400, 450.0, Imperfections(pulse_time_error_s=0.5), rng)
    assert np.std(late) / 0.34 == pytest.approx(0.5, rel=0.1)


# In the simulated microscope


def scan(stepped, folder: Path, tilt_deg: float = 0.0, **options: object) -> np.ndarray:
    still = {"tilt_error_deg": 0.0, "jitter_nm": 0.0, "drift_nm_per_sqrt_s": 0.0, "height_change_nm": 0.0}

    async def main(clock: SteppedClock) -> np.ndarray:
        scope = SimulatedMicroscope(
            "microscope",
            DriverContext(clock, 1, folder),
            particles=[{"specimen": "NC2"}],
            voxels_across=30.0,
            current_pa=400.0,
            **still,
            **options,  # type: ignore[arg-type]  # as TOML gives them
        )
        await scope.connect()
        await scope.set_beam_blank(False)
        await scope.move_to(StagePosition(tilt_deg=tilt_deg))
        return (await scope.scan(ScanSettings(1.5, (64, 64)))).image.astype(float) - 420.0

    return stepped(main)


def test_the_microscope_has_the_effects_that_are_its_own(stepped, tmp_path):
    plain = scan(stepped, tmp_path / "plain")
    assert np.array_equal(plain, scan(stepped, tmp_path / "none", imperfections={}))
    tilted = scan(stepped, tmp_path / "tilted", 60.0)
    for field in OF_THE_MICROSCOPE:
        size = next(group[field] for group in SIZES.values() if field in group)
        table = {field: size, "diffraction_tilts": 40} if field == "diffraction_percent" else {field: size}
        flawed = scan(stepped, tmp_path / field, 60.0, imperfections=table)
        unheated = field in ("ln_d_fall", "interaction_rt", "hotter_c", "diffraction_tilts")
        assert np.array_equal(flawed, tilted) == unheated, field
    level = scan(stepped, tmp_path / "black", imperfections={"black_level_percent": 3.0})
    lifted = np.mean(level - plain) / 0.03
    assert plain.max() < lifted < 1.4 * plain.max()  # the brightest path is that of another tilt
    truth = (tmp_path / "black" / "truth").glob("*.json")
    assert any('"black_level_percent": 3.0' in path.read_text() for path in truth)
    assert not np.array_equal(plain, scan(stepped, tmp_path / "typical", imperfections="typical"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("fog", "no imperfection 'fog'; there are none"),
        ({"fog": 1.0}, "fog"),
        ({"attenuation_percent": "much"}, "attenuation_percent"),
        ({"silver_lost_percent": 5.0}, "silver_lost_percent: only `alloyscope validate` has it"),
        ("turned", "turned_deg: only `alloyscope validate` has it"),
    ],
)
def test_the_microscope_refuses_what_it_has_not(stepped, tmp_path, asked, words):
    with pytest.raises(ConfigError, match=words):
        scan(stepped, tmp_path, imperfections=asked)
