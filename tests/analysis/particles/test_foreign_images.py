"""Images as people bring them: with labels and scale bars drawn on them, and with particles of few pixels."""

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from analysis.particles.annotations import annotations_of
from analysis.particles.looked_at import look_at
from tests.command import alloyscope


def balls(places_px: list[tuple[float, float]], diameter_px: float, side_px: int, noise: float = 4.0) -> np.ndarray:
    """8-bit image of balls, blurred by 0.8 px."""
    y, x = np.mgrid[:side_px, :side_px]
    image = np.zeros((side_px, side_px))
    for v, u in places_px:
        image += 100.0 * np.sqrt(np.clip(1.0 - ((y - v) ** 2 + (x - u) ** 2) / (0.5 * diameter_px) ** 2, 0.0, None))
    noisy = gaussian_filter(image, 0.8) + 20.0 + np.random.default_rng(0).normal(0.0, noise, image.shape)
    return np.clip(2.0 * noisy, 0.0, 255.0).astype(np.uint8)


TWENTY = balls([(a, b) for a in range(40, 340, 75) for b in range(40, 360, 75)], 30.0, 384)


def with_bar(paper: int, ink: int, *, above: bool = False) -> np.ndarray:
    image = Image.new("L", (384, 424), paper)
    image.paste(Image.fromarray(TWENTY), (0, 40 if above else 0))
    pen, top = ImageDraw.Draw(image), 0 if above else 384
    pen.text((8, top + 6), "HV 300 kV  mag 450 kx  HAADF  HFW 192 nm", fill=ink)
    pen.rectangle((8, top + 26, 108, top + 31), fill=ink)
    pen.text((114, top + 22), "50 nm", fill=ink)
    return np.asarray(image)


def with_ruler(value: int, *, ticks: bool) -> np.ndarray:
    image = Image.fromarray(TWENTY)
    pen = ImageDraw.Draw(image)
    pen.rectangle((15, 372, 115, 378), fill=value)
    pen.text((40, 356), "50 nm", fill=value)
    for x in range(15, 116, 20) if ticks else ():
        pen.line((x, 366, x, 372), fill=value)
    return np.asarray(image)


@pytest.mark.parametrize(
    ("image", "words", "shift_px"),
    [
        (with_bar(255, 0), "bar with a label, 40 rows", 0.0),
        (with_bar(0, 255), "bar with a label, 40 rows", 0.0),
        (with_bar(255, 0, above=True), "bar with a label, 40 rows", 40.0),
        (with_ruler(255, ticks=False), "scale bar or ruler", 0.0),
        (with_ruler(170, ticks=True), "scale bar or ruler", 0.0),
    ],
    ids=["white bar", "black bar", "bar on top", "scale bar", "ruler"],
)
@pytest.mark.parametrize("method", ["learned", "watershed"])
def test_what_was_drawn_on_an_image_is_left_out_and_said(image, words, shift_px, method):
    bare = look_at(TWENTY, 0.5, method)
    seen = look_at(image, 0.5, method)
    assert len(bare.particles) == len(seen.particles) == 20
    assert bare.notes == ()
    assert any(words in note for note in seen.notes)
    assert [p.diameter_nm.value for p in seen.particles] == pytest.approx([15.0] * 20, abs=0.6)
    places = sorted((p.y_px, p.x_px) for p in seen.particles)
    assert places[0][0] == pytest.approx(40.0 + shift_px, abs=1.0)
    assert seen.labels.shape == image.shape
    assert seen.labels.max() == 20


def test_the_command_says_what_it_left_out(tmp_path):
    imageio.imwrite(tmp_path / "a.png", with_bar(255, 0))
    done = alloyscope("particles", tmp_path / "a.png", "--pixel-nm", "0.5", cwd=tmp_path)
    assert "20 particles (20 round)" in done.stdout, done.stderr
    assert "note: a bar with a label" in done.stdout


def test_saturated_particles_and_images_without_noise_are_no_labels():
    saturated = np.minimum(TWENTY, 120).astype(np.uint8)
    y, x = np.indices((128, 128))
    clean = 100 * ((y - 64) ** 2 + (x - 64) ** 2 < 400) + 50 * (np.abs(y - 20) < 3) * (np.abs(x - 60) < 30)
    for image in (TWENTY, saturated, clean.astype(np.uint8), np.zeros((64, 64))):
        drawn = annotations_of(image)
        assert drawn.rows == slice(0, len(image))
        assert drawn.lines == ()


@pytest.mark.parametrize("diameter_px", [5.0, 7.0, 9.0])
def test_particles_of_few_pixels_are_all_found_and_as_large_as_they_say(diameter_px):
    rng = np.random.default_rng(4)
    places = [(a + rng.uniform(-3, 3), b + rng.uniform(-3, 3)) for a in range(12, 250, 22) for b in range(12, 250, 22)]
    seen = look_at(balls(places, diameter_px, 256, noise=3.0), 0.5, "learned")
    assert len(seen.particles) == len(places)
    sizes = np.array([p.diameter_nm.value for p in seen.particles])
    assert sizes.mean() == pytest.approx(0.5 * diameter_px, rel=0.06)
    off = [(p.diameter_nm.value - 0.5 * diameter_px) / p.diameter_nm.std for p in seen.particles]
    assert np.abs(off).max() < 2.0
    assert any(f"{len(places)} particles are less than 10 px across" in note for note in seen.notes)


def test_touching_particles_have_a_size_in_the_summary_and_small_ones_a_warning(tmp_path):
    for diameter_px, least in ((24, 49), (7, 46)):
        pitch = float(diameter_px)
        places = [(pitch * (1.0 + 0.866 * i), pitch * (1.0 + j + 0.5 * (i % 2))) for i in range(7) for j in range(7)]
        imageio.imwrite(tmp_path / "a.png", balls(places, diameter_px, 10 * diameter_px, noise=3.0))
        done = alloyscope("particles", tmp_path / "a.png", "--pixel-nm", "0.5", cwd=tmp_path)
        number = int(done.stdout.split(": ")[1].split()[0])
        assert least <= number <= 49, done.stdout
        mean = float(done.stdout.split("touching ones ")[1].split()[0])
        assert mean == pytest.approx(0.5 * diameter_px, rel=0.1)
        assert ("touching ones may be missed or merged" in done.stdout) == (diameter_px < 10)
