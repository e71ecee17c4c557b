"""What a microscope's driver must do. Its stage is tilted by 10 deg and moved by 50 nm: put it where that is fine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.abilities import microscope_abilities
from drivers.conformance.check import Bench, Check, NotApplicable, cancelled_midway, must
from drivers.errors import AlloyscopeError
from drivers.interfaces import Microscope, Scan, ScanSettings, StagePosition

_SHAPES = ((128, 128), (64, 64), (256, 256))
_AWAY_NM, _TILT_DEG = 50.0, 10.0
_CLOSE_NM, _CLOSE_DEG = 25.0, 0.2
"""A goniometer's own errors."""
_SHIFT_PX = 12.0
_SEEN = 0.3
"""Correlation from which two images show the same."""
_BRIGHTER = 0.02
"""With the beam on, as a fraction of the counts without it."""
_LATE_S = 5.0

MicroscopeBench = Bench[Microscope]


def _settings(microscope: Microscope) -> ScanSettings:
    abilities = microscope_abilities(microscope)
    shape = next((s for s in _SHAPES if not abilities.shapes or s in abilities.shapes), None)
    shape = shape or sorted(abilities.shapes)[0]
    low, high = abilities.pixel_nm or (1.0, 1.0)
    return ScanSettings(pixel_nm=min(max(1.6, low), high) if abilities.pixel_nm else 1.6, shape=shape, dwell_s=3e-6)


async def _scanned(bench: MicroscopeBench, microscope: Microscope) -> Scan:
    """One frame with the beam on for no longer than it takes."""
    await bench.call("unblank the beam", microscope.set_beam_blank(False))
    try:
        return await bench.call("scan a frame", microscope.scan(_settings(microscope)))
    finally:
        await bench.call("blank the beam", microscope.set_beam_blank(True))


async def _twice(bench: MicroscopeBench, microscope: Microscope) -> None:
    low_deg, high_deg = microscope.tilt_range_deg()
    must(-91.0 < low_deg < high_deg < 91.0, f"unconnected, its tilt range is {low_deg:g} to {high_deg:g} deg")
    for _ in range(2):
        await bench.call("connect", microscope.connect(), 120.0)
        await bench.call("close", microscope.close())
    await bench.call("close once more", microscope.close())


async def _stage(bench: MicroscopeBench, microscope: Microscope) -> None:
    start = await bench.call("read its stage", microscope.read_stage())
    for asked in (
        StagePosition(start.x_nm + _AWAY_NM, start.y_nm, start.z_nm, _TILT_DEG),
        StagePosition(start.x_nm, start.y_nm + _AWAY_NM, start.z_nm, -_TILT_DEG),
        StagePosition(start.x_nm, start.y_nm, start.z_nm, 0.0),
    ):
        await bench.call("move its stage", microscope.move_to(asked), 180.0)
        found = await bench.call("read its stage", microscope.read_stage())
        off_nm = max(abs(found.x_nm - asked.x_nm), abs(found.y_nm - asked.y_nm), abs(found.z_nm - asked.z_nm))
        must(off_nm < _CLOSE_NM, f"{asked} was asked, it reads {found}: are these nanometres?")
        off_deg = abs(found.tilt_deg - asked.tilt_deg)
        must(off_deg < _CLOSE_DEG, f"{asked.tilt_deg:g} deg was asked, it reads {found.tilt_deg:g}: are these degrees?")


async def _tilt_refused(bench: MicroscopeBench, microscope: Microscope) -> None:
    _, high_deg = microscope.tilt_range_deg()
    before = await bench.call("read its stage", microscope.read_stage())
    refused = False
    try:
        await bench.call("tilt too far", microscope.move_to(StagePosition(tilt_deg=high_deg + 1.0)), 180.0)
    except AlloyscopeError:
        refused = True
    after = await bench.call("read its stage", microscope.read_stage())
    must(
        refused, f"{high_deg + 1.0:g} deg was asked, beyond {high_deg:g}, and not refused: it is at {after.tilt_deg:g}"
    )
    must(abs(after.tilt_deg - before.tilt_deg) < _CLOSE_DEG, "it refused to tilt too far, and moved")


async def _frame(bench: MicroscopeBench, microscope: Microscope) -> None:
    asked, scans = _settings(microscope), []
    for _ in range(2):
        scan = await _scanned(bench, microscope)
        scans.append(scan)
        must(scan.image.shape == asked.shape, f"{asked.shape} pixels were asked, it gave {scan.image.shape}")
        must(np.isfinite(scan.image.astype(float)).all(), "the image has pixels that are no numbers")
        off = abs(scan.pixel_nm / asked.pixel_nm - 1.0)
        must(off < 0.1, f"pixels of {asked.pixel_nm:g} nm were asked, it tells {scan.pixel_nm:g}")
        late_s = bench.clock.now() - scan.time_s
        must(-0.05 <= late_s < _LATE_S + asked.frame_s, f"a frame is stamped {late_s:.2f} s ago by the session's clock")
    must(scans[1].time_s > scans[0].time_s, "a later frame is not stamped later")
    must(
        not np.array_equal(scans[0].image, scans[1].image), "two frames are equal to the last count: is one an old one?"
    )


async def _shape_refused(bench: MicroscopeBench, microscope: Microscope) -> None:
    odd = ScanSettings(pixel_nm=1.6, shape=(101, 67), dwell_s=3e-6)
    try:
        scan = await bench.call("scan a frame", microscope.scan(odd))
    except AlloyscopeError:
        return
    must(scan.image.shape == odd.shape, f"{odd.shape} pixels were asked, it gave {scan.image.shape} without a word")


async def _directions(bench: MicroscopeBench, microscope: Microscope) -> None:
    by_nm = _SHIFT_PX * _settings(microscope).pixel_nm
    first = await _scanned(bench, microscope)
    await bench.call("shift the image", microscope.shift_image(by_nm, 0.5 * by_nm))
    shifted = await _scanned(bench, microscope)
    await bench.call("shift it back", microscope.shift_image(0.0, 0.0))
    _moved(first, shifted, (_SHIFT_PX, 0.5 * _SHIFT_PX), "an image shift to larger y and x")
    at = await bench.call("read its stage", microscope.read_stage())
    away = StagePosition(at.x_nm + by_nm, at.y_nm, at.z_nm, at.tilt_deg)
    await bench.call("move its stage", microscope.move_to(away), 180.0)
    moved = await _scanned(bench, microscope)
    await bench.call("move it back", microscope.move_to(at), 180.0)
    _moved(first, moved, (0.0, _SHIFT_PX), "a move of the stage to larger x")


def _moved(first: Scan, then: Scan, wanted_px: tuple[float, float], what: str) -> None:
    """By cross-correlation of what is bright in both."""
    a, b = (_contrast(scan.image) for scan in (first, then))
    seen = np.fft.ifft2(np.fft.fft2(b) * np.conj(np.fft.fft2(a))).real / (np.linalg.norm(a) * np.linalg.norm(b))
    if seen.max() < _SEEN:
        raise NotApplicable(f"the images show too little to see {what}; put something bright into the field")
    at = np.unravel_index(int(seen.argmax()), seen.shape)
    found = [int(v) if v <= n // 2 else int(v) - n for v, n in zip(at, seen.shape, strict=True)]
    off = max(abs(f - w) for f, w in zip(found, wanted_px, strict=True))
    must(off <= 4.0, f"{what} was to move the content by (y, x) {wanted_px} pixels, it moved by {tuple(found)}")


def _contrast(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """Without what is the same all over, noise smoothed."""
    blurred = image.astype(np.float64)
    for axis in (0, 1):
        blurred = np.mean([np.roll(blurred, n, axis) for n in range(-2, 3)], axis=0)
    return np.asarray(blurred - blurred.mean())


async def _safe_whenever(bench: MicroscopeBench, microscope: Microscope) -> None:
    """Seen by the counts of an image, where a beam that is on makes more of them than one that is blanked."""
    await bench.call("make safe", microscope.make_safe(), 10.0)
    await bench.call("blank the beam", microscope.set_beam_blank(True))
    blanked = await _counts(bench, microscope)
    await bench.call("unblank the beam", microscope.set_beam_blank(False))
    bright = await _counts(bench, microscope)
    await bench.call("make safe", microscope.make_safe(), 10.0)
    await bench.call("make safe again", microscope.make_safe(), 10.0)
    safe = await _counts(bench, microscope)
    if bright - blanked < _BRIGHTER * blanked:
        raise NotApplicable("the beam makes no difference to its images: whether it is blanked is not seen")
    must(
        safe - blanked < 0.5 * (bright - blanked),
        f"made safe, its images have {safe:.0f} counts, blanked {blanked:.0f}",
    )


async def _counts(bench: MicroscopeBench, microscope: Microscope) -> float:
    scan = await bench.call("scan a frame", microscope.scan(_settings(microscope)))
    return float(scan.image.mean())


async def _cancelled(bench: MicroscopeBench, microscope: Microscope) -> None:
    settings = _settings(microscope)
    await cancelled_midway(bench, microscope.scan(settings), 0.3 * settings.frame_s)
    await _scanned(bench, microscope)
    await cancelled_midway(bench, microscope.move_to(StagePosition(tilt_deg=_TILT_DEG)), 0.2)
    await bench.call("move its stage", microscope.move_to(StagePosition(tilt_deg=0.0)), 180.0)
    found = await bench.call("read its stage", microscope.read_stage())
    must(abs(found.tilt_deg) < _CLOSE_DEG, f"a move was cancelled; then 0 deg was asked, it is at {found.tilt_deg:g}")


async def _sweep(bench: MicroscopeBench, microscope: Microscope) -> None:
    settings = _settings(microscope)
    await bench.call("move its stage", microscope.move_to(StagePosition(tilt_deg=0.0)), 180.0)
    tilts: list[float] = []
    sweep = microscope.sweep(settings, _TILT_DEG, 2.0)
    try:
        while (scan := await bench.call("scan on its way", anext(sweep, None))) is not None:
            tilts.append(scan.stage.tilt_deg)
    except AlloyscopeError as error:
        if microscope_abilities(microscope).sweeps:
            raise
        raise NotApplicable(f"it declares that it cannot, and says so: {error}") from error
    finally:
        await sweep.aclose()
    must(microscope_abilities(microscope).sweeps, "it declares that it cannot scan while it tilts, and does")
    must(len(tilts) > 2, f"a sweep over {_TILT_DEG:g} deg gave {len(tilts)} frames")
    must(tilts == sorted(tilts), f"the tilts of a sweep run back: {tilts}")
    early = microscope.sweep(settings, 0.0, 2.0)
    await bench.call("scan on its way", anext(early))
    await bench.call("end a sweep early", early.aclose())
    await _scanned(bench, microscope)


MICROSCOPE_CHECKS: tuple[Check[Microscope], ...] = (
    Check("knows its tilt range unconnected; connects and closes twice", _twice, fresh=True),
    Check("speaks of nanometres and degrees", _stage),
    Check("refuses a tilt beyond its range", _tilt_refused),
    Check("gives the frame that was asked for, a new one each time, stamped by the session's clock", _frame),
    Check("gives the shape that was asked for, or refuses", _shape_refused),
    Check("shifts and moves content the way the Protocol says", _directions),
    Check("blanks the beam from any state", _safe_whenever),
    Check("lets go of a call that is cancelled", _cancelled),
    Check("scans while it tilts, if it says so", _sweep),
)
"""In order of how much they ask."""
