"""What programs draw on images is left out and said; what was recorded stays, however bright."""

import io
from collections.abc import Callable

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, gaussian_filter

from analysis.particles.annotations import annotations_of
from analysis.particles.looked_at import look_at
from tests.analysis.particles.balls import TWENTY
from tests.command import alloyscope

Pen = ImageDraw.ImageDraw


def drawn(what: Callable[[Pen], None], shape: tuple[int, int] = (384, 384), paper: int = 0, at=(0, 0)) -> np.ndarray:
    """The twenty balls with something drawn over or beside them."""
    image = Image.new("L", (shape[1], shape[0]), paper)
    image.paste(Image.fromarray(TWENTY), (at[1], at[0]))
    what(ImageDraw.Draw(image))
    return np.asarray(image)


def written(pen: Pen, at: tuple[int, int], words: str, size_px: int = 10, ink: int = 255) -> None:
    pen.text(at, words, fill=ink, font=ImageFont.load_default(size=size_px))


def bar(ink: int, top: int = 384) -> Callable[[Pen], None]:
    def draw(pen: Pen) -> None:
        written(pen, (8, top + 6), "HV 300 kV  mag 450 kx  HAADF  HFW 192 nm", ink=ink)
        pen.rectangle((8, top + 26, 108, top + 31), fill=ink)
        written(pen, (114, top + 22), "50 nm", ink=ink)

    return draw


def boxes(pen: Pen) -> None:
    """As scanning microscopes do."""
    for number, words in enumerate(("HV 300 kV", "mag 450 kx", "HAADF", "192 nm")):
        pen.rectangle((96 * number, 384, 96 * number + 95, 443), outline=255)
        written(pen, (96 * number + 8, 400), words)


def beside(left: int) -> Callable[[Pen], None]:
    def draw(pen: Pen) -> None:
        written(pen, (left, 20), "300 kV")
        written(pen, (left, 50), "HAADF")

    return draw


BARS = {
    "white": (drawn(bar(0), (424, 384), 255), "40 rows", (0, 0)),
    "black": (drawn(bar(255), (424, 384)), "40 rows", (0, 0)),
    "on top": (drawn(bar(0, top=0), (424, 384), 255, at=(40, 0)), "40 rows", (40, 0)),
    "of boxes": (drawn(boxes, (444, 384)), "60 rows", (0, 0)),
    "on the left": (drawn(beside(5), (384, 444), at=(0, 60)), "60 columns", (0, 60)),
    "on the right": (drawn(beside(389), (384, 444)), "60 columns", (0, 0)),
}


@pytest.mark.parametrize("which", BARS)
@pytest.mark.parametrize("method", ["learned", "watershed"])
def test_a_bar_at_any_side_is_left_out(which, method):
    image, words, first = BARS[which]
    seen = look_at(image, 0.5, method)
    assert len(seen.particles) == 20
    assert [n for n in seen.notes if f"a bar with a label, {words}" in n] == list(seen.notes)
    assert [p.diameter_nm.value for p in seen.particles] == pytest.approx([15.0] * 20, abs=0.6)
    places = np.array([(p.y_px, p.x_px) for p in seen.particles]) - first
    assert places.min(axis=0) == pytest.approx([40.0, 40.0], abs=1.0)
    assert seen.labels.shape == image.shape
    assert seen.labels.max() == 20


def ruler(pen: Pen, value: int, *, ticks: bool) -> None:
    pen.rectangle((15, 372, 115, 378), fill=value)
    written(pen, (40, 356), "50 nm", ink=value)
    for x in range(15, 116, 20) if ticks else ():
        pen.line((x, 366, x, 372), fill=value)


def plate(pen: Pen, paper: int, ink: int) -> None:
    pen.rectangle((250, 330, 375, 372), fill=paper)
    written(pen, (270, 332), "50 nm", 20, ink)
    pen.rectangle((265, 358, 360, 363), fill=ink)


def standing(pen: Pen) -> None:
    pen.rectangle((370, 290, 376, 375), fill=255)
    written(pen, (315, 325), "10 nm", 16)


def thick(pen: Pen) -> None:
    pen.rectangle((15, 350, 55, 370), fill=255)
    written(pen, (62, 344), "10 nm", 24)


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed))


WORDS = {
    "scale bar": drawn(lambda pen: ruler(pen, 255, ticks=False)),
    "ruler": drawn(lambda pen: ruler(pen, 170, ticks=True)),
    "time": drawn(lambda pen: written(pen, (10, 345), "t = 12.4 s", 16)),
    "large time": drawn(lambda pen: written(pen, (10, 335), "t = 12.4 s", 40)),
    "two lines": drawn(lambda pen: written(pen, (150, 300), "HAADF 300 kV\n450 C, 60 s", 24)),
    "dark plate": drawn(lambda pen: plate(pen, 0, 255)),
    "white plate": drawn(lambda pen: plate(pen, 255, 0)),
    "standing bar": drawn(standing),
    "thick bar": drawn(thick),
    "compressed": compressed(drawn(thick), 90),
    "compressed much": compressed(drawn(lambda pen: (ruler(pen, 255, ticks=False), thick(pen))), 75),
}


@pytest.mark.parametrize(
    ("which", "method"), [*((w, "learned") for w in WORDS), ("ruler", "watershed"), ("time", "watershed")]
)
def test_words_and_scale_bars_in_an_image_are_left_out_and_particles_stay(which, method):
    seen = look_at(WORDS[which], 0.5, method)
    assert len(seen.particles) == 20
    assert [p.diameter_nm.value for p in seen.particles] == pytest.approx([15.0] * 20, abs=0.6)
    assert len(seen.notes) == 1
    assert "words, a scale bar or a ruler drawn on the image" in seen.notes[0]
    assert seen.labels.max() == 20


def test_the_command_says_what_it_left_out(tmp_path):
    imageio.imwrite(tmp_path / "a.png", BARS["white"][0])
    done = alloyscope("particles", tmp_path / "a.png", "--pixel-nm", "0.5", cwd=tmp_path)
    assert "20 particles (20 round)" in done.stdout, done.stderr
    assert "note: a bar with a label" in done.stdout


def chains(seed: int, *, sharp: bool) -> np.ndarray:
    """8-bit image, saturated, of many chains of small balls: of one value, and in strokes, as letters are."""
    rng = np.random.default_rng(seed)
    empty = np.ones((512, 512), np.bool_)
    for _ in range(60):
        place, way = rng.uniform(60.0, 452.0, 2), rng.uniform(0.0, 2.0 * np.pi)
        for _ in range(rng.integers(3, 7)):
            empty[tuple(place.astype(int))] = False
            way += rng.normal(0.0, 0.7)
            place = place + 8.0 * np.array([np.sin(way), np.cos(way)])
    image = np.where(distance_transform_edt(empty) < 4.5, 300.0, 0.0)
    image = image if sharp else gaussian_filter(image, 0.8)
    return np.clip(image + 40.0 + rng.normal(0.0, 8.0, image.shape), 0.0, 255.0).astype(np.uint8)


@pytest.mark.parametrize("sharp", [True, False])
def test_saturated_chains_of_particles_are_no_words(sharp):
    for seed in range(8):
        found = annotations_of(chains(seed, sharp=sharp))
        assert found.field == (slice(0, 512), slice(0, 512))
        assert found.drawn == type(found.drawn)()


def test_what_was_recorded_is_no_drawing():
    """Saturated particles, black support, few counts, images without noise."""
    rng = np.random.default_rng(2)
    y, x = np.indices((128, 128))
    clean = 100 * ((y - 64) ** 2 + (x - 64) ** 2 < 400) + 50 * (np.abs(y - 20) < 3) * (np.abs(x - 60) < 30)
    cubes = 250.0 * ((y % 32 > 8) & (x % 32 > 8)) + rng.normal(40.0, 8.0, (128, 128))
    images = {
        "as it is": TWENTY,
        "saturated": np.minimum(TWENTY, 120).astype(np.uint8),
        "black support": np.clip(TWENTY.astype(int) - 45, 0, 255).astype(np.uint8),
        "few counts": rng.poisson(TWENTY / 40.0),
        "saturated cubes": np.clip(cubes, 0.0, 255.0).astype(np.uint8),
        "no noise": clean.astype(np.uint8),
        "nothing": np.zeros((64, 64)),
        "noise": rng.normal(size=(256, 256)),
    }
    for name, image in images.items():
        found = annotations_of(image)
        assert found.field == (slice(0, image.shape[0]), slice(0, image.shape[1])), name
        assert found.drawn == type(found.drawn)(), name
