"""Particles found in images drawn under the conditions of Zhang et al., against the outlines that were drawn."""

import json
import sys

import numpy as np
import pytest
import tifffile
from scipy.optimize import linear_sum_assignment

from analysis.files.image_file import read_image
from analysis.files.spectrum_file import read_spectrum_image
from analysis.particles import learned
from analysis.particles.candidates import candidates
from analysis.particles.measurement import measured
from analysis.particles.outlines import outlines
from analysis.particles.outlines import outlines as of_image
from analysis.particles.wanted import Wanted
from simulators.particle_images import Drawn, draw
from tests.command import alloyscope


def scored(drawn: Drawn, labels: np.ndarray) -> tuple[float, float, float]:
    """F1 at an IoU of 0.5, mean IoU of those matched, and their mean error of diameter."""
    number = labels.max()
    areas = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    iou = np.zeros((len(drawn.masks), number))
    for row, mask in zip(iou, drawn.masks, strict=True):
        both = np.bincount(labels[mask], minlength=number + 1)[1:]
        row[:] = both / (mask.sum() + areas - both)
    rows, columns = linear_sum_assignment(-iou)
    good = iou[rows, columns] >= 0.5
    sizes = [np.sqrt(areas[c] / drawn.masks[r].sum()) - 1.0 for r, c in zip(rows[good], columns[good], strict=True)]
    return 2.0 * good.sum() / (len(drawn.masks) + number), float(iou[rows, columns][good].mean()), float(np.mean(sizes))


CASES = [
    ("sphere", 50, 24, None, None, 0.99),
    ("sphere", 50, 24, 14.55, None, 0.99),
    ("sphere", 50, 24, 7.49, None, 0.97),
    pytest.param("concave cube", 50, 24, 14.55, None, 0.98, marks=pytest.mark.slow),
    ("rod", 65, 24, 14.55, None, 0.95),
    pytest.param("sphere", 30, 24, 14.55, None, 0.98, marks=pytest.mark.slow),
    pytest.param("sphere", 70, 12, 14.55, None, 0.98, marks=pytest.mark.slow),
    ("cube", 50, 20, 14.55, None, 0.98),
    ("bipyramid", 80, 16, 14.55, None, 0.98),
    ("sphere", 50, 20, 10.0, 0.3, 0.93),
    ("cube", 50, 16, 10.0, 0.0, 0.93),
    ("rod", 65, 16, 10.0, 0.3, 0.93),
]


@pytest.mark.parametrize(("shape", "size_px", "number", "snr_db", "overlap", "f1"), CASES)
@pytest.mark.parametrize("method", ["watershed", "learned"])
def test_particles_are_outlined_through_noise(method, shape, size_px, number, snr_db, overlap, f1):
    told = []
    for seed in range(10, 14):
        drawn = draw(shape, size_px, number, np.random.default_rng(seed), snr_db=snr_db, overlap=overlap)
        told.append(scored(drawn, outlines(drawn.image, method)))
    found = np.mean(told, axis=0)
    pointed, crowded = shape == "bipyramid", overlap is not None
    assert found[0] >= f1, told
    assert found[1] >= (0.8 if pointed else 0.85 if crowded else 0.93), told
    assert abs(found[2]) < (0.1 if pointed else 0.05 if crowded else 0.02), told


def test_otsu_cuts_spheres_short_as_the_paper_saw():
    drawn = draw("sphere", 50, 24, np.random.default_rng(5), snr_db=14.55)
    _, _, otsu = scored(drawn, outlines(drawn.image, "otsu"))
    _, _, ours = scored(drawn, outlines(drawn.image))
    assert otsu < -0.05
    assert abs(ours) < 0.02


@pytest.mark.parametrize("denoised", ["gaussian", "non-local means"])
@pytest.mark.parametrize("method", ["watershed", "learned"])
def test_all_are_found_after_denoising_as_in_the_paper(method, denoised):
    drawn = draw("sphere", 50, 24, np.random.default_rng(6), snr_db=7.49)
    f1, iou, size = scored(drawn, outlines(drawn.image, method, denoised))
    assert f1 == 1.0
    assert iou > 0.93
    assert abs(size) < 0.02


@pytest.mark.parametrize("method", ["watershed", "learned"])
def test_strange_images_get_right_answers_or_a_clear_message(rng, method):
    def outlines(image, **options):
        return of_image(image, method, **options)

    y, x = np.indices((512, 512))
    assert outlines(rng.normal(100.0, 5.0, (512, 512))).max() == 0
    assert outlines(rng.normal(100.0, 5.0, (512, 512)) + 0.1 * x).max() == 0
    filling = np.sqrt(np.maximum(1.0 - ((y - 256.0) ** 2 + (x - 256.0) ** 2) / 250.0**2, 0.0))
    labels = outlines(filling + rng.normal(0.0, 0.05, filling.shape))
    assert labels.max() == 1
    assert np.sqrt((labels == 1).sum() / np.pi) == pytest.approx(250.0, rel=0.02)
    drawn = draw("sphere", 50, 24, rng, snr_db=10.0)
    assert outlines(np.minimum(drawn.image, 0.6)).max() == 24
    assert outlines((np.clip(drawn.image, -0.5, 2.0) * 20000.0 + 10000.0).astype(np.uint16)).max() == 24
    inside = [np.all(mask.nonzero()[0] < 300) or np.all(mask.nonzero()[0] >= 300) for mask in drawn.masks]
    upper = sum(mask[:300].sum() >= 200 for mask in drawn.masks)
    assert abs(outlines(drawn.image[:300]).max() - upper) <= 24 - sum(inside)
    with pytest.raises(ValueError, match="bright-field"):
        outlines(-drawn.image)
    with pytest.raises(ValueError, match="HAADF"):
        outlines(drawn.image, bright_field=True)
    assert outlines(-drawn.image, bright_field=True).max() == 24
    with pytest.raises(ValueError, match="same value"):
        outlines(np.ones((64, 64)))
    with pytest.raises(ValueError, match="no numbers"):
        outlines(np.where(x > 500, np.nan, 1.0 * y))


def test_a_faint_particle_beside_a_bright_one_is_found(rng):
    bright = draw("sphere", 40, 6, np.random.default_rng(1), gradient=0.0)
    faint = draw("sphere", 60, 4, np.random.default_rng(2), gradient=0.0)
    apart = [m for m in faint.masks if not (m & (bright.image > 0)).any()]
    image = bright.image + 0.06 * faint.image + rng.normal(0.0, 0.004, bright.image.shape)
    labels = outlines(image)
    assert len(apart) >= 2
    for mask in apart:
        (name,) = [n for n in np.unique(labels[mask]) if n and (labels[mask] == n).sum() > 0.5 * mask.sum()]
        assert (labels == name).sum() == pytest.approx(mask.sum(), rel=0.2)


@pytest.mark.parametrize(
    ("shape", "size_px", "told"),
    [("sphere", 50, "round"), ("rod", 65, "rod"), ("cube", 50, "square"), ("concave cube", 60, "hollow-sided")],
)
def test_shapes_are_told_apart_and_measured(shape, size_px, told):
    drawn = draw(shape, size_px, 12, np.random.default_rng(3), snr_db=14.55)
    bodies = measured(drawn.image, outlines(drawn.image), 0.5, 0.01)
    assert sum(b.shape == told for b in bodies) >= 11
    for body in bodies:
        nearest = int(np.argmin(np.hypot(*(drawn.places_px - (body.y_px, body.x_px)).T)))
        area_nm2 = 0.25 * drawn.masks[nearest].sum()
        assert body.area_nm2.value == pytest.approx(area_nm2, rel=0.08)
        assert body.diameter_nm.std > 0.01 * body.diameter_nm.value
        assert not body.touching
    if shape == "rod":
        assert np.mean([b.feret_nm.value for b in bodies]) == pytest.approx(0.5 * 65, abs=1.0)
        assert np.mean([b.aspect_ratio.value for b in bodies]) == pytest.approx(6.5, rel=0.12)


def test_touching_and_cut_particles_are_said_to_be():
    drawn = draw("sphere", 60, 8, np.random.default_rng(4), snr_db=14.55, overlap=0.1)
    assert sum(b.touching for b in measured(drawn.image, outlines(drawn.image), 1.0)) >= 6
    y = int(drawn.places_px[:, 0].min())
    assert any(b.cut for b in measured(drawn.image[y:], outlines(drawn.image[y:]), 1.0))


def test_what_lies_under_another_is_completed_from_the_free_rim():
    """Of spheres; within the error told, and no less for those wholly seen."""
    off, sigmas = [], []
    for seed in range(4):
        drawn = draw("sphere", 50, 16, np.random.default_rng(seed), snr_db=10.0, overlap=0.3)
        for body in measured(drawn.image, outlines(drawn.image, "learned"), 1.0):
            nearest = int(np.argmin(np.hypot(*(drawn.places_px - (body.y_px, body.x_px)).T)))
            assert np.hypot(*(drawn.places_px[nearest] - (body.y_px, body.x_px))) < 1.5
            off.append(body.diameter_nm.value / 50.0 - 1.0)
            sigmas.append((body.diameter_nm.value - 50.0) / body.diameter_nm.std)
            assert body.shape == "round"
    assert len(off) == 64
    assert abs(np.mean(off)) < 0.01
    assert np.mean(np.abs(sigmas) < 2.0) > 0.9


def test_the_command_finds_and_follows(tmp_path):
    rng = np.random.default_rng(7)
    drawn = draw("sphere", 40, 12, rng, side_px=320, snr_db=14.55)
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.tif")
        tifffile.imwrite(paths[-1], np.roll(drawn.image, (3 * number, 2 * number), (0, 1)).astype(np.float32))
    out = [
        f"--{name}={tmp_path / file}" for name, file in (("json", "o.json"), ("labels", "l.tif"), ("picture", "p.png"))
    ]
    done = alloyscope("particles", *paths, "--pixel-nm", "0.5", *out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "o.json").read_text())
    names = [[p["name"] for p in image["particles"]] for image in told["images"]]
    assert all(sorted(n) == list(range(12)) for n in names)
    assert told["events"] == []
    assert tifffile.imread(tmp_path / "l.tif").shape == (3, 320, 320)
    assert (tmp_path / "p.png").stat().st_size > 1000
    assert "12 particles (12 round)" in done.stdout
    refused = alloyscope("particles", paths[0], cwd=tmp_path)
    assert refused.returncode == 2
    assert "--pixel-nm" in refused.stderr


def test_without_onnxruntime_the_command_says_what_to_install_and_thresholds_when_asked(tmp_path, monkeypatch):
    drawn = draw("sphere", 40, 6, np.random.default_rng(8), side_px=256, snr_db=14.55)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, drawn.image.astype(np.float32))
    learned._network.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    command = "particles", path, "--pixel-nm", "1"
    refused = alloyscope(*command, cwd=tmp_path)
    assert refused.returncode == 2
    assert "pip install 'alloyscope[learned]'" in refused.stderr
    assert "--method otsu" in refused.stderr
    asked = alloyscope(*command, "--method", "otsu", cwd=tmp_path)
    assert asked.returncode == 0, asked.stderr
    assert "6 particles" in asked.stdout


def test_candidates_are_those_asked_for_and_bad_words_are_refused(tmp_path):
    rods = draw("rod", 65, 3, np.random.default_rng(1), snr_db=14.55)
    balls = draw("sphere", 50, 4, np.random.default_rng(2), snr_db=14.55)
    apart = [n for n, m in enumerate(balls.masks) if not any((m & o).any() for o in rods.masks)]
    image = rods.image + balls.image
    bodies = measured(image, outlines(image), 1.0)
    chosen = candidates(bodies, Wanted.parse("single, round, 40-60 nm"), 1.0, image.shape)
    places = [balls.places_px[n] for n in apart]
    assert chosen
    for body in chosen:
        assert min(np.hypot(*(p - (body.y_px, body.x_px))) for p in places) < 3.0
        assert 45.0 < body.diameter_nm.value < 55.0
    assert {b.shape for b in candidates(bodies, Wanted.parse("rod, not touching"), 1.0, image.shape)} == {"rod"}
    assert len(candidates(bodies, Wanted(), 1.0, image.shape)) == sum(not b.cut for b in bodies)
    with pytest.raises(ValueError, match="'green' is not understood"):
        Wanted.parse("round, green")
    with pytest.raises(ValueError, match="not a range"):
        Wanted.parse("60-40 nm")


def test_real_images_are_outlined_as_a_person_would(real_data):
    """Looked at: docs/validation.md has the pictures. Every body above Otsu's threshold is in an outline of its own."""
    image, pixel_nm = read_image(real_data / "velox_emd" / "fei_emd_image.emd")
    assert pixel_nm == pytest.approx(5.302, abs=0.001)
    labels, bright = outlines(image, "learned"), outlines(image, "otsu")
    assert labels.max() >= 15
    owners = [np.bincount(labels[bright == number]).argmax() for number in range(1, bright.max() + 1)]
    assert len(owners) >= 6
    assert len({*owners} - {0}) == len(owners)


def test_outlines_of_real_particles_hold_their_shells(real_data):
    """Iron-platinum cores in iron oxide: iron tells where the particles end, platinum where the cores do."""
    path = real_data / "fept_core_shell_eds" / "core_shell.hspy"
    summed, pixel_nm = read_image(path)
    bodies = measured(summed, outlines(summed, "learned"), pixel_nm)
    assert 8 <= len(bodies) <= 12
    small = [b for b in bodies if not b.cut and b.diameter_nm.value < 8.0]
    assert len(small) >= 6
    spectra = read_spectrum_image(path)
    distances_nm = [pixel_nm * np.hypot(*(np.indices(summed.shape).T - (b.y_px, b.x_px)).T) for b in small]

    def ends_nm(line_kev: float) -> float:
        """Diameter at which the line's counts are half of those in the middle."""
        off_kev = np.abs(spectra.axis.energies_kev - line_kev)
        counts = spectra.counts[..., off_kev < 0.15].sum(axis=-1, dtype=float)
        counts -= spectra.counts[..., (off_kev > 0.45) & (off_kev < 0.6)].sum(axis=-1, dtype=float)
        edges_nm = np.arange(0.0, 6.5, 0.5)
        rings = [[counts[(r >= e) & (r < e + 0.5)].mean() for e in edges_nm] for r in distances_nm]
        course = np.mean(rings, axis=0) - np.mean(rings, axis=0)[-2:].mean()
        return 2.0 * float(np.interp(-0.5 * course[:2].mean(), -course, edges_nm + 0.25))

    shell_nm, core_nm = ends_nm(6.404), ends_nm(9.442)
    told_nm = np.mean([b.diameter_nm.value for b in small])
    assert core_nm < 0.7 * told_nm
    print(core_nm, told_nm, shell_nm)
    assert told_nm == pytest.approx(shell_nm, rel=0.15), f"the shells end at {shell_nm:.2f} nm"


def test_a_crowd_of_small_particles_is_not_taken_for_a_large_one():
    """Spheres of 20 px that nearly touch, on a grid; made smaller, they look like one body."""
    y, x = np.indices((512, 512))
    far = np.hypot((y - 140) % 22 - 11, (x - 140) % 22 - 11)
    patch = (y > 140) & (y < 140 + 10 * 22) & (x > 140) & (x < 140 + 10 * 22)
    image = np.where(patch, np.sqrt(np.maximum(1.0 - (far / 10.0) ** 2, 0.0)), 0.0)
    labels = outlines(image + np.random.default_rng(1).normal(0.0, 0.05, image.shape), "learned")
    assert 95 <= labels.max() <= 105
    assert np.median(np.bincount(labels.ravel())[1:]) == pytest.approx(np.pi * 100.0, rel=0.1)


@pytest.mark.parametrize("shape", ["disc", "square", "ball"])
@pytest.mark.parametrize("across_px", [60, 100, 120, 150, 205, 280])
def test_one_particle_alone_is_one_whatever_its_size(shape, across_px):
    """Flat ones as well, which show the network no middle."""
    y, x = np.indices((513, 513))
    far = np.hypot(y - 256, x - 205) / (0.5 * across_px)
    drawn = {
        "disc": (far < 1.0).astype(float),
        "square": (np.maximum(abs(y - 256), abs(x - 205)) < 0.5 * across_px).astype(float),
        "ball": np.sqrt(np.maximum(1.0 - far**2, 0.0)),
    }[shape]
    labels = outlines(1000.0 * drawn + np.random.default_rng(0).normal(0.0, 30.0, drawn.shape), "learned")
    assert labels.max() == 1
    assert (labels > 0).sum() == pytest.approx((drawn > 0).sum(), rel=0.05)
