"""How a stage lies on the image: measured, told, and used."""

import numpy as np
import pytest

from controller.acquire.stage_axes import StageMove, displacement_nm, stage_axes
from controller.acquire.stage_calibration import StageCalibration
from controller.plan.stage_section import StageSection
from drivers.clock import SteppedClock
from drivers.interfaces import DriverContext, ScanSettings, StagePosition
from simulators.microscope import SimulatedMicroscope
from tests.command import alloyscope

STEP_NM = 80.0
SETTINGS = ScanSettings(3.2, (128, 128), 10e-6)


def on_image(turn_deg: float, mirrored: bool) -> np.ndarray:
    """(y, x) of the image by (y, x) of the stage."""
    turn, hand = np.radians(turn_deg), -1.0 if mirrored else 1.0
    return np.array([[hand * np.cos(turn), np.sin(turn)], [-hand * np.sin(turn), np.cos(turn)]])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn_deg", [-170.0, -95.0, -12.0, 0.0, 30.0, 90.0, 179.0])
def test_what_moves_show_is_the_turn_and_bringing_back_undoes_it(rng, turn_deg, mirrored):
    matrix, play_nm = on_image(turn_deg, mirrored), {"x": 40.0, "y": 15.0}
    moves = []
    for axis, unit in (("x", np.array([0.0, 1.0])), ("y", np.array([1.0, 0.0]))):
        for step_nm in (STEP_NM, -STEP_NM, STEP_NM, -STEP_NM):
            moves.append(StageMove(axis, step_nm, matrix @ unit * step_nm + rng.normal(0.0, 0.2, 2)))
        moves += [StageMove(axis, 0.0, matrix @ unit * play_nm[axis] + rng.normal(0.0, 0.2, 2)) for _ in range(3)]
    found = stage_axes(moves)
    off_deg = (found.turn_deg.value - turn_deg + 180.0) % 360.0 - 180.0
    assert abs(off_deg) < 5.0 * found.turn_deg.std + 0.05
    assert found.mirrored == mirrored
    assert found.skew_deg.value == pytest.approx(0.0, abs=0.5)
    for axis, nm in play_nm.items():
        assert found.backlash_nm[axis].value == pytest.approx(nm, abs=0.5)
        assert found.scale[axis].value == pytest.approx(1.0, abs=0.01)
    wanted_nm = rng.normal(0.0, 100.0, 2)
    section = StageSection(turn_deg=turn_deg, mirrored=mirrored)
    np.testing.assert_allclose(matrix @ section.to_bring(wanted_nm), wanted_nm, atol=1e-9)


def test_a_picture_that_goes_along_is_a_displacement_along(rng):
    picture = np.zeros((96, 96))
    picture[40:56, 30:60] = 100.0
    noisy = [np.roll(picture, by, (0, 1)) + rng.normal(0.0, 5.0, picture.shape) for by in ((0, 0), (7, -9))]
    np.testing.assert_allclose(displacement_nm(*noisy, 2.0), (14.0, -18.0), atol=0.3)


def test_one_move_or_none_seen_is_no_measurement():
    with pytest.raises(ValueError, match="two moves along y"):
        stage_axes([StageMove("x", 1.0, np.array([0.0, 1.0]))] * 2)
    with pytest.raises(ValueError, match="stayed where it was"):
        stage_axes([StageMove("x", 1.0, np.zeros(2)), StageMove("y", 1.0, np.zeros(2))] * 2)


@pytest.mark.parametrize(("turn_deg", "mirrored", "play_nm"), [(6.5, True, 45.0), (-97.0, False, 0.0)])
def test_the_twins_stage_is_found(stepped, tmp_path, turn_deg, mirrored, play_nm):
    async def main(clock: SteppedClock) -> None:
        microscope = SimulatedMicroscope(
            "microscope",
            DriverContext(clock, 3, tmp_path),
            particles=[{"specimen": "NC2"}],
            voxels_across=40.0,
            stage_turn_deg=turn_deg,
            stage_mirrored=mirrored,
            stage_backlash_nm=play_nm,
        )
        await microscope.connect()
        calibration = StageCalibration(microscope, clock, SETTINGS, StagePosition(), STEP_NM)
        found = stage_axes(await calibration.moves(4))
        assert microscope.current_pa == 0.0, "the beam is blanked"
        assert found.mirrored == mirrored
        assert abs(found.turn_deg.value - turn_deg) < 4.0 * found.turn_deg.std + 0.1
        assert found.turn_deg.std < 0.5
        for play in found.backlash_nm.values():
            assert abs(play.value - play_nm) < 4.0 * play.std + 0.5

    stepped(main)


def test_where_nothing_is_seen_it_is_said_and_the_beam_is_blanked(stepped, tmp_path):
    async def main(clock: SteppedClock) -> None:
        far = {"specimen": "NC2", "x_nm": 5000.0}
        context = DriverContext(clock, 3, tmp_path)
        microscope = SimulatedMicroscope("microscope", context, particles=[far], voxels_across=24.0)
        await microscope.connect()
        with pytest.raises(ValueError, match="begin on a particle"):
            await StageCalibration(microscope, clock, SETTINGS, StagePosition(), STEP_NM).moves(2)
        assert microscope.current_pa == 0.0

    stepped(main)


@pytest.mark.slow
def test_a_person_is_told_what_to_put_into_the_session_file(session_file, tmp_path):
    swapped = {'specimen = "NC2" }]': 'specimen = "NC2" }]\nstage_turn_deg = 6.5\nstage_backlash_nm = 45.0'}
    path = session_file(**swapped)
    done = alloyscope("calibrate", "stage", path, "--repeats", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SIMULATED; the stage's x lies" in done.stdout
    lines = done.stdout.partition("[stage]\n")[2].splitlines()
    path.write_text(path.read_text() + "\n[stage]\n" + "\n".join(lines) + "\n")
    assert alloyscope("check", path, cwd=tmp_path).returncode == 0
    told = dict(line.split(" = ") for line in lines)
    assert float(told["turn_deg"]) == pytest.approx(6.5, abs=2.0)
    assert float(told["backlash_nm"]) >= 44.0
